from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from serve.mesh.finish.bake import bake
from serve.mesh.finish.tangents import normal_map, vertex_tangents
from serve.mesh.finish.texels import Texels, texels_of
from serve.mesh.meshes import DenseMesh, WebMesh

SIZE = 64
SQUARE = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], dtype=np.float32)
TOWARDS = np.tile(np.array((0, 0, 1), dtype=np.float32), (4, 1))
FACES = np.array([(0, 1, 2), (0, 2, 3)], dtype=np.int32)
UPRIGHT = np.array([(0, 1), (1, 1), (1, 0), (0, 0)], dtype=np.float32)  # v runs down
LAYINGS = {
    "upright": UPRIGHT,
    "quarter turn": UPRIGHT[[1, 2, 3, 0]],
    "upside down": UPRIGHT[[2, 3, 0, 1]],
    "mirrored": UPRIGHT[[1, 0, 3, 2]],
    "mirrored and turned": UPRIGHT[[0, 3, 2, 1]],
}

Points = NDArray[np.floating[Any]]


def test_tangents_run_along_u_and_bitangents_up_the_picture() -> None:
    expected = {
        "upright": (1, 0, 0, 1),
        "quarter turn": (0, -1, 0, 1),
        "upside down": (-1, 0, 0, 1),
        "mirrored": (-1, 0, 0, -1),
        "mirrored and turned": (0, 1, 0, -1),
    }
    for name, uvs in LAYINGS.items():
        tangents = vertex_tangents(SQUARE, TOWARDS, FACES, uvs)
        assert tangents == pytest.approx(np.tile(expected[name], (4, 1)), abs=1e-6), name
        bitangents = tangents[:, 3:] * np.cross(TOWARDS, tangents[:, :3])
        steps = np.linalg.lstsq(np.column_stack((uvs, np.ones(4))), SQUARE, rcond=None)[0]
        assert bitangents == pytest.approx(np.tile(-steps[1], (4, 1)), abs=1e-5), name


def test_tangents_are_unit_vectors_across_the_normals(torus: WebMesh) -> None:
    tangents = vertex_tangents(torus.positions, torus.normals, torus.faces.astype(np.int32), torus.uvs)
    assert np.allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-6)
    assert np.allclose(np.einsum("ni,ni->n", tangents[:, :3], torus.normals), 0, atol=1e-6)
    assert set(tangents[:, 3]) == {1.0}
    around = np.cross((0, 1, 0), torus.positions)  # u grows that way
    assert np.einsum("ni,ni->n", tangents[:, :3], around / np.linalg.norm(around, axis=1, keepdims=True)).min() > 0.99


