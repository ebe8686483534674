"""A bundle on disk → S3, where an endpoint finds it. Knows nothing of the hub.

Each object carries the SHA-256 of its content as metadata (`x-amz-meta-sha256`), because S3's own checksum of an object
that was uploaded in parts is one of the parts' checksums. Each part is uploaded with its SHA-256, which S3 verifies and
gives back (ListParts): so an interrupted upload goes on after its last part.
"""

import base64
import hashlib
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model_loader.locate import locate
from model_loader.manifest import MANIFEST, BundleFile, file_sha256
from model_loader.parallel import in_parallel
from model_loader.progress import Unwatched, Watcher
from model_loader.verify import remedy
from serve.errors import Gen3DError
from serve.s3 import BUCKET_NAME, has_control_characters, s3_failure

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# S3 takes up to 10,000 parts of an object, none but the last smaller than 5 MiB. Source:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART_BYTES = 64 * 2**20
_AT_ONCE = 4
_HASH = "sha256"


def publish(folder: Path, uri: str, watcher: Watcher | None = None, *, part_bytes: int = PART_BYTES) -> int:
    """Upload a bundle; what is there already is left as it is, and nothing is ever removed.

    The manifest is uploaded last: where there is none, there is no bundle. Where there is that of another bundle,
    nothing is touched, for an endpoint may be reading it.

    S3's address, region and credentials come from the environment, as boto3 takes them. The identity needs
    `s3:GetObject`, `s3:PutObject` and `s3:ListMultipartUploadParts` below the prefix, and `s3:ListBucket` and
    `s3:ListBucketMultipartUploads` on the bucket.

    Args:
        folder: The bundle.
        uri: Where to, `s3://bucket/prefix/`.
        watcher: Is told of the progress by file.
        part_bytes: How much of a file to send at once; smaller files are sent whole.

    Returns:
        How many objects were written.

    Raises:
        Gen3DError: Those of `locate`, `publish_refused` or `storage_unreachable`.
    """
    bucket, prefix = _split(uri)
    manifest = locate(folder).manifest
    watcher = watcher or Unwatched()
    try:
        last = BundleFile.model_construct(
            path=MANIFEST,
            bytes=(folder / MANIFEST).stat().st_size,
            sha256=file_sha256(folder / MANIFEST),
            repository="",
        )
        files = (*manifest.files, last)
        watcher.plan({file.path: file.bytes for file in files})
        with _s3_errors(uri):
            upload = _Upload(_make_client(), bucket, prefix, folder, watcher, part_bytes)
            if upload.is_taken_by_another(last):
                raise Gen3DError(
                    "publish_refused", f"Another bundle lies at '{uri}', and may be in use: choose another prefix."
                )
            return sum([upload.put(file) for file in files])
    except _ChangedError as changed:
        raise Gen3DError(
            "weights_damaged",
            f"{str(folder / changed.path)!r} is not what the manifest says: it was not uploaded."
            f" {remedy(folder, manifest)}",
        ) from None
    except OSError as error:
        raise Gen3DError("weights_unreadable", f"{str(error.filename)!r} cannot be read ({error.strerror}).") from None


def _split(uri: str) -> tuple[str, str]:
    bucket, slash, prefix = uri.removeprefix("s3://").partition("/")
    if (
        not uri.startswith("s3://")
        or not slash
        or not BUCKET_NAME.fullmatch(bucket)
        or (prefix and not prefix.endswith("/"))
        # To tools and proxies on the way, these would mean another place.
        or {"", ".", ".."} & set(prefix.split("/")[:-1])
        or has_control_characters(prefix)
        or len(prefix.encode()) > 900  # of the 1024 bytes of a key
    ):
        raise Gen3DError(
            "publish_refused",
            f"Weights go to s3://bucket/prefix/, with a valid bucket name and the / at the end, not to {uri!r}.",
        )
    return bucket, prefix


def _make_client() -> "S3Client":
    # Imported here because it takes long, and the rest of the command need not wait for it.
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=10, read_timeout=120, retries={"mode": "standard"})  # AWS_MAX_ATTEMPTS: how often
    return boto3.session.Session().client("s3", config=config)


