"""What the Lambda extract is set to."""

from dataclasses import dataclass

from lambdas.shared.settings import setting


@dataclass(frozen=True)
class ExtractSettings:
    """From the environment, with the prefix `GEN3D_`."""

    bucket: str = setting("The bucket with the job folders.")
    endpoint: str = setting("The name of the SageMaker endpoint.")
    max_image_bytes: int = setting("The largest photo, in bytes.", default=64 * 2**20, least=1024, most=2**30)
    request_ttl_seconds: int = setting(
        "How long a job may wait for the endpoint. SageMaker allows 60 to 21600.", default=21600, least=60, most=21600
    )
    invocation_timeout_seconds: int = setting(
        "How long the container may work on a job. SageMaker allows 1 to 3600.", default=3600, least=1, most=3600
    )
    metrics_namespace: str = setting("The namespace of the metrics in CloudWatch.", default="Gen3D")