@given(st.lists(st.floats(0, 1, width=32), min_size=8, max_size=8), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_whatever_the_texture_tangents_are_of_use(uvs: list[float], seed: int) -> None:
    normals = np.random.default_rng(seed).normal(size=(4, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    tangents = vertex_tangents(SQUARE, normals.astype(np.float32), FACES, np.array(uvs, dtype=np.float32).reshape(4, 2))
    assert np.allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-5)
    assert np.allclose(np.einsum("ni,ni->n", tangents[:, :3], normals), 0, atol=1e-5)
    assert set(tangents[:, 3]) <= {1.0, -1.0}


def test_vertices_without_faces_have_some_tangent() -> None:
    tangents = vertex_tangents(SQUARE, TOWARDS, FACES[:0], UPRIGHT)
    assert np.allclose(np.linalg.norm(tangents[:, :3], axis=1), 1)
    assert np.allclose(tangents[:, 2], 0)


def test_a_flat_mesh_baked_onto_an_equal_one_has_an_even_map() -> None:
    dense = DenseMesh(SQUARE, FACES, np.zeros((4, 3), dtype=np.uint8))
    for uvs in LAYINGS.values():
        assert (_map(dense, uvs * np.float32(0.6)) == (128, 128, 255)).all()


@pytest.mark.parametrize("laying", LAYINGS)
def test_a_bump_points_where_it_does_in_space(laying: str) -> None:
    uvs = LAYINGS[laying]
    texels = texels_of(uvs, FACES, SIZE)
    picture = _map(_hill(65), uvs)
    tangents = vertex_tangents(SQUARE, TOWARDS, FACES, uvs)
    seen = _as_seen(picture, texels, TOWARDS, tangents, FACES)
    places = np.einsum("ni,nij->nj", texels.weights, SQUARE[FACES[texels.face]])
    assert np.degrees(np.arccos(np.einsum("ni,ni->n", seen, _hill_normals(places)).clip(-1, 1))).max() < 2


def test_green_is_bright_where_a_bump_looks_up_the_picture_and_red_where_it_looks_right() -> None:
    picture = _map(_hill(65), UPRIGHT).astype(int)
    above, below = picture[SIZE // 4, SIZE // 2], picture[SIZE * 3 // 4, SIZE // 2]
    left, right = picture[SIZE // 2, SIZE // 4], picture[SIZE // 2, SIZE * 3 // 4]
    assert above[1] > 140
    assert below[1] < 116
    assert right[0] > 140
    assert left[0] < 116
    assert (picture[..., 2] >= 128).all()


def test_what_a_viewer_makes_of_the_map_is_what_was_found(torus: WebMesh) -> None:
    faces = torus.faces.astype(np.int32)
    texels = texels_of(torus.uvs, faces, SIZE)
    tangents = vertex_tangents(torus.positions, torus.normals, faces, torus.uvs)
    smooth = np.einsum("ni,nij->nj", texels.weights, torus.normals[faces[texels.face]])
    found = smooth + np.random.default_rng(0).normal(size=smooth.shape) * 0.3
    found = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    picture = normal_map(found, texels, torus.normals, tangents, faces, SIZE)
    seen = _as_seen(picture, texels, torus.normals, tangents, faces)
    upper = np.einsum("ni,ni->n", found, smooth) > 0.1
    assert upper.mean() > 0.95
    assert np.degrees(np.arccos(np.einsum("ni,ni->n", seen, found).clip(-1, 1)))[upper].max() < 1


def test_what_looks_inward_is_turned_no_further_than_along_the_surface() -> None:
    texels = texels_of(UPRIGHT, FACES, SIZE)
    tangents = vertex_tangents(SQUARE, TOWARDS, FACES, UPRIGHT)
    for inward, expected in (((0.6, 0, -0.8), (255, 128, 128)), ((0, 0, -1), (128, 128, 255))):
        found = np.tile(np.array(inward, dtype=np.float32), (len(texels.texel), 1))
        assert (normal_map(found, texels, TOWARDS, tangents, FACES, SIZE) == expected).all()


def _map(dense: DenseMesh, uvs: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The map of a flat square."""
    starts = np.argmin(np.linalg.norm(SQUARE[:, None] - dense.positions[None], axis=2), axis=1).astype(np.int32)
    baked = bake(dense, SQUARE, FACES, uvs, starts, SIZE, with_normals=True)
    assert baked.normals is not None
    tangents = vertex_tangents(SQUARE, TOWARDS, FACES, uvs)
    return normal_map(baked.normals, baked.texels, TOWARDS, tangents, FACES, SIZE)


def _hill(rows: int) -> DenseMesh:
    """The unit square with a hill in its middle, towards +z."""
    x, y = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, rows))
    corner = np.arange(rows * rows).reshape(rows, rows)
    lower = np.stack((corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:]), -1).reshape(-1, 3)
    upper = np.stack((corner[:-1, :-1], corner[1:, 1:], corner[1:, :-1]), -1).reshape(-1, 3)
    positions = np.column_stack((x.ravel(), y.ravel(), _height(x.ravel(), y.ravel()))).astype(np.float32)
    return DenseMesh(positions, np.concatenate((lower, upper)).astype(np.int32), np.zeros((rows * rows, 3), np.uint8))


def _height(x: Points, y: Points) -> Points:
    return np.asarray(0.08 * np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.03))


def _hill_normals(places: Points) -> Points:
    """(N, 3) the hill's unit normals where it is nearest to points on the square, which lie right below along these."""
    foot = places[:, :2]
    for _ in range(100):
        height = _height(foot[:, 0], foot[:, 1])[:, None]
        slope = -2 * (foot - 0.5) / 0.03 * height
        foot = places[:, :2] - height * slope
    normals = np.column_stack((-slope, np.ones(len(slope))))
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))


def _as_seen(
    picture: NDArray[np.uint8],
    texels: Texels,
    normals: NDArray[np.float32],
    tangents: NDArray[np.float32],
    faces: NDArray[np.int32],
) -> Points:
    """(N, 3) the unit normals that a viewer has at the texels, by MikkTSpace's rule."""
    corners = faces[texels.face]
    normal, tangent = (np.einsum("ni,nij->nj", texels.weights, each[corners]) for each in (normals, tangents[:, :3]))
    bitangent = tangents[corners[:, 0], 3:] * np.cross(normal, tangent)
    x, y, z = (picture.reshape(-1, 3)[texels.texel].astype(np.float64) / 127.5 - 1).T[..., None]
    seen = x * tangent + y * bitangent + z * normal
    return np.asarray(seen / np.linalg.norm(seen, axis=1, keepdims=True))
