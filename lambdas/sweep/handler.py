"""A schedule's event: time to sweep."""

import functools
import os
from datetime import UTC, datetime
from typing import Any

from lambdas.shared.clients import make_client
from lambdas.shared.settings import read_settings
from lambdas.shared.store import Store
from lambdas.shared.telemetry import Metrics, make_logger
from lambdas.sweep.logic import NAME, Sweep
from lambdas.sweep.queues import Queue
from lambdas.sweep.settings import SweepSettings

log = make_logger(NAME)


@functools.cache
def service() -> Sweep:
    """What the logic needs, made at the cold start."""
    settings = read_settings(SweepSettings)
    sqs = make_client("sqs")
    return Sweep(
        settings=settings,
        store=Store(settings.bucket, make_client("s3")),
        uploaded=Queue(settings.uploaded_queue_url, sqs),
        finished=Queue(settings.finished_queue_url, sqs),
        now=lambda: datetime.now(UTC),
        metrics=Metrics(settings.metrics_namespace, NAME),
        log=log,
    )


def handle(event: dict[str, Any], context: Any) -> dict[str, int]:  # noqa: ARG001 - it says only that it is time
    """One sweep; how many jobs were looked at."""
    return {"looked_at": service().run(lambda: context.get_remaining_time_in_millis() / 1000)}


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    service()  # so that a wrong setting fails the start
