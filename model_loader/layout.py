"""How the tensors of the published checkpoints are spread over a repacked bundle's files. Knows no tensor's content."""

from typing import Final

SAM3D_FOLDER: Final = "sam-3d-objects"
MOGE_FILE: Final = "moge/model.pt"

# Every checkpoint of SAM 3D Objects, and the files that a repacked bundle has instead, with the prefix of the names in
# each. Names stay as published; a repacked file holds the published names that begin with its prefix.
PARTS: Final[dict[str, dict[str, str]]] = {
    "ss_generator": {
        "ss_generator": "_base_models.generator.",
        "ss_embedder": "_base_models.condition_embedder.",
    },
    "slat_generator": {
        "slat_generator": "_base_models.generator.",
        "slat_embedder": "_base_models.condition_embedder.",
    },
    "ss_decoder": {"ss_decoder": ""},
    "slat_decoder_gs": {"slat_decoder_gs": ""},
    "slat_decoder_mesh": {"slat_decoder_mesh": ""},
}

# The four copies of DINOv2: the checkpoint that holds each, and the prefix of its names there. In a repacked bundle
# they lie in files of their own, under the names of DINOv2 itself, equal ones in one file.
DINOV2_COPIES: Final[dict[str, tuple[str, str]]] = {
    "ss/image": ("ss_generator", "_base_models.condition_embedder.module_list.0.backbone."),
    "ss/mask": ("ss_generator", "_base_models.condition_embedder.module_list.1.backbone."),
    "slat/image": ("slat_generator", "_base_models.condition_embedder.module_list.0.backbone."),
    "slat/mask": ("slat_generator", "_base_models.condition_embedder.module_list.1.backbone."),
}


def repacked_path(name: str) -> str:
    """Where a part, or a file with copies of DINOv2, lies in a repacked bundle."""
    return f"{SAM3D_FOLDER}/{name}.safetensors"


def checkpoint_path(name: str) -> str:
    """Where a published checkpoint lies in a bundle."""
    return f"{SAM3D_FOLDER}/{name}.ckpt"
