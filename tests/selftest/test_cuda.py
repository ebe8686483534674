"""What can be said of CUDA and of a GPU where there is neither."""

from pathlib import Path

import pytest

from selftest.cuda import library, oldest_driver
from selftest.gpu import driver
from selftest.report import CheckFailedError


@pytest.mark.parametrize(("cuda", "expected"), [("13.0", "580"), ("13.2", "580"), ("12.6", "525"), ("11.8", "450")])
def test_a_cuda_needs_a_driver(cuda: str, expected: str) -> None:
    assert oldest_driver(cuda) == expected


def test_a_cuda_that_nobody_has_looked_up_is_no_guess() -> None:
    with pytest.raises(CheckFailedError, match=r"CUDA 14\.1"):
        oldest_driver("14.1")


def test_a_library_is_found_whatever_its_version(tmp_path: Path) -> None:
    folder = tmp_path / "nvidia" / "cu13" / "lib"
    folder.mkdir(parents=True)
    for name in ("libnvrtc.alt.so.13", "libnvrtc.so.13", "libnvrtc-builtins.so.13.0"):
        (folder / name).touch()
    roots = [tmp_path / "nvidia"]
    assert library(roots, "libnvrtc") == folder / "libnvrtc.so.13"
    assert library(roots, "libnvrtc-builtins") == folder / "libnvrtc-builtins.so.13.0"
    assert library(roots, "libcublasLt") is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 2024\nGCC version:  12.2.0",
            "535.183.01",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\n", "580.95.05"),
        ("something else\n", "of a version it does not tell"),
    ],
)
def test_the_driver_says_its_version(tmp_path: Path, said: str, expected: str) -> None:
    (tmp_path / "version").write_text(said)
    assert driver(tmp_path / "version") == expected


def test_a_driver_that_says_nothing_is_no_failure(tmp_path: Path) -> None:
    assert driver(tmp_path / "version") == "of a version it does not tell"
