"""Puts upstream's pipeline together from a bundle: nothing is drawn at random, nothing fetched, no tensor copied twice.

It knows nothing of photos.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from model_loader.checkpoints import read_torch_file
from model_loader.layout import MOGE_FILE
from model_loader.locate import Bundle
from serve.errors import Gen3DError
from serve.reconstruct.sam3d.upstream import import_pipeline, unmended
from serve.reconstruct.sam3d.weights import Checkpoints

_BACKBONES = "sam3d_objects.model.backbone"
# What a bundle's YAML may name: exactly what the published files name. Hydra would call anything.
_ALLOWED: Final = frozenset(
    {
        "moge.model.v1.MoGeModel.from_pretrained",
        "sam3d_objects.config.utils.make_dict",
        "sam3d_objects.data.dataset.tdfy.img_and_mask_transforms.ObjectCentricSSI",
        "sam3d_objects.data.dataset.tdfy.img_and_mask_transforms.crop_around_mask_with_padding",
        "sam3d_objects.data.dataset.tdfy.img_and_mask_transforms.resize_all_to_same_size",
        "sam3d_objects.data.dataset.tdfy.img_processing.pad_to_square_centered",
        "sam3d_objects.data.dataset.tdfy.preprocessor.PreProcessor",
        "sam3d_objects.pipeline.depth_models.moge.MoGe",
        "sam3d_objects.pipeline.inference_pipeline_pointmap.InferencePipelinePointMap",
        "torchvision.transforms.Compose",
        "torchvision.transforms.Resize",
        f"{_BACKBONES}.dit.embedder.dino.Dino",
        f"{_BACKBONES}.dit.embedder.embedder_fuser.EmbedderFuser",
        f"{_BACKBONES}.dit.embedder.pointmap.PointPatchEmbed",
        f"{_BACKBONES}.generator.classifier_free_guidance.ClassifierFreeGuidance",
        f"{_BACKBONES}.generator.classifier_free_guidance.ClassifierFreeGuidanceWithExternalUnconditionalProbability",
        f"{_BACKBONES}.generator.flow_matching.model.FlowMatching",
        f"{_BACKBONES}.generator.flow_matching.model.lognorm_sampler",
        f"{_BACKBONES}.generator.shortcut.model.ShortCut",
        f"{_BACKBONES}.tdfy_dit.models.mm_latent.Latent",
        f"{_BACKBONES}.tdfy_dit.models.mm_latent.LearntPositionEmbedder",
        f"{_BACKBONES}.tdfy_dit.models.mm_latent.ShapePositionEmbedder",
        f"{_BACKBONES}.tdfy_dit.models.mot_sparse_structure_flow.SparseStructureFlowTdfyWrapper",
        f"{_BACKBONES}.tdfy_dit.models.sparse_structure_vae.SparseStructureDecoderTdfyWrapper",
        f"{_BACKBONES}.tdfy_dit.models.structured_latent_flow.SLatFlowModelTdfyWrapper",
        f"{_BACKBONES}.tdfy_dit.models.structured_latent_vae.decoder_gs.SLatGaussianDecoderTdfyWrapper",
        f"{_BACKBONES}.tdfy_dit.models.structured_latent_vae.decoder_mesh.SLatMeshDecoderTdfyWrapper",
    }
)
# The sizes of DINOv2's models with registers, https://arxiv.org/abs/2304.07193; the published YAML names the third.
_DINOV2: Final[dict[str, dict[str, int]]] = {
    "dinov2_vits14_reg": {"embed_dim": 384, "depth": 12, "num_heads": 6},
    "dinov2_vitb14_reg": {"embed_dim": 768, "depth": 12, "num_heads": 12},
    "dinov2_vitl14_reg": {"embed_dim": 1024, "depth": 24, "num_heads": 16},
}


def build_pipeline(bundle: Bundle, device: torch.device) -> Any:
    """Upstream's `InferencePipelinePointMap` with the bundle's weights, its modules on the CPU.

    The tensors of a repacked bundle stay memory-mapped until they are moved to a GPU; those of published checkpoints
    are converted to half precision where upstream computes in it. On the CPU everything is float32, as spconv and
    most of torch's CPU kernels want it. `depth_model` and the four networks that share a bundle's DINOv2 backbone
    share it here too.

    Args:
        bundle: See `model_loader.locate`.
        device: Where inference will run.

    Raises:
        Gen3DError: `weights_damaged`, or `weights_untrusted` (a YAML file names code beyond the published).
        ModuleNotFoundError: A package is not installed.
    """
    base = import_pipeline()
    checkpoints = Checkpoints(bundle)
    settings = _read_yaml(checkpoints.folder / "pipeline.yaml")
    for key, value in settings.items():
        if key.endswith("_config_path") and "gs_4" not in key:
            _read_yaml(checkpoints.folder / value)
    del settings["_target_"], settings["depth_model"]
    settings.update(
        compile_model=False,  # its warm-up calls a method that exists nowhere
        rendering_engine="pytorch3d",
        workspace_dir=str(checkpoints.folder),
        device=str(device),
        slat_decoder_gs_4_config_path=None,
        slat_decoder_gs_4_ckpt_path=None,
    )
    with unmended():
        preprocessors = {name: instantiate(settings.pop(name)) for name in ("ss_preprocessor", "slat_preprocessor")}
    pipeline = base.__new__(base)
    pipeline.instantiate_and_load_from_pretrained = _loader(checkpoints, halved=device.type == "cuda")
    with ExitStack() as stack:
        if device.type != "cuda":
            stack.enter_context(patch.object(torch.cuda, "current_device", return_value="none"))  # only logged
        pipeline.__init__(depth_model=None, **preprocessors, **OmegaConf.to_container(settings))
    del pipeline.instantiate_and_load_from_pretrained  # and with it every file that is open
    pipeline.depth_model = _load_moge(bundle.folder / MOGE_FILE)
    _share_backbones(pipeline, checkpoints)
    return pipeline


def same_preprocessing(bundle: Bundle) -> bool:
    """Whether both stages see the same photo and mask, so that what was prepared for the first serves the second."""
    settings: Any = OmegaConf.to_container(_read_yaml(Checkpoints(bundle).folder / "pipeline.yaml"))
    first, second = settings["ss_preprocessor"], settings["slat_preprocessor"]
    # The first stage's list begins with the pointmap's resizing to the photo's size, which leaves the photo as it is.
    joint = [step for step in first["img_mask_pointmap_joint_transform"] if "resize_all" not in step["_target_"]]
    alike = all(first[name] == second[name] for name in ("img_transform", "mask_transform"))
    return alike and joint == second["img_mask_joint_transform"]


def _read_yaml(path: Path) -> DictConfig:
    """A YAML file of the bundle, having checked every name of code in it."""
    try:
        config = DictConfig(OmegaConf.load(path))
        content = OmegaConf.to_container(config)
    except Exception as error:
        raise Gen3DError("weights_damaged", f"{path.name} cannot be read: run `gen3d weights verify`.") from error
    for key, allowed in (("_target_", _ALLOWED), ("dino_model", _DINOV2)):
        for name in _values(content, key):
            if name not in allowed:
                message = f"{path.name} names '{name}', which the published files do not: fetch the weights anew."
                raise Gen3DError("weights_untrusted", message, file=path.name, name=name)
    return config


def _values(node: Any, key: str) -> Iterator[str]:
    """What stands under a key, however deep."""
    if isinstance(node, Mapping):
        if key in node:
            yield str(node[key])
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _values(child, key)


def _loader(checkpoints: Checkpoints, *, halved: bool) -> Callable[..., Any]:
    """Takes the place of the pipeline's own way of making a module and filling it."""

    def load(config: DictConfig, ckpt_path: str, state_dict_fn: Any = None, **_: object) -> torch.nn.Module:
        config = config.copy()
        if not halved:
            _set_everywhere(config, "use_fp16", False)
        if "SLatMeshDecoder" in config._target_:
            config.device = "cpu"
        with unfilled(), unmended():
            module: torch.nn.Module = instantiate(config)
        tensors = checkpoints.tensors(Path(ckpt_path).stem)
        return fill(module, tensors if state_dict_fn is None else state_dict_fn(tensors), Path(ckpt_path).name)

    return load


