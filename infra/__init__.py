"""What brings Gen3D into an AWS account. Knows no network and no page, and is not in the image."""
