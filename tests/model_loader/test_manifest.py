"""The manifest: what it takes, what it refuses, and how it is written."""

import hashlib
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model_loader.manifest import BundleFile, WeightsManifest, file_sha256, read_manifest, write_manifest
from serve.errors import Gen3DError

REPOSITORY = "facebook/sam-3d-objects"


def a_file(path: str) -> BundleFile:
    return BundleFile(path=path, bytes=3, sha256="0" * 64, repository=REPOSITORY)


def a_manifest(*files: BundleFile) -> WeightsManifest:
    return WeightsManifest(form="published", segmenter="sam2", revisions={REPOSITORY: "1" * 40}, files=files)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest = a_manifest(a_file("sam-3d-objects/pipeline.yaml"), a_file("LICENSE"))
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    assert stat.S_IMODE((tmp_path / "manifest.json").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "/etc/passwd", "../weights", "a/../../b", "a//b", "a/", "./a", "a\\b", "a\0b", "manifest.json"],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        a_file(path)


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4))
def test_every_path_that_is_taken_lies_in_the_folder(parts: list[str]) -> None:
    path = "/".join(parts)
    try:
        a_file(path)
    except ValidationError:
        return
    resolved = Path("/bundle") / path
    assert resolved.as_posix() == f"/bundle/{path}"
    assert ".." not in resolved.parts


def test_a_file_is_listed_once() -> None:
    with pytest.raises(ValidationError, match="twice"):
        a_manifest(a_file("a"), a_file("a"))


def test_every_files_revision_is_given() -> None:
    with pytest.raises(ValidationError, match="no revision is given for facebook/sam3"):
        a_manifest(a_file("a").model_copy(update={"repository": "facebook/sam3"}))


def test_unknown_fields_are_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, a_manifest(a_file("a")))
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace('"form"', '"shape"'))
    with pytest.raises(Gen3DError) as raised:
        read_manifest(tmp_path)
    assert raised.value.code == "weights_damaged"


def test_a_file_is_hashed_with_progress(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10000
    (tmp_path / "file").write_bytes(content)
    counts: list[int] = []
    assert file_sha256(tmp_path / "file", counts.append) == hashlib.sha256(content).hexdigest()
    assert sum(counts) == len(content)
    assert len(counts) > 1
