"""Logs as JSON lines and metrics in CloudWatch's embedded format, by Powertools. Knows nothing of what is logged."""

from dataclasses import dataclass

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric


def make_logger(name: str) -> Logger:
    """The logger of one Lambda."""
    return Logger(service=f"Gen3D-{name}", use_rfc3339=True, utc=True)


@dataclass(frozen=True)
class Metrics:
    """The metrics of one Lambda, in a namespace of CloudWatch."""

    namespace: str
    name: str

    def count(self, metric: str, *, by: dict[str, str] | None = None) -> None:
        """Logs that something happened, by the Lambda and further dimensions."""
        with single_metric(name=metric, unit=MetricUnit.Count, value=1, namespace=self.namespace) as one:
            for dimension, value in {"Lambda": self.name, **(by or {})}.items():
                one.add_dimension(name=dimension, value=value)
