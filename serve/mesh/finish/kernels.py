"""Loops over arrays, compiled by Numba. Knows nothing of meshes.

A kernel is compiled when it is first called and then kept, beside its module's bytecode where that can be written.
`serve.mesh.finish.warm_up` calls every one: images come with all of them compiled, and a server that is ready has them.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba.core.caching import InTreeCacheLocator

Function = TypeVar("Function", bound=Callable[..., Any])

KERNELS: Final[list[Any]] = []  # all that there are, of the modules that were imported


class BesideModule(InTreeCacheLocator):  # type: ignore[misc]  # Numba has no types
    """Where compiled kernels are kept. It differs from Numba's own way in two things.

    They are found where nothing can be written, as in a read-only image. And they are compiled anew when any module
    of this room has changed: Numba looks at a kernel's own module alone, and not at those whose kernels it calls.
    """

    def ensure_cache_path(self) -> None:
        """Makes the folder; one that is full of kernels may be read-only."""
        try:
            super().ensure_cache_path()
        except OSError:
            if not _has_kernels(self.get_cache_path()):
                raise

    def get_source_stamp(self) -> str:
        """What tells whether a kept kernel is still good."""
        return _digest()


def _has_kernels(folder: str) -> bool:
    return any(Path(folder).glob("*.nbi"))


@cache
def _digest() -> str:
    """Of all modules of this room."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def kernel(function: Function) -> Function:
    """Compiles a function that works on arrays and numbers alone; it runs without Python's global lock.

    Indices are not checked, and counting from the end is the kernel's own business. Division by zero gives infinity.
    """
    usual = numba.config.CACHE_LOCATOR_CLASSES
    classes = ("UserProvidedCacheLocator", f"{__name__}.{BesideModule.__name__}", "UserWideCacheLocator")
    numba.config.CACHE_LOCATOR_CLASSES = ",".join(classes)
    try:
        compiled = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_LOCATOR_CLASSES = usual
    KERNELS.append(compiled)
    return cast(Function, compiled)
