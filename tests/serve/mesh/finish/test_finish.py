"""The whole way from a dense mesh to the one that leaves, on the kernels as they are compiled."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from trimesh import creation

from benchmarks.dense_meshes import colours_at, dense_mesh
from serve.errors import Gen3DError
from serve.mesh.export import compact_file, object_file
from serve.mesh.finish import Finished, finish, warm_up
from serve.mesh.finish.clean import clean
from serve.mesh.finish.faulty import faulty_mesh
from serve.mesh.finish.kernels import KERNELS
from serve.mesh.measure import component_count, is_closed, weld
from serve.mesh.meshes import DenseMesh, WebMesh


def ball(subdivisions: int = 4, radius: float = 1.0, centre: tuple[float, float, float] = (0, 0, 0)) -> DenseMesh:
    made = creation.icosphere(subdivisions=subdivisions, radius=radius)
    positions = np.asarray(made.vertices + centre, dtype=np.float32)
    return DenseMesh(positions, np.asarray(made.faces, dtype=np.int32), colours_at(positions))


def joined(*meshes: DenseMesh) -> DenseMesh:
    """Several meshes in one, not connected with each other."""
    before = np.cumsum([0, *(len(mesh.positions) for mesh in meshes[:-1])])
    faces = [mesh.faces + np.int32(count) for mesh, count in zip(meshes, before, strict=True)]
    return DenseMesh(
        np.concatenate([mesh.positions for mesh in meshes]),
        np.concatenate(faces),
        np.concatenate([mesh.colours for mesh in meshes]),
    )


def check(mesh: WebMesh, texture_size: int) -> None:
    """That it is what `WebMesh` promises."""
    count = len(mesh.positions)
    assert count > 0
    assert len(mesh.faces) > 0
    assert mesh.faces.max() < count
    assert set(np.unique(mesh.faces)) == set(range(count)), "a vertex has no face"
    for array, kind, shape in (
        (mesh.positions, np.float32, (count, 3)),
        (mesh.normals, np.float32, (count, 3)),
        (mesh.uvs, np.float32, (count, 2)),
        (mesh.texture, np.uint8, (texture_size, texture_size, 3)),
    ):
        assert array.dtype == kind
        assert array.shape == shape
    assert np.isfinite(mesh.positions).all()
    assert np.linalg.norm(mesh.normals.astype(np.float64), axis=1) == pytest.approx(1, abs=1e-3)
    assert mesh.uvs.min() >= 0
    assert mesh.uvs.max() <= 1
    assert (mesh.normal_map is None) == (mesh.tangents is None)


@pytest.mark.parametrize("name", ["thin", "multi", "blob"])
def test_a_closed_mesh_of_many_triangles_becomes_a_closed_one_of_few(name: str) -> None:
    dense = dense_mesh(name, 64)
    mesh, _ = finish(dense, 4000, 256)
    check(mesh, 256)
    assert len(mesh.faces) <= 4000
    assert is_closed(weld(mesh.positions, mesh.faces))
    kept, _ = clean(dense)
    low, high = kept.positions.min(axis=0), kept.positions.max(axis=0)
    assert mesh.positions.min(axis=0) == pytest.approx(low, abs=1.5 / 63)
    assert mesh.positions.max(axis=0) == pytest.approx(high, abs=1.5 / 63)


def test_every_piece_that_is_no_floater_is_still_there() -> None:
    balls = [ball(4), *(ball(3, 0.1, (1.5, 0.4 * place, 0.0)) for place in range(-3, 4))]
    mesh, report = finish(joined(*balls, ball(2, 0.004, (0.0, 1.5, 0.0))), 3000, 256)
    assert component_count(weld(mesh.positions, mesh.faces)) == len(balls)
    assert report.floaters == 1


def test_plates_and_rods_thicker_than_two_voxels_keep_their_shape() -> None:
    """Seen along each axis, the silhouette of the finished mesh is the dense one's but for a voxel at its border."""
    dense = dense_mesh("thin", 128)
    mesh, _ = finish(dense, 6000, 256)
    for axes in ((0, 1), (1, 2), (0, 2)):
        before = shadow(dense.positions[:, axes], dense.faces)
        after = shadow(mesh.positions[:, axes], mesh.faces.astype(np.int32))
        assert not (before & ~grown(after)).any()
        assert not (after & ~grown(before)).any()


