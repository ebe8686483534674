"""What brings a stage into an AWS account, step by step: `gen3d deploy`."""
