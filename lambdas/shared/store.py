"""The edge to S3: objects of one bucket, read and written, also on condition. Knows nothing of jobs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# S3 takes 1,000 keys in one DeleteObjects, and gives 1,000 in one listing.
_MOST_KEYS = 1000
# How often a write is tried that met another one at the very same time (409).
_TRIES = 4


@dataclass(frozen=True)
class Stored:
    """An object as it was read.

    Attributes:
        data: Its bytes, or the first of them.
        etag: What its next version must be written on condition of.
        metadata: Its metadata, by names in lower case.
        size: How many bytes it has in all.
    """

    data: bytes
    etag: str
    metadata: Mapping[str, str]
    size: int


@dataclass(frozen=True)
class Listed:
    """A key in a listing; or, where `size` is None, what the keys have in common up to the delimiter."""

    key: str
    size: int | None


class Store:
    """A bucket."""

    def __init__(self, bucket: str, client: "S3Client") -> None:
        self.bucket, self.client = bucket, client

    def uri(self, key: str) -> str:
        """The object's `s3://` address."""
        return f"s3://{self.bucket}/{key}"

    def key_of(self, uri: str) -> str | None:
        """The key in an `s3://` address of this bucket, or None."""
        start = f"s3://{self.bucket}/"
        return uri.removeprefix(start) if uri.startswith(start) else None

    def get(self, key: str, *, first: int | None = None) -> Stored | None:
        """An object, or its first bytes; None where there is none."""
        limits: dict[str, Any] = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key, **limits)
        except ClientError as error:
            if _status(error) == 404:
                return None
            if _status(error) == 416:  # no byte of an empty object can be asked for
                return Stored(b"", "", {}, 0)
            raise
        data = answer["Body"].read()
        whole = answer.get("ContentRange", "").rpartition("/")[2]
        return Stored(data, answer["ETag"], answer["Metadata"], int(whole) if whole else len(data))

    def put(self, key: str, data: bytes, *, metadata: Mapping[str, str] | None = None, tags: str | None = None) -> None:
        """Writes an object, whatever is there."""
        self._put(key, data, metadata, tags, {})

    def put_first(
        self, key: str, data: bytes, *, metadata: Mapping[str, str] | None = None, tags: str | None = None
    ) -> str | None:
        """Writes an object where there is none; its ETag, or None where somebody was first."""
        return self._put(key, data, metadata, tags, {"IfNoneMatch": "*"})

    def replace(self, key: str, data: bytes, etag: str) -> str | None:
        """Writes the next version of exactly this one; its ETag, or None where it is no longer this one."""
        return self._put(key, data, None, None, {"IfMatch": etag})

    def _put(
        self,
        key: str,
        data: bytes,
        metadata: Mapping[str, str] | None,
        tags: str | None,
        condition: dict[str, str],
    ) -> str | None:
        more: dict[str, Any] = dict(condition)
        if metadata is not None:
            more["Metadata"] = metadata
        if tags is not None:
            more["Tagging"] = tags
        for tried in range(_TRIES):
            try:
                answer = self.client.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=data,
                    ContentType="application/json",
                    CacheControl="no-store",
                    **more,
                )
            except ClientError as error:
                if condition and _status(error) in (404, 412):
                    return None
                if condition and _status(error) == 409 and tried < _TRIES - 1:
                    continue
                raise
            return answer["ETag"]
        raise AssertionError("the last try returns or raises")

    def copy(self, source: str, key: str, *, tags: str) -> bool:
        """Copies an object; False where there is none."""
        try:
            self.client.copy_object(
                Bucket=self.bucket,
                Key=key,
                CopySource={"Bucket": self.bucket, "Key": source},
                Tagging=tags,
                TaggingDirective="REPLACE",
            )
        except ClientError as error:
            if _status(error) == 404:
                return False
            raise
        return True

    def list_page(
        self, prefix: str, *, after: str | None = None, delimiter: str | None = None
    ) -> tuple[list[Listed], bool]:
        """Up to 1,000 keys in order, and whether more follow.

        Args:
            prefix: What the keys begin with.
            after: The key, or the beginning of keys, after which the listing begins.
            delimiter: Keys with this after the prefix are listed once, up to its end.
        """
        wanted: dict[str, Any] = {"Bucket": self.bucket, "Prefix": prefix, "MaxKeys": _MOST_KEYS}
        if after is not None:
            wanted["StartAfter"] = after
        if delimiter is not None:
            wanted["Delimiter"] = delimiter
        answer = self.client.list_objects_v2(**wanted)
        found = [Listed(item["Key"], item["Size"]) for item in answer.get("Contents", [])]
        found += [Listed(item["Prefix"], None) for item in answer.get("CommonPrefixes", [])]
        return sorted(found, key=lambda item: item.key.encode()), answer["IsTruncated"]

    def list_all(self, prefix: str) -> Iterator[Listed]:
        """All keys with the prefix, in order."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, PaginationConfig={"PageSize": _MOST_KEYS}
        )
        for page in pages:
            yield from (Listed(item["Key"], item["Size"]) for item in page.get("Contents", []))

    def delete(self, keys: Sequence[str]) -> None:
        """Deletes the newest version of some objects; those that are not there are none's loss."""
        self._delete([{"Key": key} for key in keys])

    def first_version(self, key: str) -> str | None:
        """The oldest version that is kept of an object; None where none is."""
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=key)
        # S3 lists the versions of a key from the newest to the oldest.
        kept = [one["VersionId"] for page in pages for one in page.get("Versions", []) if one["Key"] == key]
        return kept[-1] if kept else None

    def delete_version(self, key: str, version: str) -> None:
        """Removes one version of an object."""
        self._delete([{"Key": key, "VersionId": version}])

    def delete_for_good(self, prefix: str, *, but: str) -> int:
        """Removes every version of every object with the prefix but one key's; how many versions there were."""
        removed = 0
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
        for page in pages:
            versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            doomed = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions if one["Key"] != but]
            self._delete(doomed)
            removed += len(doomed)
        return removed

    def _delete(self, objects: list[dict[str, str]]) -> None:
        for start in range(0, len(objects), _MOST_KEYS):
            some: Any = objects[start : start + _MOST_KEYS]
            answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": some, "Quiet": True})
            for failed in answer.get("Errors", []):
                raise OSError(f"S3 did not delete '{failed.get('Key')}': {failed.get('Code')}")

    def presigned_get(self, key: str, seconds: int) -> str:
        """An address that anybody may read the object at, for so long."""
        return self.client.generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=seconds
        )

    def presigned_post(
        self, key: str, *, media_type: str, most_bytes: int, tags: Mapping[str, str], seconds: int
    ) -> tuple[str, dict[str, str]]:
        """Where, and with which fields, anybody may upload exactly this object, for so long."""
        fields = {"Content-Type": media_type, "tagging": _tagging_xml(tags)}
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", 1, most_bytes])
        post = self.client.generate_presigned_post(
            self.bucket, key, Fields=dict(fields), Conditions=conditions, ExpiresIn=seconds
        )
        return post["url"], post["fields"]


def tag_header(tags: Mapping[str, str]) -> str:
    """Tags as PutObject and CopyObject take them."""
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in tags.items())


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _tagging_xml(tags: Mapping[str, str]) -> str:
    """Tags as a POST form takes them (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html)."""
    each = "".join(f"<Tag><Key>{name}</Key><Value>{value}</Value></Tag>" for name, value in tags.items())
    return f"<Tagging><TagSet>{each}</TagSet></Tagging>"
