"""What the Lambdas share: the job folder, its documents, and the edge to S3."""
