"""What several boxes on one photo cost with Gen3D, and with upstream's pipeline run once for each box.

`python -m benchmarks.multi_box [--quick] [--json FILE]`, with the engine sam3d's packages and OMP_NUM_THREADS=1. The
networks are the genuine ones: tiny, with random weights, where time is measured; of full size where operations are
counted.
"""

import io
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.flops import HOW as HOW_COUNTED
from benchmarks.flops import count_flops, ellipses, whole_mask
from benchmarks.measure import photo_boxes, photo_jpeg, publish, read_arguments, table
from model_loader.locate import Bundle, locate
from model_loader.repack import repack_bundle
from selftest.bundle import write_tiny_bundle
from serve.mesh.meshes import DenseMesh
from serve.reconstruct import Detail, Reconstruction
from serve.reconstruct.sam3d.build import build_pipeline
from serve.reconstruct.sam3d.reconstructor import Sam3d
from serve.reconstruct.sam3d.residence import open_device
from serve.reconstruct.sam3d.upstream import gaussians_on
from serve.segment import PixelBox

_BOXES, _ROUNDS, _MEGAPIXELS, _SEED = (1, 4, 8), 3, 1.0, 7
_SEEDS = 10  # of weights, to try
_DETAIL: Final = Detail("standard", 1_000_000, 8192, mesh=True, splats=True)
_HOW = (
    "Time is measured on the tiny networks, on one thread: Gen3D makes all boxes of a photo of {megapixels:g} MP;"
    " upstream (its `run`, on a pipeline with the same weights of which nothing was made cheaper) makes one box after"
    " the other; both with the same seed, a mesh and splats of each. They take turns; seconds are wall-clock time,"
    " medians of {rounds} rounds. The photo is decoded and the masks are there before. Calls are runs of a backbone, in"
    " one round. Vertices are compared where both meshes have as many."
)


def main() -> None:
    """Measures everything and prints the tables."""
    arguments = read_arguments("Several boxes on one photo, against upstream's pipeline once for each box.")
    counts, rounds = ((2,), 1) if arguments.quick else (_BOXES, _ROUNDS)
    device = open_device("cpu")
    cv2.setNumThreads(1)
    pixels, boxes = _photo(max(counts))
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for equal in (True, False):
            network, upstream = _load(Path(folder, str(equal)), equal, device, pixels, boxes)
            measured = _measure(network, upstream, device, pixels, boxes, counts, rounds)
            rows += [{"backbones_equal": equal, **row} for row in measured]
    counted = count_flops(pixels, {count: boxes[:count] for count in counts}, "tiny" if arguments.quick else "genuine")
    result = {
        "benchmark": "multi_box",
        "quick": arguments.quick,
        "how": f"{_HOW.format(megapixels=_MEGAPIXELS, rounds=rounds)} {HOW_COUNTED.format(**counted)}",
        "rounds": rounds,
        "rows": rows,
        "flops": counted,
    }
    tables = (_time_table(rows), _conditioning_table(counted), _stage_table(counted), _object_table(counted))
    publish(result, "\n\n".join(tables), arguments.json)


def _photo(count: int) -> tuple[NDArray[np.uint8], list[PixelBox]]:
    pixels = np.array(Image.open(io.BytesIO(photo_jpeg(_MEGAPIXELS))))
    return pixels, [
        PixelBox(round(box.x_min), round(box.y_min), round(box.x_max), round(box.y_max))
        for box in photo_boxes(count, _MEGAPIXELS)
    ]


def _bundle(folder: Path, equal: bool, seed: int) -> Bundle:
    """Tiny random weights, repacked where the copies of DINOv2 are equal, so that they are shared."""
    published = folder / "published"
    write_tiny_bundle(published, seed=seed, equal_backbones=equal)
    if not equal:
        return locate(published)
    repack_bundle(published, folder / "repacked", lambda said: None)  # noqa: ARG005
    return locate(folder / "repacked")


