"""Writes bundles of SAM 3D Objects with random weights: what the published ones look like, in a tiny size.

For the self-test, tests and benchmarks, which have no access to the gated weights. The networks are the genuine ones;
what they make of a photo means nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from model_loader.catalog import MOGE, SAM2, SAM3D, bundle_files, revisions
from model_loader.layout import MOGE_FILE, SAM3D_FOLDER
from model_loader.manifest import BundleFile, WeightsManifest, file_sha256, write_manifest
from selftest.configuration import SAM2_SIDE, Yaml, configuration, sam2_configuration
from serve.reconstruct.sam3d.build import unfilled
from serve.reconstruct.sam3d.upstream import import_pipeline, unmended

_TINY_VOXELS, _LATENT_SPREAD = 60, 3.0  # of 4096; the spread is about what the random generator ends with


def empty_modules(yaml: Yaml) -> Iterator[tuple[str, torch.nn.Module]]:
    """The networks of one YAML file, without content, and the prefix of their tensors' names in the checkpoint."""
    import_pipeline()
    if "module" not in yaml:
        yield "", _instantiate(yaml)
        return
    for part in ("generator", "condition_embedder"):
        yield f"_base_models.{part}.", _instantiate(yaml["module"][part]["backbone"])


def _instantiate(yaml: Yaml) -> torch.nn.Module:
    config = OmegaConf.create(yaml)
    if "SLatMeshDecoder" in config._target_:
        config.device = "cpu"
    with unfilled(), unmended():
        module: torch.nn.Module = instantiate(config)
    return module


def random_tensor(name: str, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """float32 values that keep signals about as large as they were: no layer is zero, as some are when training begins.

    Drawn on the generator's device.
    """
    noise = torch.randn(like.shape, generator=generator, device=generator.device)
    if name.endswith("gamma") or (like.ndim == 1 and name.endswith("weight")):
        return 1 + 0.02 * noise  # a normalisation's scale
    if like.ndim < 2:
        return 0.02 * noise
    return noise / (like.numel() / like.shape[0]) ** 0.5


def write_tiny_bundle(folder: Path, *, seed: int = 0, equal_backbones: bool = True) -> None:
    """A bundle as `gen3d weights fetch` leaves it, with SAM 2.1: about 100 MB, most of it MoGe's ViT-S.

    Args:
        folder: Where to; made if it is not there.
        seed: Of the weights.
        equal_backbones: Whether the four copies of DINOv2 hold the same weights.
    """
    generator = torch.Generator().manual_seed(seed)
    home = folder / SAM3D_FOLDER
    home.mkdir(parents=True, exist_ok=True)
    dino: dict[str, torch.Tensor] = {}
    for name, yaml in configuration("tiny").items():
        OmegaConf.save(OmegaConf.create(yaml), home / f"{name}.yaml")
        if name in ("pipeline", "slat_decoder_gs_4"):
            continue
        tensors: dict[str, torch.Tensor] = {}
        for prefix, module in empty_modules(yaml):
            buffers = dict(module.named_buffers())
            for key, like in module.state_dict().items():
                backbone = key.partition(".backbone.")[2] if ".backbone." in key and "condition" in prefix else ""
                if key in buffers and not like.is_meta:
                    tensors[prefix + key] = like
                elif backbone and equal_backbones and backbone in dino:
                    tensors[prefix + key] = dino[backbone].clone()
                else:
                    tensors[prefix + key] = random_tensor(key, like, generator)
                    if backbone:
                        dino[backbone] = tensors[prefix + key]
        if name == "ss_decoder":
            _aim_at_voxels(tensors, yaml, generator)
        torch.save({"state_dict": tensors} if "module" in yaml else tensors, home / f"{name}.ckpt")
    (home / "slat_decoder_gs_4.yaml").unlink()
    (home / "LICENSE").write_text("These weights are random numbers.\n")
    _write_moge(folder / MOGE_FILE, generator)
    _write_sam2(folder / "sam2", generator)
    _write_manifest(folder)


def _aim_at_voxels(tensors: dict[str, torch.Tensor], yaml: Yaml, generator: torch.Generator) -> None:
    """Shifts the occupancy so that of random latents a sensible number of voxels is occupied."""
    decoder = _instantiate(yaml).eval()
    decoder.load_state_dict(tensors, assign=True)
    with torch.no_grad():
        occupancy = decoder(_LATENT_SPREAD * torch.randn(1, 8, 16, 16, 16, generator=generator)).flatten()
    threshold = occupancy.kthvalue(occupancy.numel() - _TINY_VOXELS).values
    last = max(name for name in tensors if name.startswith("out_layer.") and name.endswith("bias"))
    tensors[last] = tensors[last] - threshold


def _write_moge(path: Path, generator: torch.Generator) -> None:
    from moge.model.v1 import MoGeModel

    config = {
        "encoder": "dinov2_vits14",
        "remap_output": "exp",
        "num_tokens_range": [64, 100],
        "dim_proj": 64,
        "dim_upsample": [32, 32, 32],
    }
    with unfilled():
        model = MoGeModel(**config)
    buffers = dict(model.named_buffers())
    tensors = {
        name: like if name in buffers else random_tensor(name, like, generator)
        for name, like in model.state_dict().items()
    }
    _aim_camera(tensors)
    path.parent.mkdir(exist_ok=True)
    torch.save({"model_config": config, "model": tensors}, path)


def _aim_camera(tensors: dict[str, torch.Tensor]) -> None:
    """Lets the last layers see the plane they are in front of: a random MoGe has no camera that could be found.

    x and y become the pixel's place times the depth; the depth is about 2, bent by what the network makes of the
    photo.
    """
    first, second = tensors["head.output_block.0.0.weight"], tensors["head.output_block.0.2.weight"]
    place = first.shape[1] - 2  # the last two channels say where a pixel is
    first[:4] = 0
    for channel, (axis, sign) in enumerate(((0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0))):
        first[channel, place + axis, 1, 1] = sign  # a ReLU follows, so each direction has a channel
    second[:2] = 0
    second[2, :4] = 0
    for axis in (0, 1):
        second[axis, 2 * axis : 2 * axis + 2, 0, 0] = torch.tensor([1.0, -1.0])
    tensors["head.output_block.0.0.bias"][:4] = 0
    tensors["head.output_block.0.2.bias"] = torch.tensor([0.0, 0.0, 0.7])
    tensors["head.output_block.1.2.bias"] = torch.tensor([5.0])  # every pixel has a depth


def _write_sam2(folder: Path, generator: torch.Generator) -> None:
    from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # of writing a few kilobytes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())  # for the one buffer that it draws itself
        model = Sam2Model(Sam2Config(**sam2_configuration()))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors leaves it to its owner alone
    Sam2ImageProcessor(size={"height": SAM2_SIDE, "width": SAM2_SIDE}).save_pretrained(folder)
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": "Sam2VideoProcessor"}))


def _write_manifest(folder: Path) -> None:
    of_folder = {SAM3D_FOLDER: SAM3D, "moge": MOGE, "sam2": SAM2}
    files = [
        BundleFile(
            path=path.relative_to(folder).as_posix(),
            bytes=path.stat().st_size,
            sha256=file_sha256(path),
            repository=of_folder[path.parent.name].name,
        )
        for path in sorted(path for path in folder.rglob("*") if path.is_file())
    ]
    manifest = WeightsManifest(
        form="published",
        segmenter="sam2",
        revisions=revisions(bundle_files("sam2")),
        files=tuple(files),
    )
    write_manifest(folder, manifest)
