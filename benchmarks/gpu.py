"""Seconds by stage and GPU memory of the networks in their genuine size, Gen3D's way and upstream's.

Knows no weights: random ones are drawn on the GPU, the shape and the surface are forced to be like an object's, and
what comes out means nothing; the work is that of a real object.

On a bare machine with a GPU, Python and a torch that knows the GPU (2.11 or newer, for its variable-length attention):

1. Elsewhere, fetch wheels (`pip download --no-deps --only-binary :all:` with the machine's `--python-version` and
   `--platform`) of what requirements/sam3d.in and requirements/sam3d-upstream.in name and the machine lacks. Of
   torchvision it must be the version that belongs to its torch; of spconv `spconv-cu126`, with `cumm-cu126`, `pccm`,
   `ccimport`, `lark` and `pybind11`; besides, `antlr4-python3-runtime` for hydra, and what Gen3D itself imports here:
   `pydantic` with `pydantic-core`, `annotated-types` and `typing-inspection`, `trimesh`, `opencv-python-headless`,
   `scikit-image`, `scipy`, `pillow`.
2. There: `pip install --no-index --no-deps --target site wheels/*.whl`. Meta's source is in the wheel of `sam3d`, in
   site/sam3d/third_party/meta.
3. In the checkout: `PYTHONPATH=site:site/sam3d/third_party/meta PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True
   python3 -m benchmarks.gpu --json gpu.json`. The file is written after every row, so that a run cut short loses one
   row. `--only`, `--boxes` and `--quality` divide the work.
"""

import argparse
import gc
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.flops import ellipses, hollow_bundle, shell, whole_mask
from benchmarks.measure import machine, publish, table
from model_loader.locate import Bundle
from selftest.bundle import random_tensor
from serve.contract import Quality
from serve.errors import Gen3DError
from serve.reconstruct import Detail
from serve.reconstruct.sam3d import reconstructor
from serve.reconstruct.sam3d.build import build_pipeline
from serve.reconstruct.sam3d.reconstructor import Sam3d
from serve.reconstruct.sam3d.residence import Residence, open_device
from serve.reconstruct.sam3d.stages import Sampling
from serve.reconstruct.sam3d.upstream import gaussians_on, upstream_module
from serve.segment import PixelBox

_STAGES: Final = ("depth", "structure", "latents", "mesh", "splats")
_QUALITIES: Final[tuple[Quality, ...]] = ("draft", "standard", "high")
_WIDTH, _HEIGHT, _SEED = 1024, 768, 7
_SMALL: Final = 0.01  # what the last layers are multiplied with, so that noise stays the size that it is drawn in
_RADIUS, _WAVES, _DEPTH = 0.4, 24.0, 0.004  # of the surface: in units of the grid's side; the shell holds its waves
_HOW = (
    "Random weights; every object is given the same shell of {voxels} voxels, and as the surface a sphere with small"
    " waves on it, hollow as the shell is: structure, latents and decoders have a real object's work. Both sides make"
    " a mesh and splats of every box of a {width} × {height} photo, with masks that are there before. Times are seconds"
    " per object, but Gen3D's depth is per photo; a stage's include its conditioning and, when staged, bringing its"
    " networks to the GPU. The rest is preparing pictures and taking results from the GPU. Peak memory is what"
    " PyTorch had allocated at most during the row, the weights included. Upstream is its own `run`, box by box, on"
    " Gen3D's loading and Gen3D's attention, which is kinder to it than the mask of all against all that it uses where"
    " flash_attn is not installed; its draft and high take as many steps as Gen3D's. One object in draft quality, not"
    " counted, comes first. DINOv2's four copies are {copies}."
)

_Vram = Literal["resident", "staged"]


@dataclass(frozen=True)
class _Case:
    """One row of the table."""

    side: Literal["ours", "upstream"]
    vram: _Vram
    quality: Quality
    at_once: int
    boxes: int


class _Clock:
    """Seconds by stage, with the device's queue empty at both ends."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.spent = dict.fromkeys(_STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = self.now()
        yield
        self.spent[name] += self.now() - began

    def now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def watch(self, owner: Any, method: str, name: str) -> None:
        """From now on the method's time counts for the stage."""
        work = getattr(owner, method)

        def timed(*arguments: Any, **named: Any) -> Any:
            with self.stage(name):
                return work(*arguments, **named)

        setattr(owner, method, timed)