def _load(
    folder: Path, equal: bool, device: torch.device, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox]
) -> tuple[Sam3d, Any]:
    """Gen3D's network and upstream's pipeline, of one bundle. Random weights may see nothing in a mask."""
    for seed in range(_SEEDS):
        bundle = _bundle(folder / str(seed), equal, seed)
        network = Sam3d(bundle, device, vram="auto", objects_at_once=1, longest_side=max(pixels.shape))
        with suppress(_NothingMadeError):
            _run_ours(network, pixels, boxes)
            return network, build_pipeline(bundle, device)
    raise RuntimeError(f"none of {_SEEDS} random networks made something of every box")


def _measure(
    network: Sam3d,
    upstream: Any,
    device: torch.device,
    pixels: NDArray[np.uint8],
    boxes: Sequence[PixelBox],
    counts: Iterable[int],
    rounds: int,
) -> list[dict[str, Any]]:
    """A row of the first table for each number of boxes."""
    calls = {"upstream": _Calls(upstream), "ours": _Calls(network._pipeline)}
    works: dict[str, Callable[[Sequence[PixelBox]], list[NDArray[np.float64]]]] = {
        "ours": partial(_run_ours, network, pixels),
        "upstream": partial(_run_upstream, upstream, device, pixels),
    }
    works["upstream"](boxes[:1])  # what is made at the first call is not counted; Gen3D has had its first
    rows = []
    for count in counts:
        seconds: dict[str, list[float]] = {side: [] for side in works}
        made = {}
        for _ in range(rounds):
            for side, work in works.items():
                calls[side].forget()
                began = time.perf_counter()
                made[side] = work(boxes[:count])
                seconds[side].append((time.perf_counter() - began) / count)
        row: dict[str, Any] = {"boxes": count}
        for side, spent in seconds.items():
            row[f"{side}_seconds_per_object"] = statistics.median(spent)
            row |= {f"{side}_{name}_calls": number for name, number in calls[side].counts.items()}
        rows.append({**row, **_compare(made["ours"], made["upstream"])})
    return rows


class _NothingMadeError(Exception):
    """An object failed, so that its time says nothing."""


def _run_ours(network: Sam3d, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox]) -> list[NDArray[np.float64]]:
    """Vertices by object, in upstream's axes."""
    photo, vertices = network.on(pixels, boxes, _DETAIL, _SEED), []
    for mask in ellipses(boxes):
        for outcome in photo.make([mask], lambda *_: None):
            mesh = _mesh(outcome)
            vertices.append(mesh.positions.astype(np.float64)[:, [0, 2, 1]] * (1, -1, 1))
    return vertices


def _mesh(outcome: Reconstruction | Exception) -> DenseMesh:
    if isinstance(outcome, Exception) or not isinstance(outcome.mesh, DenseMesh) or outcome.splats is None:
        raise _NothingMadeError(str(outcome))
    return outcome.mesh


def _run_upstream(
    pipeline: Any, device: torch.device, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox]
) -> list[NDArray[np.float64]]:
    """Vertices by object."""
    vertices = []
    with warnings.catch_warnings(), gaussians_on(device):
        warnings.simplefilter("ignore")  # autocast's, for want of CUDA
        for mask in ellipses(boxes):
            made = pipeline.run(
                pixels,
                whole_mask(pixels, mask),
                seed=_SEED,
                with_mesh_postprocess=False,
                with_texture_baking=False,
                with_layout_postprocess=False,
                use_vertex_color=True,
            )
            vertices.append(made["mesh"][0].vertices.double().numpy())
    return vertices


class _Calls:
    """How often DINOv2 and MoGe have run, by the first block of each backbone."""

    def __init__(self, pipeline: Any) -> None:
        self.forget()
        embedders = [module for embedder in pipeline.condition_embedders.values() for module in embedder.module_list]
        backbones = {id(module.backbone): module.backbone for module in embedders if hasattr(module, "backbone")}
        for backbone in backbones.values():
            self._watch(backbone, "dinov2")
        self._watch(pipeline.depth_model.model.backbone, "moge")

    def forget(self) -> None:
        self.counts = {"dinov2": 0, "moge": 0}

    def _watch(self, backbone: Any, name: str) -> None:
        def one_more(*_: object) -> None:
            self.counts[name] += 1

        backbone.blocks[0].register_forward_pre_hook(one_more)