def shadow(points: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.bool_]:
    """What triangles cover on a grid of 128 × 128, a cell being a voxel."""
    import cv2

    picture = np.zeros((128, 128), dtype=np.uint8)
    at = ((points.astype(np.float64) + 0.5) * 127 * 16).round().astype(np.int32)
    for triangle in at[faces]:
        cv2.fillConvexPoly(picture, triangle, 1, shift=4)
    return picture > 0


def grown(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(cells, np.ones((3, 3), dtype=np.bool_), iterations=1))


def test_the_colours_are_the_dense_meshs() -> None:
    dense = ball(6)
    mesh, _ = finish(replace(dense, colours=shades(dense.positions)), 3000, 512)
    middles = mesh.positions[mesh.faces].mean(axis=1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    at = (mesh.uvs[mesh.faces].mean(axis=1) * 512).astype(int)
    error = mesh.texture[at[:, 1], at[:, 0]].astype(float) - shades(middles)
    assert np.abs(error).max() <= 3


def shades(points: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Another colour for every direction."""
    return ((points + 1) * 127.5).round().astype(np.uint8)


def test_fewer_triangles_than_asked_for_stay_as_they_are() -> None:
    dense = ball(3)
    mesh, _ = finish(dense, 100_000, 256)
    assert len(mesh.faces) == len(dense.faces)
    assert Counter(map(bytes, np.unique(mesh.positions, axis=0))) == Counter(
        map(bytes, np.unique(dense.positions, axis=0))
    )


def test_a_normal_map_comes_with_tangents() -> None:
    mesh, _ = finish(ball(5), 500, 256, normal_map=True)
    check(mesh, 256)
    assert mesh.tangents is not None
    assert mesh.normal_map is not None
    across = np.einsum("ij,ij->i", mesh.tangents[:, :3].astype(np.float64), mesh.normals.astype(np.float64))
    assert across == pytest.approx(0, abs=1e-3)
    assert set(np.unique(mesh.tangents[:, 3])) <= {-1.0, 1.0}


def test_the_same_mesh_gives_the_same_bytes_on_any_thread() -> None:
    dense = dense_mesh("multi", 64)
    made: list[Finished] = []
    threads = [threading.Thread(target=lambda: made.append(finish(dense, 3000, 256))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = {compact_file(each.mesh, "object-0", generator="test").data for each in made}
    files |= {object_file(each.mesh, "object-0", "glb", generator="test").data for each in made}
    assert len(made) == 3
    assert len(files) == 2


def test_nothing_of_a_mesh_without_a_surface_is_an_error_in_one_line() -> None:
    nowhere = DenseMesh(
        np.full((3, 3), np.nan, np.float32), np.array([[0, 1, 2]], np.int32), np.zeros((3, 3), np.uint8)
    )
    with pytest.raises(Gen3DError) as caught:
        finish(nowhere, 1000, 256)
    assert caught.value.code == "reconstruction_failed"
    assert "\n" not in caught.value.message


def spoil_nothing(mesh: DenseMesh, random: np.random.Generator) -> DenseMesh:
    return mesh


def spoil_numbers(mesh: DenseMesh, random: np.random.Generator) -> DenseMesh:
    positions = mesh.positions.copy()
    positions[random.integers(len(positions), size=3)] = (np.nan, np.inf, -np.inf)
    return DenseMesh(positions, mesh.faces, mesh.colours)


def spoil_turns(mesh: DenseMesh, random: np.random.Generator) -> DenseMesh:
    faces = mesh.faces.copy()
    turned = random.random(len(faces)) < 0.3
    faces[turned] = faces[turned][:, ::-1]
    return DenseMesh(mesh.positions, faces, mesh.colours)


def spoil_doubles(mesh: DenseMesh, random: np.random.Generator) -> DenseMesh:
    again = mesh.faces[random.integers(len(mesh.faces), size=20)]
    return DenseMesh(mesh.positions, np.concatenate([mesh.faces, again, again[:, ::-1]]), mesh.colours)


def spoil_links(mesh: DenseMesh, random: np.random.Generator) -> DenseMesh:
    """Triangles between any vertices: edges of three and more faces, slivers, surfaces that cross."""
    wild = random.integers(len(mesh.positions), size=(30, 3)).astype(np.int32)
    return DenseMesh(mesh.positions, np.concatenate([mesh.faces, wild]), mesh.colours)


def spoil_soup(mesh: DenseMesh, random: np.random.Generator) -> DenseMesh:
    """No two triangles share a vertex, and some are gone."""
    faces = mesh.faces[random.random(len(mesh.faces)) < 0.8]
    loose = np.arange(faces.size, dtype=np.int32).reshape(-1, 3)
    return DenseMesh(mesh.positions[faces].reshape(-1, 3), loose, mesh.colours[faces].reshape(-1, 3))


def spoil_flat(mesh: DenseMesh, random: np.random.Generator) -> DenseMesh:
    return DenseMesh(mesh.positions * np.array((1, 1, 1e-7), dtype=np.float32), mesh.faces, mesh.colours)


SPOILERS: list[Callable[[DenseMesh, np.random.Generator], DenseMesh]] = [
    spoil_nothing,
    spoil_numbers,
    spoil_turns,
    spoil_doubles,
    spoil_links,
    spoil_soup,
    spoil_flat,
]


def any_mesh(kind: str, random: np.random.Generator) -> DenseMesh:
    match kind:
        case "ball":
            return ball(2)
        case "balls":
            return joined(ball(2), ball(2, 0.5), ball(1, 0.3, (0.9, 0.0, 0.0)))
        case "sheet":
            made = creation.box().subdivide().subdivide()
            positions = np.asarray(made.vertices, dtype=np.float32)
            faces = np.asarray(made.faces[made.triangles_center[:, 2] < 0.4], dtype=np.int32)
            return DenseMesh(positions, faces, colours_at(positions))
        case "noise":
            positions = random.normal(size=(40, 3)).astype(np.float32)
            faces = random.integers(40, size=(60, 3)).astype(np.int32)
            return DenseMesh(positions, faces, colours_at(positions))
        case _:
            positions = random.normal(size=(3, 3)).astype(np.float32)
            return DenseMesh(positions, np.array([[0, 1, 2]], np.int32), colours_at(positions))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(["ball", "balls", "sheet", "noise", "triangle"]),
    spoil=st.lists(st.sampled_from(SPOILERS), max_size=3),
    unit=st.sampled_from([1e-12, 1e-3, 1.0, 1e6, 1e12]),
    faces=st.sampled_from([4, 60, 1000]),
    texture_size=st.sampled_from([64, 128]),
    seed=st.integers(0, 2**16),
)
def test_whatever_is_decoded_becomes_a_mesh_or_one_clear_error(
    kind: str, spoil: list[Any], unit: float, faces: int, texture_size: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    dense = any_mesh(kind, random)
    for each in spoil:
        dense = each(dense, random)
    dense = DenseMesh(dense.positions * np.float32(unit), dense.faces, dense.colours)
    finished = attempt(dense, faces, texture_size, normal_map=bool(seed % 2))
    if finished is not None:
        check(finished.mesh, texture_size)
        compact_file(finished.mesh, "object-0", generator="test")
        object_file(finished.mesh, "object-0", "glb", generator="test")


def attempt(dense: DenseMesh, faces: int, texture_size: int, *, normal_map: bool) -> Finished | None:
    """What becomes of it; None for the one refusal that there is."""
    try:
        return finish(dense, faces, texture_size, normal_map=normal_map)
    except Gen3DError as refusal:
        if refusal.code != "reconstruction_failed":
            raise
        return None


def test_after_the_warm_up_nothing_is_left_to_compile() -> None:
    """As many kernels have been called from Python by then as there are."""
    warm_up()
    called = [bool(each.signatures) for each in KERNELS]
    finish(dense_mesh("multi", 48), 500, 128, normal_map=True)
    finish(spoil_links(ball(3), np.random.default_rng(1)), 500, 128)
    assert [bool(each.signatures) for each in KERNELS] == called


def test_the_warm_up_meets_every_fault() -> None:
    _, report = finish(faulty_mesh(), 300, 64)
    assert [name for name, count in report.model_dump().items() if not count] == []
