"""Logs as JSON lines and metrics in CloudWatch's embedded format, by Powertools. Knows nothing of what is logged."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

NAMESPACE = "Gen3D"


def make_logger(name: str) -> Logger:
    """The logger of one Lambda."""
    return Logger(service=f"Gen3D-{name}", use_rfc3339=True, utc=True)


def count(metric: str, service: str, *, by: dict[str, str] | None = None, number: int = 1) -> None:
    """Logs a metric: how often something happened, by the Lambda and further dimensions."""
    with single_metric(name=metric, unit=MetricUnit.Count, value=number, namespace=NAMESPACE) as one:
        for dimension, value in {"Lambda": service, **(by or {})}.items():
            one.add_dimension(name=dimension, value=value)
