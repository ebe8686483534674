"""boto3's clients, as patient as each service's calls may be. Knows none of the calls."""

from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

# Their calls do something in the world, so boto3 must not repeat them: SQS and the sweep do, who know of the claims.
_NEVER_REPEATED: Final = ("sesv2", "sagemaker-runtime")


def make_client(service: str) -> Any:
    """A boto3 client; its address, region and credentials come from the environment.

    For S3: SigV4 and the bucket in the host's name, so that presigned addresses are those of the bucket's region.
    """
    is_repeated = service not in _NEVER_REPEATED
    config = Config(
        connect_timeout=3,
        read_timeout=10 if is_repeated else 20,
        retries={"mode": "standard", "total_max_attempts": 3 if is_repeated else 1},
        signature_version="s3v4" if service == "s3" else None,
        s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
    )
    return boto3.session.Session().client(service, config=config)  # type: ignore[call-overload]  # any service


def is_in_doubt(error: Exception) -> bool:
    """Whether a call that failed so may have been taken: it was sent, and no answer came."""
    return isinstance(error, ReadTimeoutError | ConnectionClosedError)
