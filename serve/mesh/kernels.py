"""Loops over arrays, compiled by Numba. Knows nothing of meshes.

A kernel is compiled when it is first called and then kept, beside its module's bytecode where that can be written.
`serve.mesh.finish.warm_up` calls every one: images come with all of them compiled, and a server that is ready has them.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar, cast

import numba
from numba.core.caching import InTreeCacheLocator

Function = TypeVar("Function", bound=Callable[..., Any])

KERNELS: Final[list[Any]] = []  # all that there are, of the modules that were imported


def kernel(function: Function) -> Function:
    """Compiles a function that works on arrays and numbers alone; it runs without Python's global lock.

    Indices are not checked, and counting from the end is the kernel's own business. Division by zero gives infinity.
    """
    compiled = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    KERNELS.append(compiled)
    return cast(Function, compiled)


class BesideModule(InTreeCacheLocator):  # type: ignore[misc]  # Numba has no types
    """Has kernels looked for beside their modules where nothing can be written there, as in a read-only image.

    Numba's own way would pass over them there, and compile them for every process. The variable
    NUMBA_CACHE_LOCATOR_CLASSES names this class.
    """

    def ensure_cache_path(self) -> None:
        """Makes the folder, where it can be made."""
        with suppress(OSError):
            super().ensure_cache_path()
