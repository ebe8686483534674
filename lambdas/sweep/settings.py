"""What the Lambda sweep is set to."""

from dataclasses import dataclass

from lambdas.shared.settings import setting


@dataclass(frozen=True)
class SweepSettings:
    """From the environment, with the prefix `GEN3D_`."""

    bucket: str = setting("The bucket with the job folders.")
    uploaded_queue_url: str = setting("The queue that the Lambda extract reads.")
    finished_queue_url: str = setting("The queue that the Lambda notify reads.")
    submit_patience_seconds: int = setting(
        "How long after its upload a job may wait for an endpoint that takes it.", default=6 * 3600, least=60
    )
    metrics_namespace: str = setting("The namespace of the metrics in CloudWatch.", default="Gen3D")
