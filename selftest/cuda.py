"""Looks at what PyTorch for CUDA brings for the GPU: native code, and libraries found at first use. Needs no GPU."""

import ctypes
import importlib
import importlib.util
from pathlib import Path
from typing import Any, Final

from selftest.report import CheckFailedError, CheckSkippedError, some

# A100; A10G; L4 and L40S; H100: https://developer.nvidia.com/cuda-gpus
ARCHITECTURES: Final = ((8, 0), (8, 6), (8, 9), (9, 0))
# PyTorch has none for 8.9, which runs the code of 8.6 (same major number, no smaller minor one:
# https://docs.nvidia.com/cuda/ada-compatibility-guide/); spconv asks for the GPU's own.
_OF_PYTORCH: Final = ((8, 0), (8, 6), (9, 0))
# The oldest driver for all releases of a CUDA, by its major number:
# https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
_DRIVERS: Final = {11: "450", 12: "525", 13: "580"}
# What is opened by its name at first use, so that no loader would miss it at the start: cuDNN opens its parts, and with
# cuBLAS, cuFFT and cuSPARSELt the compiler, which opens its builtins; cuFFT opens the linker.
_OPENED: Final = (
    "libcublasLt",
    "libcudnn_cnn",
    "libcudnn_engines_precompiled",
    "libcudnn_engines_runtime_compiled",
    "libcudnn_graph",
    "libcudnn_heuristic",
    "libcudnn_ops",
    "libnvJitLink",
    "libnvrtc",
    "libnvrtc-builtins",
)
_OF_TORCH: Final = "libtorch_cuda_linalg.so"  # at the first use of linear algebra
_KERNEL: Final = b'extern "C" __global__ void doubled(float *x) { x[threadIdx.x] *= 2.0f; }'


def check_native_code() -> str:
    """PyTorch and spconv have native code for `ARCHITECTURES`, so that no driver compiles at the first request.

    Raises:
        CheckFailedError: One of them has not.
        CheckSkippedError: This PyTorch is for the CPU.
    """
    torch = _torch_for_cuda()
    flags = torch._C._cuda_getArchFlags() or ""
    if lacking := [name for name in map(_name, _OF_PYTORCH) if name not in flags.split()]:
        raise CheckFailedError(f"torch {torch.__version__} has no code for {some(lacking)}: install another build")
    compiled = importlib.import_module("spconv.core_cc.cumm.common").CompileInfo
    has = {tuple(each) for each in compiled.get_compiled_gemm_cuda_arch()}
    if lacking := [_name(wanted) for wanted in ARCHITECTURES if wanted not in has]:
        raise CheckFailedError(
            f"spconv has no code for {some(lacking)}: install a build for CUDA, such as spconv-cu126"
        )
    spconv_cuda = ".".join(map(str, compiled.get_compiled_cuda_version()))
    return (
        f"torch for CUDA {torch.version.cuda} has {flags}, spconv for CUDA {spconv_cuda} has"
        f" {' '.join(map(_name, ARCHITECTURES))}; it needs NVIDIA's driver {oldest_driver(torch.version.cuda)} or newer"
    )


def _name(architecture: tuple[int, int]) -> str:
    return "sm_{}{}".format(*architecture)


def oldest_driver(cuda: str) -> str:
    """The first number of the oldest driver that a CUDA such as `13.0` runs with.

    Raises:
        CheckFailedError: It is not known here.
    """
    major = int(cuda.partition(".")[0])
    if major not in _DRIVERS:
        raise CheckFailedError(f"which driver CUDA {cuda} needs is not known here: add it to the self-test")
    return _DRIVERS[major]


def check_opened_libraries() -> str:
    """What CUDA's libraries open by name at first use is there; the compiler among them compiles.

    Raises:
        CheckFailedError: Something is missing or does not work.
        CheckSkippedError: This PyTorch is for the CPU.
    """
    torch = _torch_for_cuda()
    found = importlib.util.find_spec("nvidia")
    roots = [Path(each) for each in (found.submodule_search_locations or ())] if found else []
    files = {stem: library(roots, stem) for stem in _OPENED}
    files[_OF_TORCH] = Path(torch.__file__).parent / "lib" / _OF_TORCH
    wrong = []
    for name, file in files.items():
        try:
            if file is not None:
                ctypes.CDLL(str(file))
        except OSError as error:
            wrong.append(f"{name} ({error})")
    wrong += [f"{name} (in no package)" for name, file in files.items() if file is None]
    if wrong:
        raise CheckFailedError(f"cannot be opened: {some(wrong, 3)}; install NVIDIA's package that has it")
    for architecture in ARCHITECTURES:
        compile_kernel(ctypes.CDLL(str(files["libnvrtc"])), _name(architecture))
    return f"{len(files)} libraries that are opened at first use; NVRTC compiles"


def library(roots: list[Path], stem: str) -> Path | None:
    """The file of a library, such as `libnvrtc.so.13` of `libnvrtc`, whatever its version."""
    return next((file for root in roots for file in sorted(root.glob(f"*/lib/{stem}.so*"))), None)


def compile_kernel(nvrtc: Any, architecture: str) -> None:
    """Compiles a kernel to native code; that takes the compiler's builtins, and no GPU.

    The calls are those of https://docs.nvidia.com/cuda/nvrtc/

    Args:
        nvrtc: The library, opened.
        architecture: Such as `sm_80`.

    Raises:
        CheckFailedError: With what the compiler says.
    """
    program = ctypes.c_void_p()
    options = (ctypes.c_char_p * 1)(f"--gpu-architecture={architecture}".encode())
    status = nvrtc.nvrtcCreateProgram(ctypes.byref(program), _KERNEL, b"doubled.cu", 0, None, None)
    status = status or nvrtc.nvrtcCompileProgram(program, len(options), options)
    size = ctypes.c_size_t()
    if status == 0 and nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)) == 0 and size.value > 0:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
        return
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    said = ctypes.create_string_buffer(max(size.value, 1))
    nvrtc.nvrtcGetProgramLog(program, said)
    raise CheckFailedError(f"NVRTC cannot compile for {architecture}: {said.value.decode(errors='replace') or status}")


def _torch_for_cuda() -> Any:
    import torch

    if torch.version.cuda is None:
        raise CheckSkippedError("this torch is built for the CPU")
    return torch