def _set_everywhere(node: Any, key: str, value: object) -> None:
    if isinstance(node, DictConfig):
        if key in node:
            node[key] = value
        for child in node.values():
            _set_everywhere(child, key, value)


@contextmanager
def unfilled() -> Iterator[None]:
    """Modules made within have parameters of a shape and a dtype but no content; buffers are real.

    Drawing 3 billion parameters at random, to overwrite them, would take minutes.
    """
    register = torch.nn.Module.register_parameter

    def register_empty(module: torch.nn.Module, name: str, parameter: torch.nn.Parameter | None) -> None:
        if parameter is not None:
            parameter = torch.nn.Parameter(parameter.detach().to("meta"), requires_grad=False)
        register(module, name, parameter)

    with (
        torch.device("cpu"),
        patch.object(torch.nn.Module, "register_parameter", register_empty),
        patch.object(torch.hub, "load", _dinov2),
    ):
        yield


def fill(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], source: str) -> torch.nn.Module:
    """Gives every parameter and persistent buffer its tensor, in the module's own dtype, for inference alone.

    Raises:
        Gen3DError: `weights_damaged`, where a tensor is missing, left over, or of another shape.
    """
    own = module.state_dict()
    missing, surplus = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    misshapen = [name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape]
    if missing or surplus or misshapen:
        message = (
            f"{source} does not fit the network: {len(missing)} tensors missing, {len(surplus)} left over,"
            f" {len(misshapen)} of another shape. Run `gen3d weights verify`."
        )
        first = {"missing": missing[:3], "left_over": surplus[:3], "misshapen": sorted(misshapen)[:3]}
        raise Gen3DError("weights_damaged", message, **first)
    module.load_state_dict({name: tensors[name].to(own[name].dtype) for name in own}, assign=True)
    if empty := [name for name, buffer in module.named_buffers() if buffer.is_meta]:
        raise RuntimeError(f"upstream changed: nothing fills the buffer {empty[0]}")
    return module.requires_grad_(False).eval()


