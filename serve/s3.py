"""S3: whole objects read and written, with errors a person can act on. Knows nothing of jobs or folders."""

import functools
import logging
import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Literal

from serve.errors import Gen3DError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# General purpose buckets; this also keeps out the ARNs that boto3 takes in a bucket's place. Source:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME = re.compile(r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_MAX_KEY_BYTES = 1024
_CHUNK_BYTES = 2**20

_client_lock = threading.Lock()
log = logging.getLogger(__name__)


def read_s3(uri: str, *, max_bytes: int) -> bytes:
    """Read a photo from `s3://bucket/key`; the key is literal, not percent-encoded.

    Args:
        uri: The object's address.
        max_bytes: Larger objects are refused before they are read.

    Raises:
        Gen3DError: `image_uri_invalid`, `image_not_found`, `image_access_denied`, `image_too_large` or
            `storage_unreachable`.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if (
        not uri.startswith("s3://")
        or not BUCKET_NAME.fullmatch(bucket)
        or not key
        or has_control_characters(key)
        or len(key.encode()) > _MAX_KEY_BYTES
    ):
        raise Gen3DError(
            "image_uri_invalid",
            "image_uri must be s3://bucket/key, with a valid bucket name and a key of at most"
            f" {_MAX_KEY_BYTES} bytes without control characters; it begins {uri[:200]!r}.",
        )
    with _s3_errors(uri, "read"):
        answer = _s3_client().get_object(Bucket=bucket, Key=key)
        with closing(answer["Body"]) as body:
            _check_size(uri, answer.get("ContentLength", 0), max_bytes)
            data = bytearray()
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                data += chunk
                _check_size(uri, len(data), max_bytes)
            return bytes(data)


def write_s3(bucket: str, key: str, data: bytes, *, media_type: str, caching: str) -> None:
    """Write one object, whole or not at all; one of that key is replaced.

    Args:
        bucket: The bucket's name.
        key: The object's key, literal.
        data: What the object is to hold.
        media_type: Its media type, such as `model/gltf-binary`.
        caching: Its `Cache-Control`.

    Raises:
        Gen3DError: `output_not_writable` or `storage_unreachable`.
    """
    with _s3_errors(f"s3://{bucket}/{key}", "write"):
        _s3_client().put_object(Bucket=bucket, Key=key, Body=data, ContentType=media_type, CacheControl=caching)


def is_in_s3(bucket: str, key: str) -> bool:
    """Whether there is an object of this key, literal. What cannot be looked at is not there, and that is logged."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _s3_client().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status != 404:
            log.warning("'s3://%s/%s' could not be looked for: S3 answers with status %s", bucket, key, status)
        return False
    except (BotoCoreError, ValueError) as error:
        log.warning("'s3://%s/%s' could not be looked for: %s", bucket, key, s3_failure(error))
        return False
    return True


def has_control_characters(text: str) -> bool:
    """Whether control characters or lone surrogates (which UTF-8 cannot hold) are in the text."""
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def s3_failure(error: Exception) -> str:
    """Why there was no answer of S3's to act on, for people, without the credentials that were sent.

    Args:
        error: What botocore raised, other than a `ClientError`.
    """
    from botocore.exceptions import HTTPClientError

    # Not its subclasses: they are failures of the connection. This one carries what else went wrong on the way to it,
    # such as http.client's "Invalid header value", which quotes the header.
    if type(error) is HTTPClientError:
        return "the request could not be sent; do the AWS_ variables hold line breaks?"
    return f"S3 did not answer as it should: {error}"


def credential_errors() -> tuple[type[Exception], ...]:
    """What botocore raises where there are no usable AWS credentials."""
    from botocore import exceptions

    return (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
        exceptions.ProfileNotFound,
    )


def _check_size(uri: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise Gen3DError(
            "image_too_large",
            f"The photo at '{uri}' has at least {size} bytes; GEN3D_MAX_IMAGE_BYTES allows {max_bytes}.",
            bytes=size,
            max_bytes=max_bytes,
        )


@functools.cache
def _make_s3_client() -> "S3Client":
    # Imported here because it takes long, and a laptop without S3 need not wait for it.
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.session.Session().client("s3", config=config)


def _s3_client() -> "S3Client":
    """The process's one S3 client; boto3 takes its address, region and credentials from the environment."""
    with _client_lock:
        return _make_s3_client()


_Action = Literal["read", "write"]
# S3 answers 400 to these, unlike to other refused credentials.
_EXPIRED = ("ExpiredToken", "InvalidToken")
_ANSWERS: dict[tuple[_Action, int], tuple[str, str]] = {
    ("read", 404): ("image_not_found", "there is no such object; check the bucket and the key"),
    ("read", 403): (
        "image_access_denied",
        "the server may not read it; its AWS identity needs s3:GetObject there. S3 also answers so for an"
        " object that does not exist, where s3:ListBucket is not granted",
    ),
    ("write", 404): ("output_not_writable", "there is no such bucket"),
    ("write", 403): ("output_not_writable", "the server's AWS identity needs s3:PutObject there"),
}


@contextmanager
def _s3_errors(uri: str, action: _Action) -> Iterator[None]:
    """Turn boto3's errors into ours. S3's own message is left out: it may name the account and its roles."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    try:
        yield
    except exceptions.ClientError as error:
        name = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if action == "read" or status >= 500:
            otherwise = ("storage_unreachable", "S3 did not answer as it should")
        else:
            otherwise = ("output_not_writable", "S3 refused to store it")
        code, meaning = _ANSWERS.get((action, 403 if name in _EXPIRED else status), otherwise)
        raise Gen3DError(code, f"'{uri}': {meaning} (S3 says {name}, status {status}).") from error
    except credential_errors() as error:
        code, _ = _ANSWERS[action, 403]
        raise Gen3DError(code, f"'{uri}': the server has no usable AWS credentials ({error}).") from error
    except (exceptions.BotoCoreError, ResponseParserError, ValueError) as error:
        # A ValueError is boto3's word for an AWS_ENDPOINT_URL that is no address.
        raise Gen3DError("storage_unreachable", f"'{uri}': {s3_failure(error)}") from None
