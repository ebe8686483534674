"""S3 and SNS: where inputs come from and results go. Knows no container and no queue."""

import json
import re
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from infra.local.async_endpoint.invocation import Invocation, Result

# https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html: payloads up to 1 GB
MAX_INPUT_BYTES = 2**30
_CHUNK_BYTES = 2**20
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
_VIRTUAL_HOST = re.compile(r"https://(?P<bucket>[^/]+)\.s3[.-][^/]*amazonaws\.com(?:\.cn)?/(?P<key>.+)")
_PATH_STYLE = re.compile(r"https://s3[.-][^/]*amazonaws\.com(?:\.cn)?/(?P<bucket>[^/]+)/(?P<key>.+)")


class UnreadableInputError(Exception):
    """The input cannot be had; the text says why."""


def split_location(location: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`, whose key is literal, or of S3's `https://` address of an object.

    Raises:
        ValueError: It is neither.
    """
    if location.startswith("s3://"):
        bucket, _, key = location.removeprefix("s3://").partition("/")
        if bucket and key:
            return bucket, key
    elif parts := _PATH_STYLE.fullmatch(location) or _VIRTUAL_HOST.fullmatch(location):
        return parts["bucket"], unquote(parts["key"])
    raise ValueError(f"'{location}' is no object of S3")


def download(s3: Any, location: str, file: IO[bytes]) -> int:
    """Copies an input from S3; its size in bytes.

    Raises:
        UnreadableInputError: There is none, it may not be read, it is too large, or S3 did not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    size = 0
    try:
        bucket, key = split_location(location)
        answer = s3.get_object(Bucket=bucket, Key=key)
        with closing(answer["Body"]) as body:
            if answer["ContentLength"] > MAX_INPUT_BYTES:
                raise ValueError(f"it has {answer['ContentLength']} bytes, and {MAX_INPUT_BYTES} are allowed")
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                size += file.write(chunk)
    except ClientError as error:
        raise UnreadableInputError(f"{location}: S3 says {error.response['Error']['Code']}") from error
    except (BotoCoreError, ValueError) as error:
        raise UnreadableInputError(f"{location}: {error}") from error
    file.flush()
    return size


def upload(s3: Any, location: str, path: Path, content_type: str | None) -> None:
    """Writes a result to S3, whole or not at all.

    Raises:
        botocore.exceptions.BotoCoreError: S3 did not answer.
        botocore.exceptions.ClientError: It refused.
        OSError: The file cannot be read.
        ValueError: The location is no object's.
    """
    bucket, key = split_location(location)
    told = {} if content_type is None else {"ContentType": content_type}
    with path.open("rb") as body:
        s3.put_object(Bucket=bucket, Key=key, Body=body, **told)


def message(invocation: Invocation, result: Result, ended: float) -> str:
    """What SNS is given to tell, as SageMaker writes it.

    The documents show none; these are the fields, in their order, of messages that people have received and published:
    `accept` and `contentType` where the call had them, no `responseParameters` after a failure, and no
    `failureReason` otherwise.

    Args:
        invocation: The request.
        result: How it ended.
        ended: When, in seconds since 1970.
    """
    asked = invocation.asked
    request = {
        "accept": asked.accept,
        "contentType": asked.content_type,
        "endpointName": asked.endpoint,
        "inputLocation": asked.input_location,
    }
    response = {"contentType": result.content_type, "outputLocation": invocation.output_location}
    told = {
        "awsRegion": invocation.configuration.region,
        "eventTime": _moment(ended),
        "receivedTime": _moment(invocation.received),
        "invocationStatus": result.status,
        "failureReason": result.reason,
        "requestParameters": _without_none(request),
        "responseParameters": _without_none(response) if result.status == "Completed" else None,
        "inferenceId": invocation.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    return json.dumps(_without_none(told), separators=(",", ":"))


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