class _ChangedError(Exception):
    """A file is not what the manifest says."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(path)


@dataclass(frozen=True)
class _Part:
    number: int
    tag: str
    sha256: str


class _Upload:
    """One run of `publish`."""

    def __init__(
        self, client: "S3Client", bucket: str, prefix: str, folder: Path, watcher: Watcher, part_bytes: int
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._folder = folder
        self._watcher = watcher
        self._part_bytes = part_bytes

    def is_taken_by_another(self, manifest: BundleFile) -> bool:
        """Whether another bundle's manifest lies there."""
        there = self._hash_there(manifest)
        return there is not None and there != manifest.sha256

    def put(self, file: BundleFile) -> bool:
        """Brings a file to its place; whether there was anything to do."""
        self._watcher.begin(file.path, file.bytes, 0)
        if self._hash_there(file) == file.sha256:
            self._watcher.end(file.path, "already there")
            return False
        if file.bytes <= self._part_bytes:
            self._put_whole(file)
        elif not self._is_put_at_once(file):
            self._watcher.begin(file.path, file.bytes, 0)
            self._put_in_parts(file, None)
        self._watcher.end(file.path, "uploaded")
        return True

    def _is_put_at_once(self, file: BundleFile) -> bool:
        """Goes on with an upload that was begun earlier, or begins one; whether the file has its place now."""
        from botocore.exceptions import ClientError

        begun = self._begun(file)
        try:
            self._put_in_parts(file, begun)
        except ClientError as error:
            # Another run has finished the upload, or the bucket's rules have ended it. Or it was begun without SHA-256,
            # by something else: S3 answers 400 to parts with it.
            is_gone = error.response["Error"]["Code"] == "NoSuchUpload"
            if not is_gone and (begun is None or error.response["ResponseMetadata"]["HTTPStatusCode"] != 400):
                raise
        return self._hash_there(file) == file.sha256  # it may have been begun for other content

    def _hash_there(self, file: BundleFile) -> str | None:
        """The SHA-256 of the object in the file's place, `""` where it has none, None where there is no object."""
        from botocore.exceptions import ClientError

        try:
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + file.path)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        # A size that differs is another content, whatever its metadata says.
        return head["Metadata"].get(_HASH, "") if head["ContentLength"] == file.bytes else ""

    def _put_whole(self, file: BundleFile) -> None:
        data = (self._folder / file.path).read_bytes()
        digest = hashlib.sha256(data)
        if digest.hexdigest() != file.sha256:
            raise _ChangedError(file.path)
        self._client.put_object(
            Bucket=self._bucket,
            Key=self._prefix + file.path,
            Body=data,
            Metadata={_HASH: file.sha256},
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
        )
        self._watcher.advance(file.path, len(data))

    def _begun(self, file: BundleFile) -> str | None:
        """The id of an upload of this file that was interrupted, if there is one: the latest."""
        key = self._prefix + file.path
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=key)
        begun = [upload for page in pages for upload in page.get("Uploads", []) if upload["Key"] == key]
        return max(begun, key=lambda upload: upload["Initiated"])["UploadId"] if begun else None

    def _put_in_parts(self, file: BundleFile, begun: str | None) -> None:
        key = self._prefix + file.path
        there: dict[int, _Part] = {}
        if begun:
            pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=begun)
            for part in itertools.chain.from_iterable(page.get("Parts", []) for page in pages):
                there[part["PartNumber"]] = _Part(part["PartNumber"], part["ETag"], part.get("ChecksumSHA256", ""))
        upload = (
            begun
            or (
                self._client.create_multipart_upload(
                    Bucket=self._bucket, Key=key, Metadata={_HASH: file.sha256}, ChecksumAlgorithm="SHA256"
                )["UploadId"]
            )
        )
        whole = hashlib.sha256()

        def read() -> Iterator[tuple[int, bytes]]:
            with (self._folder / file.path).open("rb") as content:
                for number in itertools.count(1):
                    data = content.read(self._part_bytes)
                    if not data:
                        return
                    whole.update(data)
                    yield number, data

        def send(part: tuple[int, bytes]) -> _Part:
            number, data = part
            sha256 = base64.b64encode(hashlib.sha256(data).digest()).decode()
            found = there.get(number)
            if found is None or found.sha256 != sha256:
                answer = self._client.upload_part(
                    Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=number, Body=data, ChecksumSHA256=sha256
                )
                found = _Part(number, answer["ETag"], sha256)
            self._watcher.advance(file.path, len(data))
            return found

        # No more parts than threads are in memory.
        done = in_parallel(read(), send, workers=_AT_ONCE, stop=threading.Event())
        if whole.hexdigest() != file.sha256:
            raise _ChangedError(file.path)
        self._client.complete_multipart_upload(
            Bucket=self._bucket,
            Key=key,
            UploadId=upload,
            MultipartUpload={
                "Parts": [{"PartNumber": part.number, "ETag": part.tag, "ChecksumSHA256": part.sha256} for part in done]
            },
        )


@contextmanager
def _s3_errors(uri: str) -> Iterator[None]:
    """Turn boto3's errors into ours. S3's own message is left out: it may name the account and its roles."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    try:
        yield
    except exceptions.ClientError as error:
        name = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status >= 500:
            raise Gen3DError("storage_unreachable", f"'{uri}': S3 answers {name}, status {status}.") from None
        if status == 403:
            meaning = (
                "your AWS identity needs s3:GetObject, s3:PutObject and s3:ListMultipartUploadParts below it, and"
                " s3:ListBucket and s3:ListBucketMultipartUploads on the bucket"
            )
        elif name == "NoSuchBucket":
            meaning = "there is no such bucket"
        elif name == "NoSuchUpload":
            meaning = "something else ends the uploads that are begun there: let it finish, and run the command again"
        else:
            meaning = "S3 refuses it"
        raise Gen3DError("publish_refused", f"'{uri}': {meaning} (S3 says {name}, status {status}).") from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise Gen3DError("publish_refused", f"There are no usable AWS credentials here: {error}.") from None
    except (exceptions.BotoCoreError, ResponseParserError, ValueError) as error:
        # A ValueError is boto3's word for an AWS_ENDPOINT_URL that is no address.
        raise Gen3DError("storage_unreachable", f"'{uri}': {s3_failure(error)}") from None
