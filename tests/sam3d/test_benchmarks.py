"""Each benchmark of the network runs in its smallest form, and what is counted moves with the code that it counts."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import flops
from benchmarks.flops import count_flops, ellipses, hollow_bundle, shell, whole_mask
from serve.reconstruct.sam3d.build import build_pipeline
from serve.reconstruct.sam3d.reuse import Reuse
from serve.segment import PixelBox

BOXES = [PixelBox(10, 20, 150, 160), PixelBox(90, 60, 240, 180)]
STAGES = ("depth", "structure", "latents", "mesh", "splats", "rest")


def run(benchmark: str, file: Path, *options: str) -> tuple[dict[str, Any], str]:
    """The JSON that a benchmark wrote, and what it printed."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", *options, "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert result["benchmark"] == benchmark
    assert result["machine"]["cpu"] in done.stdout
    return result, done.stdout


def are_positive(numbers: Iterable[float]) -> bool:
    return all(math.isfinite(number) and number > 0 for number in numbers)


def count(boxes: Sequence[int] = (1, 2)) -> dict[str, Any]:
    pixels = np.random.default_rng(0).integers(0, 256, (192, 256, 3), dtype=np.uint8)
    return count_flops(pixels, {number: BOXES[:number] for number in boxes}, "tiny")


@pytest.fixture(scope="module")
def counted() -> dict[str, Any]:
    return count()


@pytest.mark.timeout(400)
def test_multi_box_measures_time_calls_results_and_operations(tmp_path: Path) -> None:
    result, printed = run("multi_box", tmp_path / "result.json", "--quick")
    assert result["quick"]
    assert [(row["backbones_equal"], row["boxes"]) for row in result["rows"]] == [(True, 2), (False, 2)]
    for row in result["rows"]:
        assert are_positive([row["ours_seconds_per_object"], row["upstream_seconds_per_object"]])
        assert (row["ours_moge_calls"], row["upstream_moge_calls"]) == (1, 2)
    equal, different = result["rows"]
    # Upstream: image and mask, cropped and whole, in each stage. Here the whole image once for both objects, and what
    # one backbone has seen, the others need not see again.
    assert (equal["ours_dinov2_calls"], equal["upstream_dinov2_calls"]) == (7, 16)
    assert (different["ours_dinov2_calls"], different["upstream_dinov2_calls"]) == (14, 16)
    assert result["flops"]["size"] == "tiny"
    assert printed.count("| 2 boxes |") == 2
    assert "Structure" in printed


@pytest.mark.timeout(400)
def test_gpu_measures_both_sides_by_stage(tmp_path: Path) -> None:
    options = ("--size", "tiny", "--device", "cpu", "--boxes", "1", "--quality", "draft")
    result, printed = run("gpu", tmp_path / "result.json", *options)
    assert [(row["side"], row["quality"], row["boxes"]) for row in result["rows"]] == [
        ("ours", "draft", 1),
        ("upstream", "draft", 1),
    ]
    for row in result["rows"]:
        assert "failed" not in row
        assert are_positive([row["seconds_per_object"], *(row[f"{stage}_seconds"] for stage in STAGES)])
        assert row["peak_bytes"] is None
        assert row["voxels"] == len(shell(16))  # the forced shape
        assert row["faces"] > 10_000  # and a closed surface through it, where random features would give shreds
    assert printed.count("| draft | 1 | 1 |") == 2


def test_gpu_says_in_one_line_that_there_is_none() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--size", "tiny"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "GEN3D_DEVICE=cpu" in done.stderr


def test_upstream_conditions_every_box_anew(counted: dict[str, Any]) -> None:
    one, two = counted["conditioning"]
    assert two["upstream"] == 2 * one["upstream"]


def test_sharing_costs_less_and_most_where_backbones_are_equal(counted: dict[str, Any]) -> None:
    for row in counted["conditioning"]:
        assert row["ours_equal"] < row["ours_unequal"] <= row["upstream"]
    two = counted["conditioning"][1]
    assert two["ours_unequal"] < two["upstream"]


def test_guidance_costs_less_than_upstreams(counted: dict[str, Any]) -> None:
    for stage in ("structure", "latents"):
        assert 0 < counted[stage]["ours"] < counted[stage]["upstream"]


def test_without_the_savings_the_counts_are_upstreams(counted: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(_: Reuse, function: Callable[[Any], Any], key: object) -> Callable[[Any], Any]:
        return function

    @contextmanager
    def spendthrift(*_: object) -> Any:
        yield

    monkeypatch.setattr(Reuse, "once", forgetful)
    monkeypatch.setattr(flops, "economical", spendthrift)
    worse = count((2,))
    (row,) = worse["conditioning"]
    assert row["ours_equal"] == row["ours_unequal"] == row["upstream"] == counted["conditioning"][1]["upstream"]
    for stage in ("structure", "latents"):
        assert worse[stage]["ours"] == worse[stage]["upstream"] == counted[stage]["upstream"]


def test_a_hollow_bundle_loads_as_any_other_and_is_small(tmp_path: Path) -> None:
    bundle = hollow_bundle(tmp_path, "tiny", equal_backbones=True)
    pipeline = build_pipeline(bundle, torch.device("cpu"))
    sizes = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()]
    assert sum(sizes) < 5e6
    modules = (*pipeline.condition_embedders.values(), pipeline.models, pipeline.depth_model.model)
    assert sum(parameter.numel() for module in modules for parameter in module.parameters()) > 25e6
    structure, latents = (embedder.module_list for embedder in pipeline.condition_embedders.values())
    assert structure[0].backbone is structure[1].backbone is latents[0].backbone is latents[1].backbone


def test_a_shell_is_as_large_as_an_objects_surface() -> None:
    voxels = shell(64)
    assert 10_000 < len(voxels) < 25_000
    assert len(np.unique(voxels, axis=0)) == len(voxels)
    assert voxels.min() >= 0
    assert voxels.max() < 64


@given(st.sets(st.tuples(*[st.integers(0, 4)] * 3), min_size=1))
def test_neighbours_are_counted_as_one_would_by_hand(places: set[tuple[int, int, int]]) -> None:
    by_hand = sum(max(abs(p - q) for p, q in zip(a, b, strict=True)) <= 1 for a in places for b in places)
    assert flops._neighbours(np.array(sorted(places), np.int32)) == by_hand


def test_a_mask_for_upstream_lies_where_its_box_is() -> None:
    (mask,) = ellipses([PixelBox(2, 3, 12, 9)])
    whole = whole_mask(np.zeros((10, 20, 3), np.uint8), mask)
    assert whole.shape == (10, 20)
    assert set(np.unique(whole)) == {0, 255}
    rows, columns = np.nonzero(whole)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (2, 3, 12, 9)
