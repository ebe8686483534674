"""What the Lambda jobs is set to."""

from dataclasses import dataclass

from lambdas.shared.settings import setting


@dataclass(frozen=True)
class JobsSettings:
    """From the environment, with the prefix `GEN3D_`."""

    bucket: str = setting("The bucket with the job folders.")
    max_open_jobs: int = setting("How many jobs a user may have under way.", default=5, least=1, most=1000)
    max_jobs_a_day: int = setting("How many jobs a user may make in 24 hours.", default=200, least=1, most=10000)
    max_boxes: int = setting("How many boxes a job may have.", default=32, least=1, most=32)
    max_image_bytes: int = setting("The largest photo, in bytes.", default=64 * 2**20, least=1024, most=2**30)
    upload_seconds: int = setting("How long a photo may be uploaded.", default=3600, least=60, most=3600)
    link_seconds: int = setting("How long a link to a file works.", default=900, least=30, most=900)
    metrics_namespace: str = setting("The namespace of the metrics in CloudWatch.", default="Gen3D")
