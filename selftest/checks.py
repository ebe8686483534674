"""Which checks there are for each engine, in their order. Knows nothing of what they do."""

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from selftest.report import Check
from serve.settings import EngineName


def checks_of(engine: EngineName, locks: Sequence[Path]) -> list[Check]:
    """The checks, cheap ones first. Those after the imports count on what these have loaded.

    Args:
        engine: Whose installation it is.
        locks: The lock files to hold the packages against; where empty, those that an image keeps beside them.
    """
    checks = [
        Check("packages", _later("packages", "check_packages", locks or locks_of(Path(sys.prefix)))),
        Check("imports", _later("imports", "check_imports", engine)),
        Check("native libraries", _later("libraries", "check_libraries")),
    ]
    if engine == "preview":
        return [*checks, Check("engine preview", _later("trial", "try_preview"))]
    return [
        *checks,
        Check("CUDA libraries", _later("cuda", "check_opened_libraries")),
        Check("GPU code", _later("cuda", "check_native_code")),
        Check("kernels", _later("kernels", "check_kernels")),
        Check("network on the CPU", _later("trial", "try_sam3d", "cpu")),
        Check("network on the GPU", _later("gpu", "check_gpu")),
    ]


def locks_of(environment: Path) -> list[Path]:
    """The lock files in the folder `lock` of a Python environment, where an image has them."""
    return sorted(environment.glob("lock/*.txt"))


def _later(module: str, function: str, *given: object) -> Callable[[], str]:
    """Imports the check when its turn comes, so that what is not installed fails that check and no other."""

    def look() -> str:
        finding: str = getattr(importlib.import_module(f"selftest.{module}"), function)(*given)
        return finding

    return look
