"""Imports Meta's `sam3d_objects` as published, without the packages that its road to a mesh never uses.

It knows nothing of weights or of what is done with the modules. Every change to upstream is made here, at run time.
"""

import importlib
import importlib.abc
import importlib.machinery
import io
import logging
import os
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any
from unittest.mock import patch

import torch

from serve.reconstruct.sam3d.attention import attend_by_sequence
from serve.torchvision_operators import declare_torchvision_operators

# What upstream imports at the top of its modules and this road never calls: training, texture baking by rendering,
# hole filling, plots, writing splats. pymeshfix is under the AGPL, plyfile under the GPL; none is needed.
UNUSED = ("gsplat", "igraph", "kaolin", "lightning", "open3d", "plyfile", "pymeshfix", "pyvista", "xatlas")
_ATTENTION = "sam3d_objects.model.backbone.tdfy_dit.modules.sparse.attention"
_PIPELINE = "sam3d_objects.pipeline.inference_pipeline_pointmap"
_FLEXICUBES = "sam3d_objects.model.backbone.tdfy_dit.representations.mesh.flexicubes.flexicubes"
_GAUSSIAN = "sam3d_objects.model.backbone.tdfy_dit.representations.gaussian.gaussian_model"


def import_pipeline() -> Any:
    """Upstream's `InferencePipelinePointMap`, ready for the CPU and for any GPU. The second call costs nothing.

    Raises:
        ModuleNotFoundError: `sam3d_objects` or a package it needs is not installed.
    """
    if _PIPELINE not in sys.modules:
        _import()
    return sys.modules[_PIPELINE].InferencePipelinePointMap


def upstream_module(name: str) -> types.ModuleType:
    """A module of `sam3d_objects`, by its name below it."""
    import_pipeline()
    return importlib.import_module(f"sam3d_objects.{name}")


def _import() -> None:
    os.environ["LIDRA_SKIP_INIT"] = "true"
    # The choice of a GPU's name would be overwritten by upstream; `_nameless_gpu` prevents that.
    os.environ["ATTN_BACKEND"] = os.environ["SPARSE_ATTN_BACKEND"] = "sdpa"
    declare_torchvision_operators()
    _use_built_attention()
    _replace_pytorch3d_kernels()
    _alias_depth_edge()
    from loguru import logger

    logger.disable("sam3d_objects")  # it says a line for every call
    logging.getLogger("torch.fx").setLevel(logging.ERROR)  # spconv asks torch something in an old way
    # Standard output is for JSON lines; upstream prints to it what backend it chose.
    with _unused_packages(), _nameless_gpu(), redirect_stdout(io.StringIO()), unmended():
        importlib.import_module(_PIPELINE)
    importlib.import_module("moge.model.v1")
    for name in ("full_attn", "windowed_attn"):
        importlib.import_module(f"{_ATTENTION}.{name}").masked_sdpa = attend_by_sequence  # type: ignore[attr-defined]
    # Of kaolin, one function: it asks whether a tensor has the shape that the code around it has just made.
    importlib.import_module(_FLEXICUBES).check_tensor = lambda *_, **__: True  # type: ignore[attr-defined]
    _convolve_on_cpu()


def _use_built_attention() -> None:
    """Keeps PyTorch from cuDNN's attention, which it prefers on a GPU of the H100's or B200's kind.

    cuDNN makes a kernel for every new number of tokens, and every object has another number of voxels; flash attention
    comes built. Where it is preferred: `check_prefer_cudnn_attention` in PyTorch's
    aten/src/ATen/native/transformers/cuda/sdp_utils.cpp.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


def _replace_pytorch3d_kernels() -> None:
    """Of PyTorch3D only the transforms are used, which are Python; its kernels would need CUDA's libraries to load."""
    kernels = _UnusedModule("pytorch3d._C")
    sys.modules["pytorch3d._C"] = kernels
    importlib.import_module("pytorch3d")._C = kernels  # type: ignore[attr-defined]


def _alias_depth_edge() -> None:
    """MoGe asks utils3d for a function under the name of another release."""
    arrays = importlib.import_module("utils3d.numpy")
    if not hasattr(arrays, "depth_edge"):
        arrays.depth_edge = arrays.depth_map_edge  # type: ignore[attr-defined]


def _convolve_on_cpu() -> None:
    """Lets spconv work on a CPU.

    With its plain algorithm, as in a build for CUDA the other asks for a CUDA stream even there; and as in training,
    where the bias is added afterwards, since its CPU path has none inside its inference kernel.
    """
    convolution = importlib.import_module("spconv.pytorch.conv").SparseConvolution
    plain = importlib.import_module("spconv.core").ConvAlgo.Native
    forward = convolution._conv_forward

    def anywhere(self: Any, training: bool, features: Any, *rest: Any, **named: Any) -> Any:
        if features.features.is_cuda:
            return forward(self, training, features, *rest, **named)
        self.algo = plain
        return forward(self, True, features, *rest, **named)

    convolution._conv_forward = anywhere


@contextmanager
def unmended() -> Iterator[None]:
    """Within, warnings are silent: what upstream and its packages say of their age and style is not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _nameless_gpu() -> Iterator[None]:
    """At import, upstream switches to flash_attn where the GPU's name has A100, H100 or H200 in it; without a GPU it
    fails for want of a name. An empty name leaves the choice as it was made.
    """
    with (
        patch.object(torch.cuda, "is_available", return_value=True),
        patch.object(torch.cuda, "get_device_name", return_value=""),
    ):
        yield


@contextmanager
def gaussians_on(device: torch.device) -> Iterator[None]:
    """Upstream makes Gaussians on `cuda` whatever the device; within, they are made on `device`."""
    if device.type == "cuda":
        yield
        return
    gaussian = importlib.import_module(_GAUSSIAN).Gaussian
    defaults = (*gaussian.__init__.__defaults__[:-1], device)
    with (
        patch.object(gaussian.__init__, "__defaults__", defaults),
        patch.object(torch.Tensor, "cuda", lambda tensor: tensor),
    ):
        yield


class _Unused:
    """Stands for a name of a package that is not installed: it can be imported and inherited from, not used."""

    def __init__(self, *_: object, **__: object) -> None:
        raise NotImplementedError("this part of SAM 3D Objects is not on the road to a mesh, so it is not installed")


def _no_attribute(name: str) -> Any:
    raise AttributeError(name)


class _UnusedModule(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        return _no_attribute(name) if name.startswith("__") else _Unused


class _UnusedFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module of the packages in `UNUSED`, whether they are installed or not."""

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in UNUSED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _UnusedModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing in it."""


@contextmanager
def _unused_packages() -> Iterator[None]:
    finder = _UnusedFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] in UNUSED]:
            if isinstance(sys.modules[name], _UnusedModule):
                del sys.modules[name]  # whoever imports it later shall have the real one, or an honest error
