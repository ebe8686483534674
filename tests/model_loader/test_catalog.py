"""The catalog's own sense: what it says of the published files cannot be checked without them."""

import re
from pathlib import PurePosixPath

import pytest

from model_loader.catalog import SEGMENTERS, CatalogFile, Segmenter, bundle_files, revisions


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_every_file_has_a_place_of_its_own(segmenter: Segmenter) -> None:
    files = bundle_files(segmenter)
    assert len({file.path for file in files}) == len(files)
    assert len({(file.repository, file.source) for file in files}) == len(files)
    assert {PurePosixPath(file.path).parts[0] for file in files} == {"sam-3d-objects", "moge", segmenter}


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_revisions_and_hashes_are_whole(segmenter: Segmenter) -> None:
    for file in bundle_files(segmenter):
        assert re.fullmatch(r"[0-9a-f]{40}", file.repository.revision)
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert (file.bytes is None) == (file.sha256 is None)


def test_every_large_file_is_pinned() -> None:
    for file in bundle_files("sam2") + bundle_files("sam3"):
        if file.path.endswith((".ckpt", ".pt", ".safetensors")):
            assert file.sha256, file.path


def test_the_sum_is_what_the_help_says() -> None:
    def gigabytes(files: tuple[CatalogFile, ...]) -> int:
        return round(sum(file.bytes or 0 for file in files) / 1e9)

    assert (gigabytes(bundle_files("sam2")), gigabytes(bundle_files("sam3"))) == (14, 17)


def test_one_revision_of_each_repository() -> None:
    assert set(revisions(bundle_files("sam2"))) == {
        "facebook/sam-3d-objects",
        "Ruicheng/moge-vitl",
        "facebook/sam2.1-hiera-large",
    }