def main() -> None:
    """Measures every row, and prints the table."""
    arguments = _arguments()
    try:
        device = open_device(arguments.device)
    except Gen3DError as error:
        sys.exit(str(error))
    cases = _cases(arguments)
    result: dict[str, Any] = {
        "benchmark": "gpu",
        "size": arguments.size,
        "backbones_equal": arguments.equal_backbones,
        "device": _describe(device),
        "machine": machine(),
        "rows": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        bundle = hollow_bundle(Path(folder), arguments.size, equal_backbones=arguments.equal_backbones)
        for side, runner in (("ours", _ours), ("upstream", _upstream)):
            chosen = [case for case in cases if case.side == side]
            if not chosen:
                continue
            for row in runner(bundle, device, chosen):
                result["rows"].append(row)
                if arguments.json:
                    arguments.json.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
                print(json.dumps(row), file=sys.stderr, flush=True)
            gc.collect()
            torch.cuda.empty_cache()
    result["how"] = _HOW.format(
        voxels=max((row.get("voxels", 0) for row in result["rows"]), default=0),
        width=_WIDTH,
        height=_HEIGHT,
        copies="equal" if arguments.equal_backbones else "different",
    )
    publish(result, f"{result['device']}, {arguments.size} size\n\n{_table(result['rows'])}", arguments.json)
    if any("failed" in row for row in result["rows"]):
        sys.exit("a row failed; the table says why")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Seconds by stage and GPU memory, against upstream's pipeline.")
    parser.add_argument("--size", choices=("genuine", "tiny"), default="genuine", help="of the networks")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--boxes", type=int, nargs="+", default=[1, 4, 8], metavar="N", help="on the photo, 1 to 8")
    parser.add_argument("--quality", nargs="+", choices=_QUALITIES, default=list(_QUALITIES))
    parser.add_argument("--only", choices=("ours", "upstream"), help="measure one side alone")
    parser.add_argument("--all", action="store_true", help="every combination, not only what differs in one thing")
    parser.add_argument("--equal-backbones", action="store_true", help="as if the four copies of DINOv2 were equal")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too, row by row")
    return parser.parse_args()


def _cases(arguments: argparse.Namespace) -> list[_Case]:
    """Standard quality, resident, one at a time; and what differs from that in one thing. Staged ones come last."""
    places: tuple[_Vram, ...] = ("resident", "staged") if arguments.device == "cuda" else ("resident",)
    ours = [
        _Case("ours", vram, quality, at_once, boxes)
        for vram, quality, at_once, boxes in product(places, arguments.quality, (1, 4), arguments.boxes)
        if at_once <= boxes and (arguments.all or (vram != "resident") + (quality != "standard") + (at_once != 1) <= 1)
    ]
    upstream = [
        _Case("upstream", "resident", quality, 1, boxes)
        for quality, boxes in product(arguments.quality, arguments.boxes)
    ]
    return [case for case in ours + upstream if arguments.only in (None, case.side)]


def _describe(device: torch.device) -> str:
    if device.type == "cpu":
        return f"CPU, torch {torch.__version__}"
    properties = torch.cuda.get_device_properties(device)
    memory = f"{properties.total_memory / 2**30:.0f} GiB"
    return f"{properties.name}, {memory}, torch {torch.__version__}, CUDA {torch.version.cuda}"


def _photo() -> NDArray[np.uint8]:
    small = np.random.default_rng(0).integers(0, 256, (_HEIGHT // 32, _WIDTH // 32, 3), dtype=np.uint8)
    return small.repeat(32, axis=0).repeat(32, axis=1)


def _boxes(count: int) -> list[PixelBox]:
    """As many as eight, in two rows."""
    places = product(range(2), range(4))
    return [PixelBox(256 * x + 16, 384 * y + 40, 256 * x + 240, 384 * y + 340) for y, x in places][:count]


# Both sides.


def _build(bundle: Bundle, device: torch.device) -> Any:
    """Upstream's pipeline with random weights, drawn on the device and kept on the CPU, and forced outcomes."""
    pipeline = build_pipeline(bundle, device)
    generator = torch.Generator(device).manual_seed(0)
    roots = (*pipeline.condition_embedders.values(), pipeline.models, pipeline.depth_model.model)
    filled: set[int] = set()
    for root in roots:
        for name, parameter in root.named_parameters():
            if id(parameter) in filled:
                continue
            filled.add(id(parameter))
            drawn = random_tensor(name, parameter, generator)
            if ".out_layer." in name and "_generator." in name:
                drawn = drawn * _SMALL
            parameter.data = drawn.to(parameter.dtype).cpu()
    resolution = pipeline.models["slat_generator"].reverse_fn.backbone.resolution
    _force_depth(pipeline.depth_model.model)
    _force_occupancy(pipeline.models["ss_decoder"], resolution)
    _force_surface(pipeline.models["slat_decoder_mesh"])
    return pipeline


def _after(owner: Any, change: Callable[[Any], Any]) -> None:
    """The module does its work, and what comes of it is changed."""
    work = owner.forward
    owner.forward = lambda *arguments, **named: change(work(*arguments, **named))


def _force_depth(moge: Any) -> None:
    """A plane, slightly tilted: a random MoGe sees nothing that any camera could have seen."""

    def plane(made: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        points = made["points"]
        height, width = points.shape[1:3]
        y, x = torch.meshgrid(
            torch.linspace(-height / width, height / width, height, device=points.device),
            torch.linspace(-1, 1, width, device=points.device),
            indexing="ij",
        )
        z = 2 + 0.3 * x
        return {"points": torch.stack([x * z, y * z, z], dim=-1)[None], "mask": torch.ones_like(made["mask"])}

    _after(moge, plane)


def _force_occupancy(decoder: Any, resolution: int) -> None:
    occupied = torch.full((1, 1, *(resolution,) * 3), -1.0)
    occupied[(0, 0, *torch.from_numpy(shell(resolution)).long().T)] = 1.0
    _after(decoder, lambda made: occupied.to(made.device).expand(len(made), -1, -1, -1, -1))


def _force_surface(decoder: Any) -> None:
    """A closed surface within the shell: signed distances, negative inside, at each corner of each small voxel."""
    extractor = decoder.mesh_extractor
    begin, end = extractor.layouts["sdf"]["range"]
    cube = upstream_module("model.backbone.tdfy_dit.representations.mesh.utils_cube").cube_corners

    def sphere(made: Any) -> Any:
        made.feats.zero_()
        for number, corner in zip(range(begin, end), cube.tolist(), strict=True):
            places = made.coords[:, 1:] + torch.tensor(corner, device=made.coords.device)
            offset = places / extractor.res - 0.5
            waves = _DEPTH * torch.sin(_WAVES * offset).prod(dim=1)
            made.feats[:, number] = offset.norm(dim=1) - _RADIUS + waves
        return made

    _after(decoder.out_layer, sphere)


def _measure(case: _Case, clock: _Clock, device: torch.device, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """One row; where the work fails, why."""
    clock.spent = dict.fromkeys(_STAGES, 0.0)
    on_gpu, before = device.type == "cuda", None
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
    began = clock.now()
    try:
        made = work()
    except (RuntimeError, Gen3DError) as error:  # the other rows are still worth having
        return {**asdict(case), "failed": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
    total = clock.now() - began
    seconds = {name: spent / case.boxes for name, spent in clock.spent.items()}
    if case.side == "ours":
        seconds["depth"] = clock.spent["depth"]
    return {
        **asdict(case),
        **made,
        **{f"{name}_seconds": spent for name, spent in seconds.items()},
        "rest_seconds": (total - sum(clock.spent.values())) / case.boxes,
        "seconds_per_object": total / case.boxes,
        "bytes_before": before,
        "peak_bytes": torch.cuda.max_memory_allocated(device) if on_gpu else None,
        "peak_reserved_bytes": torch.cuda.max_memory_reserved(device) if on_gpu else None,
    }


# Gen3D.


def _ours(bundle: Bundle, device: torch.device, cases: Sequence[_Case]) -> Iterator[dict[str, Any]]:
    """The rows of the cases, in order; staged ones must come last."""
    vram = cases[0].vram
    with patch.object(reconstructor, "build_pipeline", _build):
        network = Sam3d(bundle, device, vram=vram, objects_at_once=1, longest_side=_WIDTH)
    clock, residence = _Clock(device), network._residence.stage

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        with clock.stage(name), residence(name):
            yield

    network._residence.stage = stage  # type: ignore[method-assign]
    _make_ours(network, _Case("ours", vram, "draft", 1, 1))
    for case in cases:
        if case.vram == "staged" and vram == "resident":
            network.economise()
            vram = "staged"
        yield _measure(case, clock, device, lambda: _make_ours(network, case))  # noqa: B023 - called at once


def _make_ours(network: Sam3d, case: _Case) -> dict[str, Any]:
    if network._residence.staged != (case.vram == "staged"):
        raise RuntimeError("memory ran short before, and the networks have been staged ever since")
    boxes, seen = _boxes(case.boxes), _Seen()
    photo = network.on(_photo(), boxes, Detail(case.quality, 1_000_000, 8192, mesh=True, splats=True), _SEED)
    masks = ellipses(boxes)
    with patch.object(network._stages, "mesh", seen.watching(network._stages.mesh)):
        for begin in range(0, len(masks), case.at_once):
            for outcome in photo.make(masks[begin : begin + case.at_once], lambda *_: None):
                if isinstance(outcome, Exception):
                    raise outcome
                if codes := {warned.code for warned in outcome.warnings}:
                    raise RuntimeError(f"made under other conditions than asked for: {', '.join(codes)}")
    return seen.numbers


class _Seen:
    """What the decoder of meshes was given, and what it made, of the last object."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def watching(self, decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def watched(latents: Any) -> Any:
            made = decode(latents)
            mesh = made[0] if isinstance(made, list) else made
            self.numbers = {"voxels": len(latents.coords), "faces": len(mesh.faces)}
            return made

        return watched


# Upstream.


def _upstream(bundle: Bundle, device: torch.device, cases: Sequence[_Case]) -> Iterator[dict[str, Any]]:
    """The rows of the cases, in order."""
    pipeline = _build(bundle, device)
    models, clock, seen = pipeline.models, _Clock(device), _Seen()
    networks = [pipeline.depth_model.model, *pipeline.condition_embedders.values()]
    networks += [module for module in models.values() if module is not None]
    Residence(device, {"all": networks}, "resident")
    pipeline.depth_model.device = device
    models["slat_decoder_mesh"].forward = seen.watching(models["slat_decoder_mesh"].forward)
    for owner, method, name in (
        (pipeline, "compute_pointmap", "depth"),
        (pipeline, "sample_sparse_structure", "structure"),
        (pipeline, "sample_slat", "latents"),
        (models["slat_decoder_mesh"], "forward", "mesh"),
        (models["slat_decoder_gs"], "forward", "splats"),
    ):
        clock.watch(owner, method, name)
    _make_upstream(pipeline, device, _Case("upstream", "resident", "draft", 1, 1), seen)
    for case in cases:
        yield _measure(case, clock, device, lambda: _make_upstream(pipeline, device, case, seen))  # noqa: B023


def _make_upstream(pipeline: Any, device: torch.device, case: _Case, seen: _Seen) -> dict[str, Any]:
    pixels, sampling = _photo(), _sampling(pipeline, case.quality)
    with warnings.catch_warnings(), gaussians_on(device):
        warnings.simplefilter("ignore")  # on a CPU, autocast's, for want of CUDA
        for mask in ellipses(_boxes(case.boxes)):
            pipeline.run(
                pixels,
                whole_mask(pixels, mask),
                seed=_SEED,
                stage1_inference_steps=sampling.structure_steps,
                stage2_inference_steps=sampling.latent_steps,
                use_stage1_distillation=sampling.distilled,
                with_mesh_postprocess=False,
                with_texture_baking=False,
                with_layout_postprocess=False,
                use_vertex_color=True,
            )
    return seen.numbers


def _sampling(pipeline: Any, quality: Quality) -> Sampling:
    """The steps that Gen3D takes for the quality."""
    network = Sam3d.__new__(Sam3d)
    network._pipeline = pipeline
    return network.sampling(quality)


def _table(rows: Sequence[dict[str, Any]]) -> str:
    header = ("Side", "Networks", "Quality", "Boxes", "At once", "Seconds per object")
    lines: list[tuple[object, ...]] = []
    for row in rows:
        name = "Gen3D" if row["side"] == "ours" else "upstream"
        case = (name, row["vram"], row["quality"], row["boxes"], row["at_once"])
        if "failed" in row:
            lines.append((*case, row["failed"], *[""] * (len(_STAGES) + 4)))
            continue
        times = [f"{row[f'{stage}_seconds']:.2f}" for stage in (*_STAGES, "rest")]
        peak = "not a GPU" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 1e9:.1f} GB"
        lines.append(
            (*case, f"**{row['seconds_per_object']:.2f}**", *times, peak, f"{row['voxels']}", f"{row['faces']}")
        )
    stages = (stage.capitalize() for stage in (*_STAGES, "rest"))
    return table((*header, *stages, "Peak memory", "Voxels", "Faces"), lines)


if __name__ == "__main__":
    main()
