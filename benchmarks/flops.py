"""Counts the operations of the networks in their genuine size, by tensors that have a shape and no content.

Knows nothing of time. What runs here is what the engine runs, down to its matrix products.
"""

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from model_loader.catalog import SAM3D, bundle_files, revisions
from model_loader.layout import DINOV2_COPIES, MOGE_FILE, SAM3D_FOLDER
from model_loader.locate import Bundle
from model_loader.manifest import BundleFile, DinoCopies, WeightsManifest
from selftest.bundle import empty_modules
from selftest.configuration import Size, Yaml, configuration
from serve.reconstruct import Detail
from serve.reconstruct.sam3d.build import build_pipeline, unfilled
from serve.reconstruct.sam3d.guidance import economical
from serve.reconstruct.sam3d.reconstructor import Sam3d
from serve.reconstruct.sam3d.upstream import upstream_module
from serve.segment import PixelBox, Segmentation

_CPU: Final = torch.device("cpu")
_META: Final = torch.device("meta")
_LONGEST_SIDE: Final = 3072
_DETAIL: Final = Detail("standard", 0, 0, mesh=True, splats=True)
# The genuine one's numbers: with them the network has the published file's size, 1 256 696 104 bytes of tensors. The
# range of tokens is that of images of 250 000 to 500 000 pixels, which it was trained on.
_MOGE: Final[dict[Size, Yaml]] = {
    "genuine": {
        "encoder": "dinov2_vitl14",
        "remap_output": "exp",
        "intermediate_layers": 4,
        "dim_upsample": [256, 128, 64],
        "dim_times_res_block_hidden": 2,
        "num_res_blocks": 2,
        "num_tokens_range": [1275, 2551],
        "last_conv_channels": 32,
        "last_conv_size": 1,
    },
    "tiny": {
        "encoder": "dinov2_vits14",
        "remap_output": "exp",
        "dim_proj": 64,
        "dim_upsample": [32, 32, 32],
        "num_tokens_range": [64, 100],
    },
}
HOW = (
    "Operations are counted on the networks in their {size} size while the engine's own code runs on tensors without"
    " content (a multiplication and an addition are two; matrix products, attention and dense convolutions count,"
    " element-wise work does not). The photo has {photo[0]} × {photo[1]} pixels, an object {voxels} voxels on a shell,"
    " in a grid of {resolution}³; steps and guidance are those released, which standard quality has: {guided} of the"
    " {steps} steps of the structure are guided, and {latent_guided} of the {latent_steps} of the latents. Conditioning"
    " is all DINOv2 calls, the pointmap's embedder and the projections of both stages. Of the latents' network the"
    " transformer is counted as it runs; the sparse convolutions around it, by formula: for every pair of neighbouring"
    " voxels, the channels in times the channels out. Not counted are the embedding of time, the linear layers next to"
    " those convolutions, and the decoders of meshes and splats: the same work on both sides, where both are asked for."
)


def hollow_bundle(folder: Path, size: Size, *, equal_backbones: bool, decoders: Size | None = None) -> Bundle:
    """A bundle whose tensors have a shape and no content: less than 20 MB, whatever the size of the networks.

    Args:
        folder: Where to; made if it is not there.
        size: Of the networks, MoGe included.
        equal_backbones: Whether the bundle says that the four copies of DINOv2 are equal.
        decoders: Of which size the decoders of meshes and splats are, if not of the same.
    """
    home = folder / SAM3D_FOLDER
    home.mkdir(parents=True, exist_ok=True)
    other = configuration(decoders or size)
    for name, own in configuration(size).items():
        yaml = other[name] if name.startswith("slat_decoder") else own
        if name == "slat_decoder_gs_4":
            continue
        OmegaConf.save(OmegaConf.create(yaml), home / f"{name}.yaml")
        if name == "pipeline":
            continue
        tensors = {
            prefix + key: tensor for prefix, module in empty_modules(yaml) for key, tensor in _hollow(module).items()
        }
        torch.save({"state_dict": tensors} if "module" in yaml else tensors, home / f"{name}.ckpt")
    from moge.model.v1 import MoGeModel

    with unfilled():
        moge = MoGeModel(**_MOGE[size])
    (folder / MOGE_FILE).parent.mkdir(exist_ok=True)
    torch.save({"model_config": _MOGE[size], "model": _hollow(moge)}, folder / MOGE_FILE)
    return Bundle(folder, _manifest(equal_backbones))