def _dinov2(repo_or_dir: str, model: str, source: str = "", verbose: bool = True, **sizes: Any) -> Any:  # noqa: ARG001
    """Takes the place of `torch.hub.load`, which would fetch DINOv2's code and weights.

    The code comes from MoGe's copy; `sizes` is the YAML's `backbone_kwargs`. The other arguments are those of
    `dinov2_vitl14_reg` in DINOv2's hub/backbones.py.
    """
    from functools import partial

    layers = importlib.import_module("moge.model.dinov2.layers")
    vision = importlib.import_module("moge.model.dinov2.models.vision_transformer")
    return vision.DinoVisionTransformer(
        patch_size=14,
        init_values=1.0,
        ffn_layer="mlp",
        block_chunks=0,
        num_register_tokens=4,
        interpolate_antialias=True,
        interpolate_offset=0.0,
        block_fn=partial(layers.NestedTensorBlock, attn_class=layers.MemEffAttention),
        **{"img_size": 518, **_DINOV2[model], **sizes},
    )


def _load_moge(path: Path) -> Any:
    """Upstream's wrapper around MoGe, on the CPU."""
    from moge.model.v1 import MoGeModel

    try:
        content = read_torch_file(path)
        with unfilled(), unmended():
            model = MoGeModel(**content["model_config"])
    except Exception as error:
        raise Gen3DError("weights_damaged", f"{path.name} is not MoGe's: run `gen3d weights verify`.") from error
    fill(model, content["model"], path.name)
    return importlib.import_module("sam3d_objects.pipeline.depth_models.moge").MoGe(model, device="cpu")


def _share_backbones(pipeline: Any, checkpoints: Checkpoints) -> None:
    """Equal backbones become one module: they are held once and what they find in a photo is found once."""
    embedders = {
        "ss_generator": pipeline.condition_embedders["ss_condition_embedder"],
        "slat_generator": pipeline.condition_embedders["slat_condition_embedder"],
    }
    for group in checkpoints.shared_backbones():
        owners = [
            embedders[checkpoint].get_submodule(
                prefix.removeprefix("_base_models.condition_embedder.").removesuffix(".backbone.")
            )
            for checkpoint, prefix in group
        ]
        for owner in owners[1:]:
            owner.backbone = owners[0].backbone
