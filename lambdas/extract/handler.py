"""S3's events of uploaded photos, by SQS. Parses them, and calls the logic."""

import functools
import os
from datetime import UTC, datetime
from typing import Any

from lambdas.extract.logic import NAME, Extract
from lambdas.extract.runtime import Endpoint
from lambdas.extract.settings import ExtractSettings
from lambdas.shared.clients import make_client
from lambdas.shared.events import Created, InvocationEnded, process_messages
from lambdas.shared.settings import read_settings
from lambdas.shared.store import Store
from lambdas.shared.telemetry import Metrics, make_logger

log = make_logger(NAME)


@functools.cache
def service() -> Extract:
    """What the logic needs, made at the cold start."""
    settings = read_settings(ExtractSettings)
    return Extract(
        settings=settings,
        store=Store(settings.bucket, make_client("s3")),
        endpoint=Endpoint(settings.endpoint, make_client("sagemaker-runtime")),
        now=lambda: datetime.now(UTC),
        metrics=Metrics(settings.metrics_namespace, NAME),
        log=log,
    )


def handle(event: dict[str, Any], context: Any) -> Any:
    """A batch of messages; the answer names those to bring again."""
    extract = service()

    def submit(told: Created | InvocationEnded) -> None:
        if isinstance(told, Created) and told.bucket == extract.settings.bucket:
            extract.submit(told.key, told.version)

    return process_messages(event, context, log, submit)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    service()  # so that a wrong setting fails the start, and not the first photo
