"""The targets of mesh finishing, and whether measured rows meet them. Knows numbers alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from benchmarks.mesh_ours import COMPACT, JPEG, OURS, PNG
from benchmarks.mesh_rivals import FAIR

Row = Mapping[str, Any]
Rows = Mapping[str, Row]  # of one mesh, by pipeline

_NOT_MEASURED: Final = "not measured"
_LEAST_RATIO: Final = 10.0  # times less CPU than the fair rival
_CHAMFER: Final = {"thin": 1.35, "blob": 1.2}  # times pyvista's at most; the other mesh has no target
_LEAST_PSNR: Final = {JPEG: 34.5, PNG: 36.5}  # dB
_MOST_MEGABYTES: Final = 2.0
_LONGEST_STALL: Final = 100.0  # ms


def verdicts(rows: Sequence[Row], meshes: Sequence[str]) -> list[dict[str, Any]]:
    """For each target its words, and by mesh whether it is met, or by how much it is missed."""
    by_mesh = {
        mesh: {row["pipeline"]: row for row in rows if row["mesh"] == mesh and "left_out" not in row} for mesh in meshes
    }
    targets: list[tuple[str, Callable[[str, Rows], str]]] = [
        *(
            (f"{name}: {_LEAST_RATIO:g} × less CPU than the fair rival", lambda _, made, name=name: _ratio(made, name))
            for name in (JPEG, PNG)
        ),
        (f"{PNG}: colours as near as the fair rival's", lambda _, made: _colours(made)),
        (f"{JPEG}: Chamfer, at most 1.2 × pyvista's on blob, 1.35 × on thin", _chamfer),
        *(
            (
                f"{name}: colours at least {least:g} dB",
                lambda _, made, name=name, least=least: _decibels(made[name]["colour_psnr"], least),
            )
            for name, least in _LEAST_PSNR.items()
        ),
        (
            f"{COMPACT}: at most {_MOST_MEGABYTES:g} MB",
            lambda _, made: _at_most(made[COMPACT]["file_bytes"] / 1e6, _MOST_MEGABYTES, "{:.2f} MB"),
        ),
        ("no boundary edges, no non-manifold ones", lambda _, made: _edges(made)),
        (
            f"no other thread stalled for more than {_LONGEST_STALL:g} ms",
            lambda _, made: _at_most(max(made[name]["stall_ms"] for name in OURS), _LONGEST_STALL, "{:.0f} ms"),
        ),
    ]
    return [
        {"target": target, "verdicts": {mesh: verdict(mesh, made) for mesh, made in by_mesh.items()}}
        for target, verdict in targets
    ]


def _ratio(made: Rows, name: str) -> str:
    if FAIR not in made:
        return _NOT_MEASURED
    ratio = made[FAIR]["cpu_seconds"] / made[name]["cpu_seconds"]
    return _said(ratio >= _LEAST_RATIO, f"{ratio:.1f} ×", f"{1 - ratio / _LEAST_RATIO:.0%}")


def _colours(made: Rows) -> str:
    if FAIR not in made:
        return _NOT_MEASURED
    return _decibels(made[PNG]["colour_psnr"], made[FAIR]["colour_psnr"])


def _chamfer(mesh: str, made: Rows) -> str:
    if FAIR not in made:
        return _NOT_MEASURED
    ratio = made[JPEG]["chamfer"] / made[FAIR]["chamfer"]
    return _at_most(ratio, _CHAMFER[mesh], "{:.2f} ×") if mesh in _CHAMFER else f"no target: {ratio:.2f} ×"


def _edges(made: Rows) -> str:
    counts = [made[name]["boundary_edges"] + made[name]["non_manifold_edges"] for name in OURS]
    return _said(max(counts) == 0, f"{max(counts)}", f"{max(counts)}")


def _decibels(value: float | None, least: float | None) -> str:
    """`None` is equality, which nothing surpasses."""
    if value is None:
        return "met: equal"
    if least is None:
        return f"missed: {value:.1f} dB"
    return _said(value >= least, f"{value:.1f} dB", f"{least - value:.1f} dB")


def _at_most(value: float, most: float, unit: str) -> str:
    return _said(value <= most, unit.format(value), f"{value / most - 1:.0%}")


def _said(is_met: bool, value: str, missed_by: str) -> str:
    return f"met: {value}" if is_met else f"**missed** by {missed_by}: {value}"
