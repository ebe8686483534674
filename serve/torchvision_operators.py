"""Makes torchvision importable beside a CPU build of torch. Knows nothing of what is built on it."""

import importlib.util
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

_LIBRARY: list[Any] = []  # operators live as long as the object that declared them


def declare_torchvision_operators() -> None:
    """Declares the operators that torchvision's Python part expects, where its compiled part cannot be loaded.

    That is so beside a CPU build of torch, torchvision's wheels being made for CUDA. Nothing in Gen3D calls them. To
    be called before torchvision is imported, be it by transformers or by SAM 3D Objects.
    """
    if "torchvision" in sys.modules or _LIBRARY:
        return
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'torchvision'", name="torchvision")
    for compiled in Path(found.origin).parent.glob("_C*.so"):
        with suppress(OSError):
            torch.ops.load_library(compiled)
            return
    _LIBRARY.append(torch.library.Library("torchvision", "DEF"))
    for operator in ("nms", "qnms"):
        _LIBRARY[0].define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
