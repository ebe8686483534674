"""From a dense mesh to a file: what it costs and what it keeps, for Gen3D and for the ways that others go.

`python -m benchmarks.mesh_finish [--quick] [--json FILE]`, in an environment with requirements/rivals.txt; rivals whose
packages are missing are left out, and the table says so.
"""

import dataclasses
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from benchmarks.dense_meshes import MESHES, SIDE, dense_mesh
from benchmarks.glb_reader import open_dense, read_glb
from benchmarks.measure import publish, read_arguments, table
from benchmarks.mesh_costs import Pipeline, first_call, idle_stall, in_fresh_process, measure, save_mesh
from benchmarks.mesh_ours import JPEG, OURS
from benchmarks.mesh_quality import Judge
from benchmarks.mesh_rivals import RIVALS
from benchmarks.mesh_verdict import verdicts
from serve.mesh.finish import warm_up
from serve.mesh.finish.clean import clean

_PACKAGES: Final = ("pyvista", "vtk", "xatlas", "fast-simplification", "trimesh", "numba", "meshopt")
_SMALL_SIDE: Final = 48
_IDLE_SECONDS: Final = 3.0


@dataclasses.dataclass(frozen=True)
class _Scale:
    meshes: Sequence[str]
    side: int  # voxels
    faces: int
    texture_size: int
    repeats: int  # of ours
    samples: int  # of each surface
    pixels: int  # along each side of a picture


_WHOLE: Final = _Scale(tuple(MESHES), SIDE, 50_000, 2048, 3, 300_000, 512)
_QUICK: Final = _Scale(("thin",), 96, 10_000, 512, 1, 20_000, 128)
_HOW = (
    "Every row is a process of its own, held to two cores, that has made a file of a small mesh before; it begins"
    " with a dense mesh in memory and ends with the bytes of a GLB of {faces:,} faces (the last row: of all) and a"
    " texture of {size} × {size}. CPU is that of all threads. Ours are medians of {repeats}, rivals ran once. Peak is"
    " the largest resident set less what was resident before. Stall is the longest that a second Python thread, which"
    " sleeps a millisecond over and over, overslept; beside an idle thread it is {idle:.0f} ms. Ours gets the dense"
    " mesh as it was decoded and cleans it; the rivals get it clean, so that they pay nothing for that, and the clean"
    " mesh is the reference for all. Files are read back from their bytes. Chamfer is the mean and Hausdorff the"
    " largest distance from {samples:,} points of either surface to the closest point of the other, in 10⁻⁴ of the"
    " bounding box's diagonal. Colour is the PSNR of these points' sRGB against the closest points' (the texture"
    " between its texels, the dense colours between their vertices); rendered is that of pictures of {pixels} ×"
    " {pixels} from eight sides, softly lit with the file's normals (smooth ones where it has none), where either mesh"
    " is seen. Edges with one face and with more than two are counted with vertices at the same place taken as one."
)


def main() -> None:
    """Measures everything and prints the tables."""
    arguments = read_arguments("Costs and quality of mesh finishing, beside the ways that others go.")
    scale = _QUICK if arguments.quick else _WHOLE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = folder / "small.npz"
        save_mesh(clean(dense_mesh("thin", _SMALL_SIDE))[0], small)
        # A quick run takes the kernels that are there: compiling them all takes a minute.
        kernels = None if arguments.quick else _measure_kernels(folder)
        idle = in_fresh_process(idle_stall, _IDLE_SECONDS)
        meshes = [_measure_mesh(mesh, scale, folder, small) for mesh in scale.meshes]
    rows = [{"mesh": mesh["mesh"], **row} for mesh in meshes for row in mesh.pop("rows")]
    targets = verdicts(rows, scale.meshes)
    how = _HOW.format(
        faces=scale.faces,
        size=scale.texture_size,
        repeats=scale.repeats,
        samples=scale.samples,
        pixels=scale.pixels,
        idle=idle,
    )
    result = {
        "benchmark": "mesh_finish",
        "quick": arguments.quick,
        "how": how,
        "packages": {package: version(package) for package in _PACKAGES if _is_there(package)},
        "kernels": kernels,
        "idle_stall_ms": idle,
        "meshes": meshes,
        "rows": rows,
        "targets": targets,
    }
    parts = [_packages_line(result["packages"])]
    parts += [_mesh_table(mesh, [row for row in rows if row["mesh"] == mesh["mesh"]]) for mesh in meshes]
    parts.append(
        table(("Target", *scale.meshes), [(target["target"], *target["verdicts"].values()) for target in targets])
    )
    parts += [] if kernels is None else [_kernels_line(kernels)]
    publish(result, "\n\n".join(parts), arguments.json)


