"""The benchmark of mesh finishing runs, leaves out only what cannot run, and judges its targets by the rows."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mesh_ours import COMPACT, JPEG, OURS, PNG
from benchmarks.mesh_rivals import FAIR, RIVALS
from benchmarks.mesh_verdict import verdicts
from tests.benchmarks.test_benchmarks import are_positive, run


def test_every_pipeline_is_measured_or_left_out_for_want_of_a_package(tmp_path: Path) -> None:
    result, printed = run("mesh_finish", tmp_path / "mesh_finish.json")
    (mesh,) = (mesh["mesh"] for mesh in result["meshes"])
    rows = {row.pop("pipeline"): row for row in result["rows"]}
    assert rows.keys() == {*OURS, *RIVALS}
    for pipeline, row in rows.items():
        assert row.pop("mesh") == mesh
        missing = [name for name in RIVALS.get(pipeline, ((), None))[0] if find_spec(name) is None]
        if missing:
            assert row == {"left_out": f"left out: no package {', '.join(missing)}"}
            assert f"| {pipeline} | {row['left_out']} |" in printed
            continue
        assert are_positive(row[name] for name in ("cpu_seconds", "wall_seconds", "peak_megabytes", "file_bytes"))
        assert row["faces"] > 0
        assert row["chamfer"] >= 0
        assert row["hausdorff"] >= row["chamfer"]
        assert f"| {pipeline} | **{row['cpu_seconds']:.2f}** |" in printed
    assert result["idle_stall_ms"] >= 0
    assert all(target["verdicts"].keys() == {mesh} for target in result["targets"])
    assert result["machine"]["cpu"] in printed


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Of one mesh, where every target is just met."""
    ours: dict[str, Any] = {
        "mesh": "blob",
        "cpu_seconds": 2.0,
        "chamfer": 1.2,
        "colour_psnr": 36.5,
        "boundary_edges": 0,
        "non_manifold_edges": 0,
        "stall_ms": 100.0,
        "file_bytes": 2_000_000,
    }
    fair = {"mesh": "blob", "pipeline": FAIR, "cpu_seconds": 20.0, "chamfer": 1.0, "colour_psnr": 36.5}
    return [*({**ours, "pipeline": name} for name in OURS), fair]


def said(rows: list[dict[str, Any]]) -> list[str]:
    return [target["verdicts"]["blob"] for target in verdicts(rows, ["blob"])]


def changed(rows: list[dict[str, Any]], pipeline: str, **fields: Any) -> list[dict[str, Any]]:
    return [{**row, **fields} if row["pipeline"] == pipeline else row for row in rows]


def test_a_target_that_is_just_met_is_met(rows: list[dict[str, Any]]) -> None:
    assert all(words.startswith("met: ") for words in said(rows))


@pytest.mark.parametrize(
    ("pipeline", "fields", "words"),
    [
        (JPEG, {"cpu_seconds": 2.5}, "**missed** by 20%: 8.0 ×"),
        (PNG, {"cpu_seconds": 4.0}, "**missed** by 50%: 5.0 ×"),
        (FAIR, {"colour_psnr": 38.0}, "**missed** by 1.5 dB: 36.5 dB"),
        (JPEG, {"chamfer": 1.5}, "**missed** by 25%: 1.50 ×"),
        (JPEG, {"colour_psnr": 33.5}, "**missed** by 1.0 dB: 33.5 dB"),
        (COMPACT, {"file_bytes": 2_500_000}, "**missed** by 25%: 2.50 MB"),
        (COMPACT, {"boundary_edges": 2, "non_manifold_edges": 1}, "**missed** by 3: 3"),
        (PNG, {"stall_ms": 150.0}, "**missed** by 50%: 150 ms"),
    ],
)
def test_a_target_that_is_missed_says_by_how_much(
    rows: list[dict[str, Any]], pipeline: str, fields: dict[str, Any], words: str
) -> None:
    missed = [verdict for verdict in said(changed(rows, pipeline, **fields)) if not verdict.startswith("met: ")]
    assert missed == [words]


def test_what_needs_a_rival_that_was_left_out_is_not_measured(rows: list[dict[str, Any]]) -> None:
    left_out = [{"mesh": "blob", "pipeline": FAIR, "left_out": "left out: no package xatlas"}]
    assert said(rows[:-1] + left_out).count("not measured") == 4
