"""What a stage's template retains: the bucket and the users' pool. Measured, and deleted for good where that is wanted.

Knows no stack: the names and listings are enough, so that it works also long after the stacks are gone.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.deploy.account import Account
from infra.destroy.inventory import BUCKET, POOL, Inventory, bucket_name
from lambdas.shared.job_folder import PENDING
from serve.errors import Gen3DError

# S3 lists so many at once, and takes so many in one DeleteObjects.
_PAGE: Final = 1000
# Up to so many are counted: what millions of objects come to is not worth a wait of many minutes.
_MOST_COUNTED: Final = 100_000
_TELL_SECONDS: Final = 15.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Bucket:
    """The bucket.

    Attributes:
        name: Its name.
        versions: How many versions of objects lie in it, marks of deletions among them.
        bytes: How large all of them are.
        is_all: Whether these are all there are; else the counting was given up.
        pending: How many jobs have not ended, as far as one listing says.
    """

    name: str
    versions: int
    bytes: int
    is_all: bool
    pending: int


@dataclass(frozen=True)
class Pool:
    """A users' pool, and how many users Cognito estimates it has."""

    id: str
    users: int


@dataclass(frozen=True)
class Data:
    """What is a stage's, and is kept unless one wants it gone.

    Attributes:
        bucket: The bucket; None where there is none.
        pools: One, or none; several where creations of the stage have failed, which leave empty ones.
    """

    bucket: Bucket | None
    pools: tuple[Pool, ...]

    def __bool__(self) -> bool:
        return self.bucket is not None or bool(self.pools)


def measure(account: Account, stage: str, inventory: Inventory) -> Data:
    """What there is.

    Raises:
        ClientError: AWS refuses, or does not answer.
    """
    name = bucket_name(account, stage)
    bucket = _measure_bucket(account.client("s3"), name) if name in inventory.names(BUCKET) else None
    cognito = account.client("cognito-idp")
    pools = []
    for identifier in inventory.names(POOL):
        found = cognito.describe_user_pool(UserPoolId=identifier)["UserPool"]
        if found["Name"] == f"Gen3D-{stage}":
            pools.append(Pool(identifier, int(found.get("EstimatedNumberOfUsers", 0))))
    return Data(bucket, tuple(pools))


def delete_data(account: Account, data: Data, tell: Tell) -> None:
    """Deletes it all for good. Done again, it goes on.

    Args:
        account: Where.
        data: What `measure` has found.
        tell: Is told how far it is, in one line.

    Raises:
        Gen3DError: `destroy_failed`: S3 keeps a version, or somebody still writes into the bucket.
        ClientError: AWS refuses, or does not answer.
    """
    if data.bucket is not None:
        s3, name = account.client("s3"), data.bucket.name
        _empty(s3, name, tell)
        try:
            s3.delete_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "BucketNotEmpty":
                raise
            message = f"Something was written into the bucket {name} while it was emptied: see who does, and try again."
            raise Gen3DError("destroy_failed", message) from None
        tell(f"bucket {name}: deleted")
    cognito = account.client("cognito-idp")
    for pool in data.pools:
        # What else the pool was told is set back by this, and goes with it.
        cognito.update_user_pool(UserPoolId=pool.id, DeletionProtection="INACTIVE")
        cognito.delete_user_pool(UserPoolId=pool.id)
        tell(f"user pool {pool.id}: deleted")


def _measure_bucket(s3: Any, name: str) -> Bucket:
    versions = size = 0
    is_all = True
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        kept = page.get("Versions", [])
        versions += len(kept) + len(page.get("DeleteMarkers", []))
        size += sum(one["Size"] for one in kept)
        if versions >= _MOST_COUNTED and page["IsTruncated"]:
            is_all = False
            break
    pending = s3.list_objects_v2(Bucket=name, Prefix=PENDING, MaxKeys=_PAGE)["KeyCount"]
    return Bucket(name, versions, size, is_all, pending)


def _empty(s3: Any, name: str, tell: Tell) -> None:
    """Deletes every version, every mark of a deletion, and what uploads that were broken off have left."""
    deleted, told = 0, time.monotonic()
    # From the beginning each time: what has been listed is gone, so no place to go on from is needed.
    while doomed := _some_versions(s3, name):
        answer = s3.delete_objects(Bucket=name, Delete={"Objects": doomed, "Quiet": True})
        for failed in answer.get("Errors", []):
            message = f"S3 did not delete '{failed.get('Key')}' in the bucket {name}: {failed.get('Code')}."
            raise Gen3DError("destroy_failed", message)
        deleted += len(doomed)
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            tell(f"bucket {name}: versions deleted so far: {deleted}")
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=name):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    tell(f"bucket {name}: empty; versions deleted: {deleted}")


def _some_versions(s3: Any, name: str) -> list[dict[str, str]]:
    page = s3.list_object_versions(Bucket=name, MaxKeys=_PAGE)
    both = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in both]
