"""Finding a bundle before anything of it is loaded, and every way in which it can be none."""

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from model_loader.locate import locate
from model_loader.manifest import WeightsManifest, read_manifest, write_manifest
from serve.errors import Gen3DError
from tests.model_loader.small_bundle import make_bundle, make_repacked_bundle

BIG = "sam-3d-objects/ss_generator.ckpt"


def refusal(folder: Path, *, check_hashes: bool = False) -> Gen3DError:
    with pytest.raises(Gen3DError) as raised:
        locate(folder, check_hashes=check_hashes)
    assert raised.value.status == 503
    return raised.value


def change(folder: Path, **fields: Any) -> None:
    manifest = read_manifest(folder)
    write_manifest(folder, WeightsManifest.model_validate({**manifest.model_dump(), **fields}))


def test_a_whole_bundle_is_found(bundle: Path) -> None:
    found = locate(bundle, check_hashes=True)
    assert found.folder == bundle
    assert found.segmenter == "sam2"
    assert found.revision == "sam-3d-objects@2e73555 moge-vitl@ad326bf sam2.1-hiera-large@665f8e2"


def test_a_bundle_with_sam3_is_found(tmp_path: Path) -> None:
    make_bundle(tmp_path, "sam3")
    assert locate(tmp_path).segmenter == "sam3"


def test_a_repacked_bundle_is_found(tmp_path: Path) -> None:
    make_repacked_bundle(tmp_path)
    assert locate(tmp_path, check_hashes=True).manifest.form == "repacked"


@pytest.mark.parametrize(
    "path", ["slat_embedder.safetensors", "dinov2-0.safetensors", "ss_generator.yaml", "../moge/model.pt"]
)
def test_a_repacked_bundle_that_lists_too_little(tmp_path: Path, path: str) -> None:
    make_repacked_bundle(tmp_path)
    path = os.path.normpath(f"sam-3d-objects/{path}")
    change(tmp_path, files=[file.model_dump() for file in read_manifest(tmp_path).files if file.path != path])
    error = refusal(tmp_path)
    assert error.code == "weights_incomplete"
    assert error.details["files"] == [path]
    assert f"gen3d weights repack PUBLISHED --to {tmp_path}" in error.message


def test_a_published_bundle_that_calls_itself_repacked(bundle: Path) -> None:
    change(bundle, form="repacked")
    assert refusal(bundle).code == "weights_damaged"


@pytest.mark.parametrize("copies", [None, {"equal": True, "copies": {}}])
def test_a_repacked_bundle_says_where_dinov2_is(tmp_path: Path, copies: Any) -> None:
    make_repacked_bundle(tmp_path)
    change(tmp_path, dinov2=copies)
    error = refusal(tmp_path)
    assert error.code == "weights_damaged"
    assert "DINOv2" in error.message


def test_no_folder(tmp_path: Path) -> None:
    error = refusal(tmp_path / "weights")
    assert error.code == "weights_missing"
    assert f"gen3d weights fetch --to {tmp_path}/weights " in error.message


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("?")
    error = refusal(tmp_path / "weights")
    assert error.code == "weights_missing"
    assert "is not a folder" in error.message


def test_an_empty_folder(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert error.code == "weights_missing"
    assert "is empty" in error.message


def test_a_folder_without_a_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()
    error = refusal(bundle)
    assert error.code == "weights_missing"
    assert "holds no manifest.json" in error.message
    assert "gen3d weights fetch" in error.message


@pytest.mark.parametrize("text", ["", "{}", "[]", "half a manif", "\xff"])
def test_a_manifest_that_is_none(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text, encoding="latin-1")
    assert refusal(bundle).code == "weights_damaged"


def test_half_a_bundle_names_what_is_missing(bundle: Path) -> None:
    (bundle / BIG).unlink()
    (bundle / "moge/model.pt").unlink()
    error = refusal(bundle)
    assert error.code == "weights_incomplete"
    assert f"{BIG} (is missing)" in error.message
    assert error.details["files"] == [BIG, "moge/model.pt"]
    assert f"gen3d weights fetch --to {bundle}" in error.message


def test_a_manifest_that_lists_too_little(bundle: Path) -> None:
    change(bundle, files=[file.model_dump() for file in read_manifest(bundle).files if file.path != BIG])
    error = refusal(bundle)
    assert error.code == "weights_incomplete"
    assert BIG in error.message


def test_a_file_of_another_size(bundle: Path) -> None:
    with (bundle / BIG).open("ab") as file:
        file.write(b"more")
    error = refusal(bundle)
    assert error.code == "weights_damaged"
    assert "4996 bytes instead of 4992" in error.message


def test_another_content_is_noticed_when_hashes_are_asked_for(bundle: Path) -> None:
    content = (bundle / BIG).read_bytes()
    (bundle / BIG).write_bytes(b"\0" + content[1:])
    locate(bundle)
    error = refusal(bundle, check_hashes=True)
    assert error.code == "weights_damaged"
    assert BIG in error.message


def test_a_folder_in_a_files_place(bundle: Path) -> None:
    (bundle / BIG).unlink()
    (bundle / BIG).mkdir()
    assert refusal(bundle).code == "weights_damaged"


def test_another_revision_is_refused(bundle: Path) -> None:
    change(bundle, revisions={**read_manifest(bundle).revisions, "Ruicheng/moge-vitl": "979e84d" + "0" * 33})
    error = refusal(bundle)
    assert error.code == "weights_other_revision"
    assert "moge-vitl@979e84d" in error.message
    assert "made for sam-3d-objects@2e73555 moge-vitl@ad326bf" in error.message
    assert error.message.endswith(f"gen3d weights fetch --to {bundle}")


def test_many_problems_are_counted(bundle: Path) -> None:
    for file in read_manifest(bundle).files:
        (bundle / file.path).unlink()
    assert "and 12 more" in refusal(bundle).message


@pytest.mark.parametrize("path", ["manifest.json", "sam-3d-objects"])
def test_what_cannot_be_read_is_named(bundle: Path, path: str) -> None:
    (bundle / path).rename(bundle / "moved")
    (bundle / path).symlink_to(path)  # to itself: not even root can read it
    error = refusal(bundle, check_hashes=True)
    assert error.code == "weights_unreadable"
    assert path in error.message


def test_names_in_a_manifest_lead_nowhere_else(bundle: Path) -> None:
    text = (bundle / "manifest.json").read_text()
    (bundle / "manifest.json").write_text(text.replace(BIG, "../../etc/passwd"))
    assert refusal(bundle).code == "weights_damaged"


@pytest.mark.parametrize("name", ["the weights", "a'b", "$(rm -rf x)", "--force"])
def test_commands_can_be_pasted(tmp_path: Path, name: str) -> None:
    command = refusal(tmp_path / name).message.partition("; ")[2].removesuffix(" makes it.")
    assert shlex.split(command) == ["gen3d", "weights", "fetch", "--to", str(tmp_path / name)]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_name_with_a_line_break_makes_no_second_line(tmp_path: Path, is_there: bool) -> None:
    folder = tmp_path / "two\nlines"
    if is_there:
        make_bundle(folder)
        (folder / BIG).unlink()
    message = refusal(folder).message
    assert "\n" not in message
    assert "two\\nlines" in message
    assert "--to DIR" in message
