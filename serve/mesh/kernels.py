"""Loops over arrays, compiled by Numba. Knows nothing of meshes.

A kernel is compiled when it is first called, and kept beside its module's bytecode; `gen3d selftest` calls every one, so
that an image comes with all of them compiled.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compiles a function that works on arrays and numbers alone; it runs without Python's global lock.

    Indices are not checked, and counting from the end is the kernel's own business. Division by zero gives infinity.
    """
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
