"""The benchmark's judge: distances, colours and edges of meshes for which they are known."""

from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.closest import ClosestPoints
from benchmarks.dense_meshes import dense_mesh
from benchmarks.glb_reader import Opened, open_dense, read_glb
from benchmarks.mesh_quality import Judge, edges, psnr
from benchmarks.mesh_rivals import dense
from serve.mesh.compact import compact_glb
from serve.mesh.gltf import object_glb
from serve.mesh.measure import vertex_normals
from serve.mesh.meshes import DenseMesh, WebMesh
from serve.mesh.textures import encode_textures

SAMPLES, PIXELS = 5000, 64


def ball(radius: float = 0.4, grey: int = 100) -> DenseMesh:
    shape = trimesh.creation.icosphere(4, radius)
    colours = np.full((len(shape.vertices), 3), grey, np.uint8)
    return DenseMesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32), colours)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(open_dense(ball()), SAMPLES, PIXELS)


def test_a_mesh_is_equal_to_itself(judge: Judge) -> None:
    quality = judge.judge(read_glb(dense(ball(), 0, 0)))
    assert quality.chamfer < 1e-6
    assert quality.hausdorff < 1e-6
    assert quality.colour_psnr is None
    assert quality.rendered_psnr is None
    assert (quality.boundary_edges, quality.non_manifold_edges) == (0, 0)


def test_a_smaller_ball_is_as_far_away_as_the_radii_differ(judge: Judge) -> None:
    quality = judge.judge(open_dense(ball(0.39)))
    expected = 0.01 / (0.8 * 3**0.5) * 1e4
    assert quality.chamfer == pytest.approx(expected, rel=0.01)
    assert quality.hausdorff == pytest.approx(expected, rel=0.01)
    assert quality.rendered_psnr is not None  # its edge lies elsewhere
    assert quality.rendered_psnr < 40


def test_colours_that_are_off_by_ten_cost_what_the_formula_says(judge: Judge) -> None:
    assert judge.judge(open_dense(ball(grey=110))).colour_psnr == pytest.approx(20 * np.log10(25.5))
    assert psnr(100) == pytest.approx(20 * np.log10(25.5))


def test_half_a_ball_covers_about_half_and_is_far_from_the_other_half(judge: Judge) -> None:
    whole = ball()
    left = whole.positions[whole.faces].mean(axis=1)[:, 0] < 0
    half = open_dense(DenseMesh(whole.positions, whole.faces[left], whole.colours))
    assert 0.3 < judge.covered(half) < 0.7
    assert judge.farthest(half) == pytest.approx(0.4 * 2**0.5 / (0.8 * 3**0.5) * 1e4, rel=0.05)
    assert judge.judge(half).boundary_edges > 0


def test_edges_are_counted_by_their_faces() -> None:
    fan = np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4], [2, 2, 0]])  # three faces on one edge; one with a corner twice
    assert edges(fan) == (6, 1)
    assert edges(open_dense(ball()).welded) == (0, 0)


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 10_000), st.integers(1, 60), st.booleans())
def test_the_closest_point_is_the_closest_of_all_triangles(seed: int, count: int, are_slivers: bool) -> None:
    random = np.random.default_rng(seed)
    positions = random.uniform(-1, 1, (3 * count, 3)).astype(np.float32)
    if are_slivers:
        positions[::3] = positions[1::3] + (positions[2::3] - positions[1::3]) * random.uniform(-0.5, 1.5, (count, 1))
    faces = np.arange(3 * count).reshape(-1, 3)
    points = random.uniform(-2, 2, (40, 3))
    face, weights, distance = ClosestPoints(positions, faces).query(points)
    assert (weights >= -1e-9).all()
    there = np.einsum("ni,nij->nj", weights, positions[faces[face]].astype(np.float64))
    np.testing.assert_allclose(np.linalg.norm(points - there, axis=1), distance, atol=1e-6)
    np.testing.assert_allclose(distance, by_trying_all(points, positions[faces].astype(np.float64)), atol=1e-6)


