"""The Lambda jobs: the API under /api."""
