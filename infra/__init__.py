"""What brings Gen3D into an AWS account. Knows no network and no page; works from a checkout, and is not in the image."""
