"""Which tensors of the published checkpoints go into which file of a repacked bundle, and in which dtype.

It reads names and shapes, no content, and knows no module of the network.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from omegaconf import OmegaConf

from model_loader.layout import DINOV2_COPIES, PARTS, SAM3D_FOLDER, checkpoint_path
from serve.errors import Gen3DError


class Chosen(NamedTuple):
    """A published tensor, and the dtype it is to be stored in."""

    tensor: torch.Tensor
    dtype: torch.dtype


class _Halved(NamedTuple):
    """What upstream computes in half precision, in one checkpoint.

    Attributes:
        setting: The entry of the checkpoint's YAML file that says so.
        blocks: How the names of all tensors in those parts of the network begin.
    """

    setting: str
    blocks: tuple[str, ...]


_FLOW: Final = "_base_models.generator.reverse_fn.backbone."
# The callers of `convert_module_to_f16` in upstream's tdfy_dit/models. In the parts named here it halves the linear and
# convolution layers: those whose `weight` has two dimensions or more. Normalisations, whose `weight` has one, keep
# float32; so do parameters with other names, and all else.
_HALVED: Final = {
    "slat_generator": _Halved(
        "module.generator.backbone.reverse_fn.backbone.use_fp16",
        (f"{_FLOW}input_blocks.", f"{_FLOW}blocks.", f"{_FLOW}out_blocks."),
    ),
    "slat_decoder_gs": _Halved("use_fp16", ("blocks.",)),
    "slat_decoder_mesh": _Halved("use_fp16", ("blocks.", "upsample.")),
}


def read_torch_file(path: Path) -> dict[str, Any]:
    """What `torch.save` wrote: tensors alone, memory-mapped; a file that holds code is refused."""
    content: dict[str, Any] = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    return content


def open_checkpoint(folder: Path, name: str) -> dict[str, torch.Tensor]:
    """The tensors of a published checkpoint by their names, memory-mapped: none is read before it is used.

    Args:
        folder: The bundle.
        name: The file's name without its ending, such as `ss_generator`.

    Raises:
        Gen3DError: `weights_unreadable`, or `weights_damaged` where it does not hold tensors alone.
    """
    path = folder / checkpoint_path(name)
    try:
        content = read_torch_file(path)
        tensors: dict[str, torch.Tensor] = dict(content.get("state_dict", content))
        tensors_alone = all(isinstance(tensor, torch.Tensor) for tensor in tensors.values())
    except PermissionError as error:
        raise Gen3DError(
            "weights_unreadable", f"{str(path)!r} cannot be read ({error.strerror}): check its permissions."
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever unpickling damaged bytes raises
        raise _damaged(checkpoint_path(name), str(error).partition("\n")[0][:200]) from None
    if not tensors_alone:
        raise _damaged(checkpoint_path(name), "it holds more than tensors")
    return tensors


def choose_tensors(folder: Path, name: str) -> tuple[dict[str, dict[str, Chosen]], int]:
    """What each file made from a checkpoint will hold: its parts, and its copies of DINOv2.

    Args:
        folder: The published bundle.
        name: The checkpoint's name without its ending.

    Returns:
        By the name of the part or copy in `model_loader.layout`: the tensors by their names in the file. And the number
        of tensors that belong to none.

    Raises:
        Gen3DError: `weights_unreadable`, or `weights_damaged` where a part or copy has no tensors.
    """
    tensors = open_checkpoint(folder, name)
    blocks = _halved_blocks(folder, name)
    copies = {copy: prefix for copy, (checkpoint, prefix) in DINOV2_COPIES.items() if checkpoint == name}
    chosen: dict[str, dict[str, Chosen]] = {file: {} for file in (*PARTS[name], *copies)}
    outside = 0
    for key, tensor in tensors.items():
        # A copy's prefix begins with that of the part it is taken out of.
        file = next((file for file, prefix in (copies | PARTS[name]).items() if key.startswith(prefix)), None)
        if file is None:
            outside += 1
        else:
            stored = key.removeprefix(copies.get(file, ""))
            chosen[file][stored] = Chosen(tensor, _dtype(key, tensors, blocks))
    for file, prefix in (copies | PARTS[name]).items():
        if not chosen[file]:
            raise _damaged(checkpoint_path(name), f"no tensor's name begins with '{prefix}'")
    return chosen, outside


def _halved_blocks(folder: Path, name: str) -> tuple[str, ...]:
    if name not in _HALVED:
        return ()
    path = f"{SAM3D_FOLDER}/{name}.yaml"
    try:
        halved: Any = OmegaConf.select(OmegaConf.load(folder / path), _HALVED[name].setting)
    except PermissionError as error:
        raise Gen3DError(
            "weights_unreadable", f"{str(folder / path)!r} cannot be read ({error.strerror}): check its permissions."
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever reading a damaged file raises
        raise _damaged(path, str(error).partition("\n")[0][:200]) from None
    return _HALVED[name].blocks if halved else ()


def _dtype(key: str, tensors: Mapping[str, torch.Tensor], blocks: tuple[str, ...]) -> torch.dtype:
    """The dtype upstream ends up computing with."""
    if not tensors[key].is_floating_point():
        return tensors[key].dtype
    layer, _, kind = key.rpartition(".")
    weight = tensors.get(f"{layer}.weight")
    if key.startswith(blocks) and kind in ("weight", "bias") and weight is not None and weight.ndim > 1:
        return torch.float16
    return torch.float32


def _damaged(path: str, why: str) -> Gen3DError:
    return Gen3DError(
        "weights_damaged",
        f"'{path}' is not the published file ({why}): gen3d weights verify DIR finds what is wrong.",
        files=[path],
    )