def by_trying_all(points: NDArray[np.float64], triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) distances: to the plane where the foot lies within the triangle, else to the nearest edge."""
    least = np.full(len(points), np.inf)
    for a, b, c in triangles:
        for start, end in ((a, b), (b, c), (c, a)):
            side = end - start
            along = np.clip((points - start) @ side / max(side @ side, 1e-300), 0, 1)
            least = np.minimum(least, np.linalg.norm(points - start - along[:, None] * side, axis=1))
        normal = np.cross(b - a, c - a)
        if (size := np.linalg.norm(normal)) < 1e-12:
            continue
        normal /= size
        height = (points - a) @ normal
        foot = points - height[:, None] * normal
        turns = [np.cross(end - start, foot - start) @ normal for start, end in ((a, b), (b, c), (c, a))]
        least = np.where(np.min(turns, axis=0) >= 0, np.minimum(least, np.abs(height)), least)
    return least


@pytest.fixture(scope="module")
def web_mesh() -> WebMesh:
    """A rough body with a texture that repeats nothing, its UVs a projection."""
    made = dense_mesh("blob", 24)
    normals = vertex_normals(made.positions.astype(np.float64), made.faces.astype(np.int64))
    texture = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    uvs = (made.positions[:, :2] + 0.5).astype(np.float32)
    return WebMesh(made.positions, normals.astype(np.float32), uvs, made.faces.astype(np.uint32), texture)


def test_a_plain_file_is_read_as_it_was_written(web_mesh: WebMesh) -> None:
    data = object_glb(web_mesh, "it", generator="test", textures=encode_textures(web_mesh, "png"))
    opened = read_glb(data)
    np.testing.assert_array_equal(opened.positions, web_mesh.positions)
    np.testing.assert_array_equal(opened.faces, web_mesh.faces)
    assert opened.uvs is not None
    np.testing.assert_array_equal(opened.uvs, web_mesh.uvs)
    np.testing.assert_array_equal(opened.texture, web_mesh.texture)
    np.testing.assert_allclose(opened.normals, web_mesh.normals, atol=1e-6)


def test_a_compact_file_is_read_within_its_rounding(web_mesh: WebMesh) -> None:
    opened = read_glb(compact_glb(web_mesh, "it", generator="test"))
    face, _, distance = ClosestPoints(web_mesh.positions, web_mesh.faces).query(opened.positions)
    assert distance.max() < 1e-5 * np.sqrt(3)
    assert len(opened.faces) == len(web_mesh.faces)
    assert edges(opened.welded) == (0, 0)
    np.testing.assert_allclose(np.linalg.norm(opened.normals, axis=1), 1, atol=1e-3)
    uvs = web_mesh.uvs[web_mesh.faces[face]]
    assert opened.uvs is not None
    assert (opened.uvs >= uvs.min(axis=1) - 1e-4).all()
    assert (opened.uvs <= uvs.max(axis=1) + 1e-4).all()


def test_a_file_that_turns_its_mesh_is_refused() -> None:
    scene: Any = trimesh.Scene()  # its functions carry no types
    scene.add_geometry(trimesh.creation.box(), transform=[[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    with pytest.raises(ValueError, match="turns"):
        read_glb(scene.export(file_type="glb"))


def test_normals_that_a_file_lacks_are_smooth_across_seams() -> None:
    whole = ball()
    split = DenseMesh(
        whole.positions[whole.faces].reshape(-1, 3),
        np.arange(whole.faces.size, dtype=np.int32).reshape(-1, 3),
        np.repeat(whole.colours[:1], whole.faces.size, 0),
    )
    opened: Opened = read_glb(dense(split, 0, 0))
    outward = split.positions / np.linalg.norm(split.positions, axis=1, keepdims=True)
    assert (opened.normals * outward).sum(axis=1).min() > 0.999
