"""What can be said of CUDA and of a GPU where there is neither."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from selftest import cuda
from selftest.cuda import check_native_code, check_opened_libraries, compile_kernel, library, oldest_driver
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


@pytest.fixture
def torch_for_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands for a PyTorch for CUDA that is not installed here; it lies in a folder of its own, with no libraries."""
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    flags = "sm_80 sm_86 sm_90"
    torch = SimpleNamespace(
        __version__="2.11.0+cu130",
        __file__=str(tmp_path / "torch" / "__init__.py"),
        version=SimpleNamespace(cuda="13.0"),
        _C=SimpleNamespace(_cuda_getArchFlags=lambda: flags),
    )
    monkeypatch.setattr(cuda, "_torch_for_cuda", lambda: torch)
    return torch


@pytest.fixture
def spconv_has(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`spconv_has((8, 0), …)` is a build of spconv with code for these alone."""

    def has(*architectures: tuple[int, int]) -> None:
        told = SimpleNamespace(
            get_compiled_gemm_cuda_arch=lambda: list(architectures), get_compiled_cuda_version=lambda: (12, 6)
        )
        monkeypatch.setitem(sys.modules, "spconv.core_cc.cumm.common", SimpleNamespace(CompileInfo=told))

    return has


def test_code_for_every_gpu_is_found(torch_for_cuda: Any, spconv_has: Callable[..., None]) -> None:
    spconv_has((7, 5), (8, 0), (8, 6), (8, 9), (9, 0))
    assert "spconv for CUDA 12.6 has sm_80 sm_86 sm_89 sm_90; it needs NVIDIA's driver 580" in check_native_code()


def test_a_torch_without_code_for_a_gpu_fails(torch_for_cuda: Any) -> None:
    torch_for_cuda._C._cuda_getArchFlags = lambda: "sm_75 sm_80 sm_86"
    with pytest.raises(CheckFailedError, match=r"torch 2\.11\.0\+cu130 has no code for sm_90"):
        check_native_code()


def test_an_spconv_without_code_for_a_gpu_fails(torch_for_cuda: Any, spconv_has: Callable[..., None]) -> None:
    spconv_has((8, 0), (8, 6), (9, 0))  # which PyTorch would do with on an L40S
    with pytest.raises(CheckFailedError, match=r"spconv has no code for sm_89"):
        check_native_code()


def test_libraries_in_no_package_are_named(torch_for_cuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CheckFailedError, match=r"libcublasLt \(in no package\)"):
        check_opened_libraries()


def test_a_library_that_cannot_be_opened_is_named(torch_for_cuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path(torch_for_cuda.__file__).parent / "lib" / "libtorch_cuda_linalg.so").write_bytes(b"no library")
    monkeypatch.setattr(cuda, "_OPENED", ())
    with pytest.raises(CheckFailedError, match=r"libtorch_cuda_linalg\.so \(.*invalid ELF header|file too short"):
        check_opened_libraries()


def test_what_the_compiler_says_is_told() -> None:
    class Compiler:
        """Of NVRTC's functions, those that are called; it finds a fault in the program."""

        def __getattr__(self, name: str) -> Callable[..., int]:
            return lambda *_: 6 if name == "nvrtcCompileProgram" else 0

        def nvrtcGetProgramLogSize(self, _: object, size: Any) -> int:  # noqa: N802 - NVRTC's name
            size._obj.value = 20
            return 0

        def nvrtcGetProgramLog(self, _: object, said: Any) -> int:  # noqa: N802
            said.value = b"builtins are missing"[:19]
            return 0

    with pytest.raises(CheckFailedError, match="NVRTC cannot compile for sm_89: builtins are missin"):
        compile_kernel(Compiler(), "sm_89")


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
