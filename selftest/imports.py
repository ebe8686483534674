"""Imports everything that an engine will ever import, at once. Knows modules by name, and runs nothing of theirs."""

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from serve.settings import EngineName

# Of our own, what the preview does without.
_SAM3D_ALONE = (
    "model_loader.checkpoints",
    "model_loader.repack",
    "serve.mesh.finish",
    "serve.reconstruct.sam3d",
    "serve.segment.sam",
    "serve.torchvision_operators",
)
# What our modules import only when they need it.
_LATER = ("boto3", "pxr.Usd", "pxr.UsdGeom", "pxr.UsdShade")
_SAM3D_LATER = (
    "moge.model.dinov2.layers",
    "moge.model.dinov2.models.vision_transformer",
    "moge.model.v1",
    "sam3d_objects.model.backbone.tdfy_dit.representations.mesh.flexicubes.flexicubes",
    "sam3d_objects.pipeline.depth_models.moge",
    "spconv.pytorch",
    "torch.nn.attention.varlen",
)


def check_imports(engine: EngineName) -> str:
    """Every module of the server and of the weights' loader can be imported, and all that they import on the way.

    With sam3d also upstream's pipeline and every class and function that its YAML files name.

    Raises:
        ImportError: One cannot be imported.
    """
    _import(*(name for name in _ours() if not name.startswith(_SAM3D_ALONE)), *_LATER)
    if engine == "preview":
        return f"all that the engine preview needs: {len(sys.modules)} modules"
    os.environ["OMP_NUM_THREADS"] = "1"  # for spconv, as `open_device` has it, which comes too late after an import
    from serve.reconstruct.sam3d import upstream

    upstream.import_pipeline()
    with upstream.unmended():
        _import(*_ours(), *_SAM3D_LATER)
        _resolve_targets()
    without = f"{', '.join(upstream.UNUSED)} and PyTorch3D's kernels, which it does not use"
    return f"all that the engine sam3d needs: {len(sys.modules)} modules; without {without}"


def _import(*names: str) -> None:
    for name in names:
        importlib.import_module(name)


def _ours() -> Iterator[str]:
    for room in ("model_loader", "serve"):
        package = importlib.import_module(room)
        yield from _modules(package.__path__, f"{room}.")


def _modules(paths: Any, prefix: str) -> Iterator[str]:
    """By name alone: `pkgutil.walk_packages` would import packages, also those that are left out."""
    for module in pkgutil.iter_modules(paths, prefix):
        yield module.name
        if module.ispkg:
            yield from _modules([f"{path}/{module.name.rpartition('.')[2]}" for path in paths], f"{module.name}.")


def _resolve_targets() -> None:
    """Looks up what the published YAML files name, as Hydra will."""
    from hydra.utils import get_object

    from selftest.configuration import configuration

    for name in sorted(set(_targets(configuration("genuine")))):
        get_object(name)


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield node["_target_"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _targets(child)
