"""The Lambdas' zips in a bucket, each under a key that says what is in it. Knows neither stages nor steps."""

import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.lambda_zips import NAMES, build_zip, zip_hash

# How a shell finds each Lambda's key among the files that this writes, by the name in the template's parameter.
KEYS: Final = {name.capitalize(): f"code/{name}-*.zip" for name in NAMES}


@cache
def lambda_codes() -> dict[str, bytes]:
    """The zips by their keys in the bucket."""
    codes = {name: build_zip(name) for name in NAMES}
    return {f"code/{name}-{zip_hash(code)}.zip": code for name, code in codes.items()}


def code_parameters() -> dict[str, str]:
    """The parameters of the stack service that say where each Lambda's zip lies."""
    return {f"{name.capitalize()}Code": key for name, key in zip(NAMES, lambda_codes(), strict=True)}


def put_codes(s3: Any, bucket: str) -> None:
    """Puts the zips into the bucket that are not there.

    Args:
        s3: A boto3 client.
        bucket: The bucket's name.
    """
    for key, code in lambda_codes().items():
        if not has_object(s3, bucket, key):
            s3.put_object(Bucket=bucket, Key=key, Body=code)


def has_object(s3: Any, bucket: str, key: str) -> bool:
    """Whether there is an object under a key; who asks may list the bucket, else S3 answers 403."""
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def _write(folder: Path) -> None:
    """Writes each zip to its key, below a folder."""
    (folder / "code").mkdir(parents=True, exist_ok=True)
    for key, code in lambda_codes().items():
        (folder / key).write_bytes(code)


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
