"""Asks the dynamic loader whether every native library finds what it needs. Knows no GPU, and runs no file of theirs.

Linux alone: elsewhere there is no ldd.
"""

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from selftest.report import CheckFailedError, CheckSkippedError, some

# What comes with NVIDIA's driver and never with a package. Where containers are given the driver:
# https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html#driver-capabilities
_OF_THE_DRIVER: Final = frozenset({"libcuda.so.1", "libnvidia-ml.so.1"})
# What a PyTorch for CUDA has and one for the CPU lacks. `serve.torchvision_operators` and `upstream` see to it that
# what was built for the former is not missed beside the latter.
_OF_TORCH_FOR_CUDA: Final = frozenset({"libc10_cuda.so", "libtorch_cuda.so"})
# What Numba spreads parallel kernels with where it is there; ours are not parallel.
_OF_PARALLEL_KERNELS: Final = frozenset({"libgomp.so.1.0.0", "libtbb.so.12"})
_NOT_FOUND = re.compile(r"^\s*(\S+) => not found$", re.MULTILINE)
# Such as "libc.so.6: version `GLIBC_2.38' not found (required by …)".
_TOO_OLD = re.compile(r"([^\s/]+): version `(\S+)' not found")


def check_libraries() -> str:
    """All that the shared objects of this environment need is found by the loader, or is in this process already.

    Extension modules count on libraries that their package has loaded before: to be called after the imports.

    Raises:
        CheckFailedError: Something is missing, other than NVIDIA's driver.
        CheckSkippedError: This system has no ldd.
    """
    ldd = shutil.which("ldd")
    if ldd is None or sys.platform != "linux":
        raise CheckSkippedError("this system has no ldd to ask")
    if importlib.util.find_spec("torch"):
        importlib.import_module("torch")  # which loads what is built for it
    paths = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    files = sorted({file for path in paths for file in shared_objects(path)})
    accepted, spared = _loaded() | _OF_THE_DRIVER | _OF_PARALLEL_KERNELS, frozenset[str]()
    if _torch_is_for_cpu():
        spared = _OF_TORCH_FOR_CUDA
    wrong, driver, left_out = [], 0, []
    for file, missing in zip(files, needs(ldd, files), strict=True):
        driver += bool(missing & _OF_THE_DRIVER)
        missing -= accepted
        if missing and missing & spared:
            left_out.append(file.name)
        elif missing:
            wrong.append(f"{file.parent.name}/{file.name} needs {some(missing)}")
    if wrong:
        raise CheckFailedError(f"{some(wrong, 3)}: not found; install the package or the system library that has it")
    finding = f"{len(files)} shared objects find what they need"
    if driver:
        finding += f", {driver} of them in NVIDIA's driver"
    if left_out:
        finding += f"; {some(left_out)} are for CUDA, which this PyTorch is not, and are not loaded"
    return finding


def shared_objects(folder: Path) -> Iterable[Path]:
    """Every shared object below a folder."""
    for file in folder.rglob("*.so*"):
        if re.search(r"\.so(\.[0-9.]+)?$", file.name) and file.is_file() and not file.is_symlink():
            with file.open("rb") as opened:
                if opened.read(4) == b"\x7fELF":
                    yield file


def needs(ldd: str, files: Iterable[Path]) -> Iterable[set[str]]:
    """For each file, which libraries the loader did not find for it. It maps them for that, but runs none."""
    environment = {**os.environ, "LC_ALL": "C"}

    def ask(file: Path) -> set[str]:
        # What lies in this environment, and could as well be imported.
        done = subprocess.run([ldd, str(file)], capture_output=True, text=True, check=False, env=environment)  # noqa: S603
        said = done.stdout + done.stderr
        return {*_NOT_FOUND.findall(said), *(f"{name} with {version}" for name, version in _TOO_OLD.findall(said))}

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(ask, files))


def _loaded() -> set[str]:
    """The names of the files that are mapped into this process."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    return {line.rpartition("/")[2] for line in lines if "/" in line}


def _torch_is_for_cpu() -> bool:
    return "torch" in sys.modules and sys.modules["torch"].version.cuda is None
