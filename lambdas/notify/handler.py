"""S3's events of answers and outcomes and SageMaker's failures, by SQS. Parses them, and calls the logic."""

import functools
import os
from datetime import UTC, datetime
from typing import Any

from lambdas.notify.logic import NAME, Notify
from lambdas.notify.mailer import Mailer
from lambdas.notify.settings import NotifySettings
from lambdas.shared.clients import make_client
from lambdas.shared.events import Created, InvocationEnded, process_messages
from lambdas.shared.job_folder import ASYNC_OUTPUT, OUTCOME, Job
from lambdas.shared.settings import read_settings
from lambdas.shared.store import Store
from lambdas.shared.telemetry import Metrics, make_logger

log = make_logger(NAME)


@functools.cache
def service() -> Notify:
    """What the logic needs, made at the cold start."""
    settings = read_settings(NotifySettings)
    return Notify(
        settings=settings,
        store=Store(settings.bucket, make_client("s3")),
        mailer=Mailer(settings.mail_from, settings.mail_configuration_set, make_client("sesv2")),
        now=lambda: datetime.now(UTC),
        metrics=Metrics(settings.metrics_namespace, NAME),
        log=log,
    )


def handle(event: dict[str, Any], context: Any) -> Any:
    """A batch of messages; the answer names those to bring again."""
    notify = service()

    def tell(told: Created | InvocationEnded) -> None:
        if isinstance(told, InvocationEnded):
            if told.failure is not None:  # what succeeded comes as an object
                notify.fail(told.input_location, told.failure)
        elif told.bucket != notify.settings.bucket:
            log.warning("another bucket's event", extra={"bucket": told.bucket})
        elif told.key.startswith(ASYNC_OUTPUT):
            notify.read_answer(told.key)
        elif (found := Job.of_key(told.key)) is not None and found[1] == OUTCOME:
            notify.tell(found[0])

    return process_messages(event, context, log, tell)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    service()  # so that a wrong setting fails the start, and not the first mail