def _compare(ours: Sequence[NDArray[np.float64]], upstream: Sequence[NDArray[np.float64]]) -> dict[str, Any]:
    alike = [(a, b) for a, b in zip(ours, upstream, strict=True) if len(a) == len(b)]
    differences = [float(np.abs(a - b).max()) for a, b in alike]
    return {"as_many_vertices": len(alike), "largest_difference": max(differences, default=None)}


# Tables.


def _time_table(rows: Sequence[dict[str, Any]]) -> str:
    header = ("DINOv2's copies", "Boxes", "Seconds per object", "Upstream's", "Ratio", "DINOv2 calls", "MoGe calls")
    return table(
        (*header, "As many vertices", "Largest difference"),
        [
            (
                "equal" if row["backbones_equal"] else "different",
                row["boxes"],
                f"**{row['ours_seconds_per_object']:.2f}**",
                f"{row['upstream_seconds_per_object']:.2f}",
                _ratio(row["ours_seconds_per_object"], row["upstream_seconds_per_object"]),
                f"{row['ours_dinov2_calls']} : {row['upstream_dinov2_calls']}",
                f"{row['ours_moge_calls']} : {row['upstream_moge_calls']}",
                f"{row['as_many_vertices']} of {row['boxes']}",
                "none to compare" if row["largest_difference"] is None else f"{row['largest_difference']:.1e}",
            )
            for row in rows
        ],
    )


def _conditioning_table(counted: dict[str, Any]) -> str:
    return table(
        ("Conditioning", "Upstream's", "DINOv2's copies equal", "Ratio", "Different", "Ratio"),
        [
            (
                f"{row['boxes']} box{'es' * (row['boxes'] > 1)}",
                _tera(row["upstream"]),
                _tera(row["ours_equal"]),
                f"**{_ratio(row['ours_equal'], row['upstream'])}**",
                _tera(row["ours_unequal"]),
                f"**{_ratio(row['ours_unequal'], row['upstream'])}**",
            )
            for row in counted["conditioning"]
        ],
    )


def _stage_table(counted: dict[str, Any]) -> str:
    rows = [(name, counted[key]) for name, key in (("Structure", "structure"), ("Latents", "latents"))]
    return table(
        ("One object", "Upstream's", "Gen3D's", "Ratio"),
        [
            (name, _tera(of["upstream"]), _tera(of["ours"]), f"**{_ratio(of['ours'], of['upstream'])}**")
            for name, of in rows
        ]
        + [
            (
                "MoGe, for upstream once an object, for Gen3D once a photo",
                _tera(counted["moge"]),
                _tera(counted["moge"]),
                "",
            )
        ],
    )


def _object_table(counted: dict[str, Any]) -> str:
    rows = []
    for row in counted["conditioning"]:
        boxes = row["boxes"]
        sampling = {side: counted["structure"][side] + counted["latents"][side] for side in ("upstream", "ours")}
        upstream = row["upstream"] / boxes + sampling["upstream"] + counted["moge"]
        cells = [f"{boxes} box{'es' * (boxes > 1)}", _tera(upstream)]
        for key in ("ours_equal", "ours_unequal"):
            ours = row[key] / boxes + sampling["ours"] + counted["moge"] / boxes
            cells += [_tera(ours), f"**{_ratio(ours, upstream)}**"]
        rows.append(cells)
    return table(("Whole object", "Upstream's", "DINOv2's copies equal", "Ratio", "Different", "Ratio"), rows)


def _tera(operations: float) -> str:
    return f"{operations / 1e12:.3g} TFLOP"


def _ratio(ours: float, upstream: float) -> str:
    return f"{ours / upstream:.1%}"


if __name__ == "__main__":
    main()
