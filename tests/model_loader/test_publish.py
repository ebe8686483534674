"""Publishing to an S3 server that checks signatures, policies and checksums."""

import hashlib
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model_loader.manifest import read_manifest, write_manifest
from model_loader.publish import publish
from serve.errors import Gen3DError
from tests.model_loader.small_bundle import Watching, make_repacked_bundle, put_content

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import PartTypeDef

    from tests.conftest import LocalS3

BIG = "sam-3d-objects/ss_generator.ckpt"
PART = 5 * 2**20  # S3 takes no smaller ones
_numbers = itertools.count()


@pytest.fixture(scope="module")
def publisher(s3: "LocalS3") -> dict[str, str]:
    """What a process needs to act as a user who may do what the docstring of `publish` says, and no more."""
    return s3.make_user(
        "publisher",
        [
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:ListMultipartUploadParts"],
                "Resource": f"arn:aws:s3:::{s3.bucket}/weights/*",
            },
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"],
                "Resource": f"arn:aws:s3:::{s3.bucket}",
            },
        ],
    )


@pytest.fixture
def uri(s3: "LocalS3", publisher: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A prefix of the test's own, that this process may publish to."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in publisher.items():
        monkeypatch.setenv(name, value)
    return f"s3://{s3.bucket}/weights/{next(_numbers)}/"


def objects(s3: "LocalS3", uri: str) -> dict[str, bytes]:
    """What lies below a prefix, by the rest of the key."""
    prefix = uri.removeprefix(f"s3://{s3.bucket}/")
    listed = s3.client.list_objects_v2(Bucket=s3.bucket, Prefix=prefix).get("Contents", [])
    return {
        item["Key"].removeprefix(prefix): s3.client.get_object(Bucket=s3.bucket, Key=item["Key"])["Body"].read()
        for item in listed
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def big_bundle(bundle: Path) -> Path:
    """A bundle with a file of three parts."""
    part = hashlib.sha256(b"a part").digest() * (PART // 32)
    put_content(bundle, BIG, part + part[::-1] + b"end")
    return bundle


class CutOffError(Exception):
    """What a test ends an upload with."""


class CuttingOff(Watching):
    """Ends the work once so many bytes of a file are done; where that is 0, once the file is."""

    def __init__(self, path: str, after: int) -> None:
        super().__init__()
        self.path = path
        self.after = after

    def advance(self, path: str, count: int) -> None:
        super().advance(path, count)
        if path == self.path and self.done[path] >= self.after > 0:
            raise CutOffError

    def end(self, path: str, outcome: str) -> None:
        super().end(path, outcome)
        if path == self.path and self.after == 0:
            raise CutOffError


def test_a_bundle_is_published_whole(s3: "LocalS3", uri: str, bundle: Path) -> None:
    watching = Watching()
    assert publish(bundle, uri, watching) == 18
    assert objects(s3, uri) == contents(bundle)
    assert watching.done == watching.sizes == {path: len(content) for path, content in contents(bundle).items()}


def test_no_object_stands_for_a_folder(s3: "LocalS3", uri: str, bundle: Path) -> None:
    publish(bundle, uri)
    listed = s3.client.list_objects_v2(Bucket=s3.bucket, Prefix=uri.removeprefix(f"s3://{s3.bucket}/"))["Contents"]
    assert not [item["Key"] for item in listed if item["Key"].endswith("/") or item["Size"] == 0]


def test_each_object_carries_its_hash(s3: "LocalS3", uri: str, big_bundle: Path) -> None:
    publish(big_bundle, uri, part_bytes=PART)
    prefix = uri.removeprefix(f"s3://{s3.bucket}/")
    for file in read_manifest(big_bundle).files:
        head = s3.client.head_object(Bucket=s3.bucket, Key=prefix + file.path)
        assert head["Metadata"] == {"sha256": file.sha256}


def test_a_second_run_sends_nothing(s3: "LocalS3", uri: str, bundle: Path) -> None:
    publish(bundle, uri)
    watching = Watching()
    assert publish(bundle, uri, watching) == 0
    assert set(watching.outcomes.values()) == {"already there"}


def test_what_is_missing_there_is_sent(s3: "LocalS3", uri: str, bundle: Path) -> None:
    publish(bundle, uri)
    s3.client.delete_object(Bucket=s3.bucket, Key=uri.removeprefix(f"s3://{s3.bucket}/") + BIG)
    assert publish(bundle, uri) == 1
    assert objects(s3, uri) == contents(bundle)


def test_a_large_file_goes_in_parts(s3: "LocalS3", uri: str, big_bundle: Path) -> None:
    watching = Watching()
    publish(big_bundle, uri, watching, part_bytes=PART)
    assert objects(s3, uri) == contents(big_bundle)
    assert watching.done == watching.sizes
    head = s3.client.head_object(Bucket=s3.bucket, Key=uri.removeprefix(f"s3://{s3.bucket}/") + BIG)
    assert head["ETag"].endswith('-3"')


def test_an_interrupted_upload_goes_on_after_its_last_part(s3: "LocalS3", uri: str, big_bundle: Path) -> None:
    with pytest.raises(CutOffError):
        publish(big_bundle, uri, CuttingOff(BIG, after=PART), part_bytes=PART)
    key = uri.removeprefix(f"s3://{s3.bucket}/") + BIG
    (begun,) = s3.client.list_multipart_uploads(Bucket=s3.bucket, Prefix=key)["Uploads"]
    upload = begun["UploadId"]

    def parts() -> "dict[int, PartTypeDef]":
        listed = s3.client.list_parts(Bucket=s3.bucket, Key=key, UploadId=upload)["Parts"]
        return {part["PartNumber"]: part for part in listed}

    assert 1 in parts()
    s3.client.upload_part(
        Bucket=s3.bucket, Key=key, UploadId=upload, PartNumber=2, Body=b"damaged" * PART, ChecksumAlgorithm="SHA256"
    )
    before = parts()
    with pytest.raises(CutOffError):
        publish(big_bundle, uri, CuttingOff(BIG, after=2 * PART + 3), part_bytes=PART)
    assert parts()[1] == before[1], "not sent again"
    assert parts()[2] != before[2], "sent again, for it was another"
    assert "manifest.json" not in objects(s3, uri)
    publish(big_bundle, uri, part_bytes=PART)
    assert objects(s3, uri) == contents(big_bundle)
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=s3.bucket, Prefix=key)


def test_a_begun_upload_of_other_content_does_no_harm(s3: "LocalS3", uri: str, big_bundle: Path) -> None:
    key = uri.removeprefix(f"s3://{s3.bucket}/") + BIG
    begun = s3.client.create_multipart_upload(
        Bucket=s3.bucket, Key=key, Metadata={"sha256": "another"}, ChecksumAlgorithm="SHA256"
    )["UploadId"]
    for number in (1, 7):
        s3.client.upload_part(
            Bucket=s3.bucket, Key=key, UploadId=begun, PartNumber=number, Body=b"x" * PART, ChecksumAlgorithm="SHA256"
        )
    publish(big_bundle, uri, part_bytes=PART)
    assert objects(s3, uri) == contents(big_bundle)
    assert publish(big_bundle, uri, part_bytes=PART) == 0


def test_the_manifest_comes_last(s3: "LocalS3", uri: str, bundle: Path) -> None:
    last = read_manifest(bundle).files[-1].path
    with pytest.raises(CutOffError):
        publish(bundle, uri, CuttingOff(last, after=0))
    assert objects(s3, uri).keys() == contents(bundle).keys() - {"manifest.json"}


def test_nothing_is_removed(s3: "LocalS3", uri: str, bundle: Path) -> None:
    prefix = uri.removeprefix(f"s3://{s3.bucket}/")
    for name in ("notes.txt", "sam-3d-objects/of-somebody-else", "sam-3d-objects.txt"):
        s3.client.put_object(Bucket=s3.bucket, Key=prefix + name, Body=b"mine")
    publish(bundle, uri)
    assert objects(s3, uri).keys() - contents(bundle).keys() == {
        "notes.txt",
        "sam-3d-objects/of-somebody-else",
        "sam-3d-objects.txt",
    }


def test_another_bundle_is_not_replaced(s3: "LocalS3", uri: str, bundle: Path) -> None:
    publish(bundle, uri)
    before = objects(s3, uri)
    put_content(bundle, BIG, b"another content")
    with pytest.raises(Gen3DError, match="Another bundle") as raised:
        publish(bundle, uri)
    assert raised.value.code == "publish_refused"
    assert objects(s3, uri) == before


@pytest.mark.parametrize("size", [5000, 2 * PART])
def test_a_damaged_file_is_not_uploaded(s3: "LocalS3", uri: str, bundle: Path, size: int) -> None:
    put_content(bundle, BIG, b"a" * size)
    (bundle / BIG).write_bytes(b"b" * size)
    with pytest.raises(Gen3DError) as raised:
        publish(bundle, uri, part_bytes=PART)
    assert raised.value.code == "weights_damaged"
    assert BIG in raised.value.message
    assert not {BIG, "manifest.json"} & objects(s3, uri).keys()


def test_a_bundle_that_lists_too_little_is_not_published(s3: "LocalS3", uri: str, tmp_path: Path) -> None:
    manifest = make_repacked_bundle(tmp_path)
    write_manifest(tmp_path, manifest.model_copy(update={"files": manifest.files[1:]}))
    with pytest.raises(Gen3DError) as raised:
        publish(tmp_path, uri)
    assert raised.value.code == "weights_incomplete"
    assert objects(s3, uri) == {}


def test_half_a_bundle_is_not_published(s3: "LocalS3", uri: str, bundle: Path) -> None:
    (bundle / BIG).unlink()
    with pytest.raises(Gen3DError) as raised:
        publish(bundle, uri)
    assert raised.value.code == "weights_incomplete"
    assert objects(s3, uri) == {}


@pytest.mark.parametrize(
    "uri",
    ["", "weights/", "s3://", "s3://b/", "s3:///weights/", "s3://gen3d-photos", "s3://gen3d-photos/weights",
     "s3://gen3d-photos//weights/", "s3://gen3d-photos/a//b/", "S3://gen3d-photos/weights/", "s3://gen3d-photos/\n/",
     "s3://gen3d-photos/../weights/", "s3://gen3d-photos/a/./b/", "s3://gen3d-photos/..../../",
     "file:///weights/", f"s3://gen3d-photos/{'x' * 1000}/"],
)  # fmt: skip
def test_an_address_that_is_none(bundle: Path, uri: str) -> None:
    with pytest.raises(Gen3DError) as raised:
        publish(bundle, uri)
    assert raised.value.code == "publish_refused"
    assert "s3://bucket/prefix/" in raised.value.message


def test_a_bucket_that_is_not_there(uri: str, bundle: Path) -> None:
    with pytest.raises(Gen3DError) as raised:
        publish(bundle, "s3://gen3d-nowhere/weights/")
    assert raised.value.code == "publish_refused"
    assert "there is no such bucket" in raised.value.message


def test_a_place_that_may_not_be_written(s3: "LocalS3", uri: str, bundle: Path) -> None:
    with pytest.raises(Gen3DError) as raised:
        publish(bundle, f"s3://{s3.bucket}/users/weights/")
    assert raised.value.code == "publish_refused"
    assert "s3:PutObject" in raised.value.message


def test_no_credentials(uri: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Gen3DError, match="credentials") as raised:
        publish(bundle, uri)
    assert raised.value.code == "publish_refused"


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "nonsense"])
def test_no_s3_there(uri: str, bundle: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Gen3DError) as raised:
        publish(bundle, uri)
    assert raised.value.code == "storage_unreachable"
