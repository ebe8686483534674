"""What arrives in the queues, taken apart: S3's events and SageMaker's notifications. Knows nothing of jobs."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from lambdas.shared.steps import BusyError


@dataclass(frozen=True)
class Created:
    """An object was created in a bucket; `version` is None where the event does not say which version it is."""

    bucket: str
    key: str
    version: str | None = None


@dataclass(frozen=True)
class InvocationEnded:
    """SageMaker is done with an invocation.

    Attributes:
        input_location: The `s3://` address of its request.
        failure: Why it failed; None where it did not.
    """

    input_location: str
    failure: str | None


def read_message(body: str) -> list[Created | InvocationEnded]:
    """What an SQS message tells; nothing where it is S3's test event or none of ours.

    S3's events come plain or in an envelope of SNS, SageMaker's notifications in an envelope of SNS or, with raw
    delivery, plain. Keys are URL-encoded, as in a form.

    Raises:
        ValueError: It, or what is in its envelope, is no JSON object.
    """
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("the message is no JSON object")
    if isinstance(message.get("Message"), str) and "TopicArn" in message:
        message = json.loads(message["Message"])
        if not isinstance(message, dict):
            raise ValueError("the message in the envelope is no JSON object")
    if "invocationStatus" in message:
        return _invocation(message)
    records = message.get("Records")
    if not isinstance(records, list):
        return []
    return [event for record in records if (event := _created(record)) is not None]


def _created(record: Any) -> Created | None:
    try:
        if not record["eventName"].startswith("ObjectCreated:"):
            return None
        thing = record["s3"]["object"]
        return Created(record["s3"]["bucket"]["name"], unquote_plus(thing["key"]), thing.get("versionId"))
    except (AttributeError, KeyError, TypeError):
        return None


def _invocation(message: dict[str, Any]) -> list[Created | InvocationEnded]:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html"""
    parameters = message.get("requestParameters")
    place = parameters.get("inputLocation") if isinstance(parameters, dict) else None
    if not isinstance(place, str):
        return []
    if message["invocationStatus"] == "Completed":
        return [InvocationEnded(place, None)]
    return [InvocationEnded(place, str(message.get("failureReason") or ""))]


def created_message(bucket: str, key: str) -> str:
    """A message as S3 sends it, for what is to be handled as if S3 had sent it now."""
    place = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}}
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Again", "s3": place}
    return json.dumps({"Records": [record]})


def process_messages(
    event: dict[str, Any], context: Any, log: Logger, handle: Callable[[Created | InvocationEnded], None]
) -> PartialItemFailureResponse:
    """Handles a batch of SQS messages; those that failed are named in the answer, and SQS brings them again."""

    def handle_record(record: SQSRecord) -> None:
        try:
            for told in read_message(record.body):
                handle(told)
        except BusyError as busy:
            log.info("to come again", extra={"reason": str(busy)})
            raise
        except Exception:
            log.exception("a message could not be handled")
            raise

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=event, record_handler=handle_record, processor=processor, context=context)
