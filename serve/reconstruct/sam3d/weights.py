"""Reads the tensors of a bundle, memory-mapped, by the names Meta published them under. Knows no module."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from model_loader.checkpoints import read_torch_file
from model_loader.layout import DINOV2_COPIES, PARTS, SAM3D_FOLDER, checkpoint_path, repacked_path
from model_loader.locate import Bundle
from serve.errors import Gen3DError

Tensors = Mapping[str, torch.Tensor]


class Checkpoints:
    """The checkpoints of SAM 3D Objects in a bundle, as published or repacked. Each file is opened once."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._open: dict[str, Tensors] = {}

    @property
    def folder(self) -> Path:
        """Where the YAML files lie."""
        return self._bundle.folder / SAM3D_FOLDER

    def tensors(self, name: str) -> Tensors:
        """All tensors of a checkpoint, by their published names, on the CPU and not read before they are used.

        Args:
            name: The published file's name without its ending, such as `ss_generator`.

        Raises:
            Gen3DError: `weights_damaged`.
        """
        if name not in self._open:
            try:
                published = self._bundle.manifest.form == "published"
                self._open[name] = self._published(name) if published else self._repacked(name)
            except Gen3DError:
                raise
            except Exception as error:
                message = f"The checkpoint {name} cannot be read ({_first_line(error)}): run `gen3d weights verify`."
                raise Gen3DError("weights_damaged", message, checkpoint=name) from error
        return self._open[name]

    def shared_backbones(self) -> list[list[tuple[str, str]]]:
        """Which DINOv2 backbones the bundle holds once, being equal: groups of (checkpoint, prefix of the names)."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for copy, file in self._dinov2_files().items():
            groups.setdefault(file, []).append(DINOV2_COPIES[copy])
        return list(groups.values())

    def _dinov2_files(self) -> Mapping[str, str]:
        found = self._bundle.manifest.dinov2
        return {} if found is None else found.copies

    def _published(self, name: str) -> Tensors:
        content = read_torch_file(self._bundle.folder / checkpoint_path(name))
        tensors: Tensors = content.get("state_dict", content)
        return tensors

    def _repacked(self, name: str) -> Tensors:
        tensors: dict[str, torch.Tensor] = {}
        for part in PARTS[name]:
            tensors.update(load_file(self._bundle.folder / repacked_path(part)))
        for copy, file in self._dinov2_files().items():
            checkpoint, prefix = DINOV2_COPIES[copy]
            if checkpoint == name:
                backbone = load_file(self._bundle.folder / file)
                tensors.update({prefix + key: tensor for key, tensor in backbone.items()})
        return tensors


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