def _hollow(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every tensor of a module without content; in a file, all of them together are one number."""
    nought = torch.zeros(())
    return {name: nought.expand(like.shape) if like.is_meta else like for name, like in module.state_dict().items()}


def _manifest(equal_backbones: bool) -> WeightsManifest:
    copies = dict.fromkeys(DINOV2_COPIES, f"{SAM3D_FOLDER}/dinov2.safetensors")
    return WeightsManifest(
        form="published",
        segmenter="sam2",
        revisions=revisions(bundle_files("sam2")),
        files=(BundleFile(path=f"{SAM3D_FOLDER}/pipeline.yaml", bytes=0, sha256="0" * 64, repository=SAM3D.name),),
        dinov2=DinoCopies(equal=True, copies=copies) if equal_backbones else None,
    )


def shell(resolution: int) -> NDArray[np.int32]:
    """Voxels about two thick on a sphere that nearly fills the grid, as an object's surface would: (voxels, 3)."""
    middle = np.indices((resolution,) * 3).reshape(3, -1).T + 0.5 - resolution / 2
    radii = np.linalg.norm(middle, axis=1)
    return np.argwhere((np.abs(radii - 0.4 * resolution) < 1).reshape((resolution,) * 3)).astype(np.int32)


def ellipses(boxes: Sequence[PixelBox]) -> list[Segmentation]:
    """A mask for every box."""
    masks = []
    for box in boxes:
        y, x = np.indices((box.y_max - box.y_min, box.x_max - box.x_min)) + 0.5
        inside = (2 * x / x.shape[1] - 1) ** 2 + (2 * y / y.shape[0] - 1) ** 2 <= 1
        masks.append(Segmentation(box, inside, 1.0))
    return masks


def whole_mask(pixels: NDArray[np.uint8], mask: Segmentation) -> NDArray[np.uint8]:
    """A mask of the photo's size, 0 or 255, as upstream's `run` takes it: (H, W)."""
    whole = np.zeros(pixels.shape[:2], np.uint8)
    box = mask.box
    whole[box.y_min : box.y_max, box.x_min : box.x_max] = mask.mask * np.uint8(255)
    return whole


def count_flops(
    pixels: NDArray[np.uint8], boxes: Mapping[int, Sequence[PixelBox]], size: Size = "genuine"
) -> dict[str, Any]:
    """Operations of Gen3D and of upstream, by stage.

    Args:
        pixels: The photo, (H, W, 3).
        boxes: For each number of boxes, the boxes.
        size: Of the networks.

    Returns:
        `conditioning`: for each number of boxes, in all; `structure`, `latents` (for one object) and `moge` (once),
        each with `upstream` and `ours` (for conditioning `ours_equal` and `ours_unequal`, by the copies of DINOv2);
        and what `HOW` wants to know.
    """
    with tempfile.TemporaryDirectory() as name, torch.no_grad(), _without_values(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # autocast's, for want of CUDA
        bundles = {
            equal: hollow_bundle(Path(name, str(equal)), size, equal_backbones=equal, decoders="tiny")
            for equal in (True, False)
        }
        upstream = build_pipeline(bundles[False], _CPU)
        moge = _count(lambda: _look_for_depth(upstream.depth_model.model, pixels))
        _empty(upstream)
        networks = {
            equal: Sam3d(bundle, _CPU, vram="auto", objects_at_once=1, longest_side=_LONGEST_SIDE)
            for equal, bundle in bundles.items()
        }
        for network in networks.values():
            _empty(network._pipeline)
        conditioning = []
        for count, chosen in boxes.items():
            masks = ellipses(chosen)
            row = {"boxes": count, "upstream": _condition_upstream(upstream, pixels, masks)}
            for equal, network in networks.items():
                key = "ours_equal" if equal else "ours_unequal"
                row[key] = _condition_ours(network, pixels, masks)
            conditioning.append(row)
        return {
            "conditioning": conditioning,
            **_sampling(upstream),
            "size": size,
            "moge": moge,
            "photo": [pixels.shape[1], pixels.shape[0]],
        }


def _count(work: Callable[[], object]) -> int:
    # Of attention's forms the plain one, which the counter sees as the two products that it is.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        work()
    return int(counter.get_total_flops())


@contextmanager
def _without_values() -> Iterator[None]:
    """The real photo is prepared for real; what the embedders are then given loses its content."""
    dino = upstream_module("model.backbone.dit.embedder.dino").Dino
    points = upstream_module("model.backbone.dit.embedder.pointmap").PointPatchEmbed
    prepare = dino._preprocess_input

    def project(embedder: Any, xyz: torch.Tensor, valid_mask: object = None) -> tuple[torch.Tensor, int, int, int]:  # noqa: ARG001
        # As upstream's, but that points without depth, which are told by their values, are not replaced.
        resized = embedder.resize_input(xyz.to(_META))
        batch, height, width, _ = resized.shape
        return embedder.point_proj(embedder.point_remapper(resized)), batch, height, width

    with (
        patch.object(dino, "_preprocess_input", lambda self, x: prepare(self, x.to(_META))),
        patch.object(points, "embed_pointmap_windows", project),
    ):
        yield


def _empty(pipeline: Any) -> None:
    """Takes the content from the networks that are counted, and MoGe out of the way: a plane serves as the pointmap."""
    for module in (*pipeline.condition_embedders.values(), *pipeline.models.values()):
        if module is not None:
            module.to(_META)

    def plane(rgb: torch.Tensor) -> dict[str, torch.Tensor]:
        height, width = rgb.shape[1:]
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        points = torch.stack([x, y, 2 + 0.1 * x], dim=-1)
        return {"pointmaps": points, "intrinsics": torch.tensor([[1.0, 0, 0.5], [0, 1.0, 0.5], [0, 0, 1]])}

    pipeline.depth_model = plane


def _look_for_depth(moge: Any, pixels: NDArray[np.uint8]) -> None:
    height, width = pixels.shape[:2]
    with patch.object(torch, "autocast", lambda *_, **__: ExitStack()):  # which knows no tensors without content
        moge.to(_META)(torch.empty((1, 3, height, width), device=_META), moge.num_tokens_range[1])


def _condition_upstream(pipeline: Any, pixels: NDArray[np.uint8], masks: Sequence[Segmentation]) -> int:
    """Operations between what upstream's `run` prepares and what its networks are conditioned on, mask by mask."""
    counted = 0
    for mask in masks:
        image = pipeline.merge_image_and_mask(pixels, whole_mask(pixels, mask))
        pointmap = pipeline.compute_pointmap(image)["pointmap"]
        for stage, points in (("ss", pointmap), ("slat", None)):
            prepared = pipeline.preprocess_image(image, getattr(pipeline, f"{stage}_preprocessor"), pointmap=points)
            embedder = pipeline.condition_embedders[f"{stage}_condition_embedder"]
            counted += _count(lambda: pipeline.get_condition_input(embedder, prepared, []))  # noqa: B023
    return counted


def _condition_ours(network: Sam3d, pixels: NDArray[np.uint8], masks: Sequence[Segmentation]) -> int:
    """The same of `Sam3d`, object by object as its `sample` does."""
    photo = network.on(pixels, [mask.box for mask in masks], _DETAIL, 0)
    counted = 0
    for mask in masks:
        first, second = network.prepare(photo._photo, mask)
        network._reuse.begin_objects()
        for stage, prepared in (("ss", first), ("slat", second)):
            name = f"{stage}_condition_embedder"
            counted += _count(lambda: network._stages._condition(name, [prepared]))  # noqa: B023
    return counted


def _sampling(pipeline: Any) -> dict[str, Any]:
    """Of one object, the first stage from the noise to the voxels, and the second from there to the latents."""
    generators = {name: pipeline.models[f"{name}_generator"] for name in ("ss", "slat")}
    generators["ss"].no_shortcut = True
    generators["ss"].reverse_fn.strength = pipeline.ss_cfg_strength
    generators["slat"].reverse_fn.strength = pipeline.slat_cfg_strength
    tokens = {"ss": _tokens(pipeline, "ss"), "slat": _tokens(pipeline, "slat")}
    backbone = generators["slat"].reverse_fn.backbone
    voxels = shell(backbone.resolution)
    latents = generators["ss"].reverse_fn.backbone.latent_mapping
    shapes = {name: (1, latent.pos_emb.shape[0], latent.input_layer.in_features) for name, latent in latents.items()}
    decode = _count(lambda: pipeline.models["ss_decoder"](torch.empty((1, 8, 16, 16, 16), device=_META)))
    around = _convolutions(backbone, voxels)
    result: dict[str, Any] = {"voxels": len(voxels), "resolution": backbone.resolution, "structure": {}, "latents": {}}
    for side in ("upstream", "ours"):
        with ExitStack() as stack:
            passes = {name: _Passes() for name in generators}
            stack.enter_context(_transformer_alone(backbone, voxels))
            for name, generator in generators.items():
                stack.enter_context(_noise_without_values(generator, passes[name]))
                if side == "ours":
                    stack.enter_context(economical(generator, lambda: None))
            condition = {name: torch.empty((1, *tokens[name]), device=_META) for name in generators}
            structure = _count(lambda: generators["ss"](shapes, _CPU, condition["ss"]))  # noqa: B023
            sampled = _count(lambda: generators["slat"]((1, len(voxels), 8), _CPU, condition["slat"], voxels))  # noqa: B023
        result["structure"][side] = structure + decode
        result["latents"][side] = sampled + passes["slat"].count * around
        steps = {name: generator.inference_steps for name, generator in generators.items()}
        result |= {
            "steps": steps["ss"],
            "guided": passes["ss"].count - steps["ss"],
            "latent_steps": steps["slat"],
            "latent_guided": passes["slat"].count - steps["slat"],
        }
    return result


def _tokens(pipeline: Any, stage: str) -> tuple[int, int]:
    """How many tokens a stage is conditioned on, and their channels."""
    photo = torch.zeros((1, 3, 518, 518))
    names = {"mask": photo[:, :1], "rgb_image_mask": photo[:, :1], "pointmap": photo, "rgb_pointmap": photo}
    found = pipeline.condition_embedders[f"{stage}_condition_embedder"](image=photo, rgb_image=photo, **names)
    return tuple(found.shape[1:])


class _Passes:
    """How often a transformer was run."""

    def __init__(self) -> None:
        self.count = 0

    def one_more(self, *_: object) -> None:
        self.count += 1


@contextmanager
def _noise_without_values(generator: Any, passes: _Passes) -> Iterator[None]:
    """The clock stays where its values can be read; noise and networks are elsewhere."""
    backbone = generator.reverse_fn.backbone
    counting = backbone.register_forward_pre_hook(passes.one_more)
    embedders = [getattr(backbone, name) for name in ("t_embedder", "d_embedder") if hasattr(backbone, name)]
    generator._generate_noise_tensor = lambda shape, x_device: torch.empty(shape, device=_META)  # noqa: ARG005
    for embedder in embedders:
        width = embedder.mlp[-1].out_features
        embedder.forward = lambda t, width=width: torch.empty((1, width), device=_META)  # noqa: ARG005
    try:
        with patch.object(upstream_module("model.backbone.generator.shortcut.model"), "_get_device", lambda _: _CPU):
            yield
    finally:
        counting.remove()
        del generator._generate_noise_tensor
        for embedder in embedders:
            del embedder.forward


@contextmanager
def _transformer_alone(backbone: Any, voxels: NDArray[np.int32]) -> Iterator[None]:
    """The latents' network between its convolutions, on voxels twice as large, as its `forward` runs it."""
    sparse = upstream_module("model.backbone.tdfy_dit.modules.sparse").SparseTensor
    coarse = torch.from_numpy(np.unique(voxels // 2, axis=0))
    coords = torch.cat([torch.zeros_like(coarse[:, :1]), coarse], dim=1)

    def forward(
        backbone: Any, x: torch.Tensor, t: torch.Tensor, cond: torch.Tensor, _: object, cfg: bool = False
    ) -> torch.Tensor:
        h = sparse(feats=torch.empty((len(coords), backbone.model_channels), device=_META), coords=coords)
        cond = backbone.condition_embedder(cond * 0 if cfg else cond)
        for block in backbone.blocks:
            h = block(h, backbone.t_embedder(t), cond)
        return x

    with patch.object(type(backbone), "forward", forward):
        yield


def _convolutions(backbone: Any, voxels: NDArray[np.int32]) -> int:
    """Operations of the sparse convolutions before and after the transformer, in one pass."""
    pairs = {False: _neighbours(voxels), True: _neighbours(np.unique(voxels // 2, axis=0))}
    return sum(
        2 * pairs[block.downsample] * convolution.conv.in_channels * convolution.conv.out_channels
        for block in (*backbone.input_blocks, *backbone.out_blocks)
        for convolution in (block.conv1, block.conv2)
    )


def _neighbours(voxels: NDArray[np.int32]) -> int:
    """How many pairs of voxels a kernel of 3³ joins, each voxel with itself among them."""
    grid = np.zeros(voxels.max(axis=0) + 3, np.int64)
    grid[tuple((voxels + 1).T)] = 1
    return sum(int(grid[tuple((voxels + 1 + shift).T)].sum()) for shift in product((-1, 0, 1), repeat=3))