def _is_there(package: str) -> bool:
    return find_spec(package.replace("-", "_")) is not None


def _measure_kernels(folder: Path) -> dict[str, dict[str, float]]:
    """What the first mesh of a process pays: with an empty cache of kernels, and with one that holds them."""
    # Read by Numba in the processes to come.
    os.environ["NUMBA_CACHE_DIR"] = str(folder / "kernels")
    return {when: in_fresh_process(first_call, warm_up) for when in ("compiled", "cached")}


def _measure_mesh(mesh: str, scale: _Scale, folder: Path, small: Path) -> dict[str, Any]:
    """One mesh's rows, and what cleaning took away."""
    raw = dense_mesh(mesh, scale.side)
    cleaned, report = clean(raw)
    as_decoded, as_cleaned, made = folder / "raw.npz", folder / "clean.npz", folder / "made.glb"
    save_mesh(raw, as_decoded)
    save_mesh(cleaned, as_cleaned)
    judge = Judge(open_dense(cleaned), scale.samples, scale.pixels)
    rows: list[dict[str, Any]] = []
    notes: dict[str, float] = {}

    def add(name: str, pipeline: Pipeline, dense: Path, repeats: int) -> None:
        costs = in_fresh_process(measure, pipeline, dense, small, scale.faces, scale.texture_size, made, repeats)
        opened = read_glb(made.read_bytes())
        quality = dataclasses.asdict(judge.judge(opened))
        print(f"{mesh}: {name}: {costs['cpu_seconds']:.2f} s of CPU", file=sys.stderr)  # all of it takes minutes
        rows.append({"pipeline": name, **costs, "file_bytes": made.stat().st_size, **quality})

    for ours, pipeline in OURS.items():
        add(ours, pipeline, as_decoded, scale.repeats)
        if ours == JPEG:
            against_raw, opened = Judge(open_dense(raw), scale.samples, scale.pixels), read_glb(made.read_bytes())
            notes = {"covered": against_raw.covered(opened), "farthest": against_raw.farthest(opened)}
    for rival, (packages, pipeline) in RIVALS.items():
        missing = [package for package in packages if not _is_there(package)]
        if missing:
            rows.append({"pipeline": rival, "left_out": f"left out: no package {', '.join(missing)}"})
        else:
            add(rival, pipeline, as_cleaned, 1)
    return {
        "mesh": mesh,
        "faces": len(raw.faces),
        "clean_faces": len(cleaned.faces),
        "cleaned": report.model_dump(),
        **notes,
        "rows": rows,
    }


def _packages_line(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in packages.items())


def _kernels_line(kernels: Mapping[str, Mapping[str, float]]) -> str:
    compiled, cached = kernels["compiled"], kernels["cached"]
    return (
        f"Kernels: compiling all of them takes {compiled['cpu_seconds']:.1f} s of CPU ({compiled['wall_seconds']:.1f} s"
        f" of wall), once after installation; loading them {cached['cpu_seconds']:.2f} s"
        f" ({cached['wall_seconds']:.2f} s), once a process."
    )


def _mesh_table(mesh: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    header = ["Pipeline", "CPU s", "Wall s", "Peak MB", "File MB", "Faces", "Chamfer", "Hausdorff", "Colour dB"]
    header += ["Rendered dB", "Boundary edges", "Non-manifold", "Stall ms"]
    lines = [
        (row["pipeline"], row["left_out"], *[""] * (len(header) - 2)) if "left_out" in row else _line(row)
        for row in rows
    ]
    taken = mesh["faces"] - mesh["clean_faces"]
    return (
        f"**{mesh['mesh']}**: {mesh['faces']:,} faces, of which cleaning took {taken:,} ({mesh['cleaned']['floaters']}"
        f" floaters). Seen from the eight sides, ours covers {mesh['covered']:.2%} of what the mesh as decoded covers;"
        f" of that one's surface the farthest point lies {mesh['farthest']:.1f} from ours.\n\n{table(header, lines)}"
    )


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        row["pipeline"],
        f"**{row['cpu_seconds']:.2f}**",
        f"{row['wall_seconds']:.2f}",
        f"{row['peak_megabytes']:.0f}",
        f"{row['file_bytes'] / 1e6:.2f}",
        f"{row['faces']:,}",
        f"{row['chamfer']:.3f}",
        f"{row['hausdorff']:.1f}",
        _decibels(row["colour_psnr"]),
        _decibels(row["rendered_psnr"]),
        f"{row['boundary_edges']}",
        f"{row['non_manifold_edges']}",
        f"{row['stall_ms']:.0f}",
    )


def _decibels(value: float | None) -> str:
    return "equal" if value is None else f"{value:.1f}"


if __name__ == "__main__":
    main()
