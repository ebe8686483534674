from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from serve.mesh.finish.bake import bake
from serve.mesh.finish.texels import Texels
from serve.mesh.meshes import DenseMesh

RED, BLUE = (230, 20, 10), (10, 40, 220)
SIZE = 64

Points = NDArray[np.floating[Any]]


class Simple(NamedTuple):
    """What a dense mesh is baked onto."""

    positions: NDArray[np.float32]
    faces: NDArray[np.int32]
    uvs: NDArray[np.float32]
    starts: NDArray[np.int32]


def test_a_ramp_on_a_plane_comes_back_within_a_level() -> None:
    dense = _sheet(33, lambda xyz: np.column_stack((255 * xyz[:, 0], 255 * xyz[:, 1], 100 + 50 * xyz[:, 0])))
    texture = bake(dense, *_upright_square(dense), SIZE).texture
    x, y = np.meshgrid((np.arange(SIZE) + 0.5) / SIZE, 1 - (np.arange(SIZE) + 0.5) / SIZE)
    assert np.abs(texture - np.stack((255 * x, 255 * y, 100 + 50 * x), -1)).max() <= 1


def test_colours_are_those_of_the_nearest_point_not_of_the_nearest_vertex() -> None:
    dense = _ball(3)
    simple = _chart_for_each_face(_ball(2), dense)
    baked = bake(dense, *simple, 512)
    expected = _gradient(_on_ball(simple, baked.texels))
    assert np.abs(baked.texture.reshape(-1, 3)[baked.texels.texel] - expected).max() < 6  # a dense edge spans over 20


@pytest.mark.parametrize("sinks", [0.0, 0.6, 0.7])
def test_the_sides_of_a_thin_plate_never_mix(sinks: float) -> None:
    """Though its simplified sides have sunk past its middle, so that the other side is nearer."""
    thickness = 0.01
    dense, is_top = _plate(25, thickness)
    top, bottom = (_upright_square(dense, z=sign * thickness * (0.5 - sinks)) for sign in (1, -1))
    starts = [np.flatnonzero(kind)[[0, 24, -1, -25]] for kind in (is_top, ~is_top)]  # the corners
    simple = Simple(
        np.concatenate((top.positions, bottom.positions)),
        np.concatenate((top.faces, bottom.faces[:, ::-1] + 4)),
        np.concatenate((top.uvs * (0.4, 1), bottom.uvs * (0.4, 1) + (0.6, 0))).astype(np.float32),
        np.concatenate(starts).astype(np.int32),
    )
    baked = bake(dense, *simple, SIZE)
    colours = baked.texture.reshape(-1, 3)[baked.texels.texel]
    inside = _distance_to_rim(simple, baked.texels) > thickness
    assert inside.sum() > SIZE**2 / 2
    assert (colours[inside & (baked.texels.face < 2)] == RED).all()
    assert (colours[inside & (baked.texels.face >= 2)] == BLUE).all()


def test_starts_on_the_wrong_side_of_a_thin_plate_do_no_harm() -> None:
    dense, is_top = _plate(25, 0.01)
    simple = _upright_square(dense, z=0.004)
    below = np.flatnonzero(~is_top)[_nearest(simple.positions, dense.positions[~is_top])].astype(np.int32)
    baked = bake(dense, *simple._replace(starts=below), SIZE)
    colours = baked.texture.reshape(-1, 3)[baked.texels.texel]
    assert (colours[_distance_to_rim(simple, baked.texels) > 0.01] == RED).all()


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_starts_far_off_still_find_their_way(seed: int) -> None:
    dense = _ball(3)
    simple = _chart_for_each_face(_ball(1), dense)
    along = np.einsum("ni,mi->nm", simple.positions, dense.positions)
    random = np.random.default_rng(seed)
    far = np.array([random.choice(np.flatnonzero((row > -0.5) & (row < 0.5))) for row in along], dtype=np.int32)
    near, lost = (bake(dense, *each, 128).texture for each in (simple, simple._replace(starts=far)))
    assert np.abs(near.astype(int) - lost).max() <= 6  # a dense edge spans over 20


def test_where_a_walk_meets_a_gap_it_begins_anew_beyond() -> None:
    left, right = (
        _sheet(9, lambda xyz: np.full((len(xyz), 3), RED)),
        _sheet(9, lambda xyz: np.full((len(xyz), 3), BLUE)),
    )
    dense = DenseMesh(
        np.concatenate([left.positions * (0.4, 1, 1), right.positions * (0.4, 1, 1) + (0.6, 0, 0)]).astype(np.float32),
        np.concatenate([left.faces, right.faces + len(left.positions)]),
        np.concatenate([left.colours, right.colours]),
    )
    simple = _upright_square(dense)
    narrow = np.array((1, 0.1, 1), dtype=np.float32) * simple.positions
    simple = simple._replace(positions=narrow, starts=_nearest(narrow, dense.positions))
    texture = bake(dense, *simple, SIZE).texture
    # There the vertex to begin at is nearer than what lies on this side of the gap.
    assert (texture[:, : SIZE // 4] == RED).all()
    assert (texture[:, SIZE * 3 // 4 :] == BLUE).all()


def test_what_no_face_has_is_filled_with_the_charts_colours() -> None:
    dense, _ = _plate(9, 0.1)
    simple = _upright_square(dense, z=0.05)
    baked = bake(dense, *simple._replace(uvs=simple.uvs * np.float32(0.3)), SIZE)
    assert len(baked.texels.texel) < SIZE**2 / 8
    assert (baked.texture == RED).all()


@pytest.mark.parametrize("size", [1, 64, 100, 257])
def test_the_texture_is_as_large_as_asked(size: int) -> None:
    dense, _ = _plate(9, 0.1)
    texture = bake(dense, *_upright_square(dense, z=0.05), size).texture
    assert texture.shape == (size, size, 3)
    assert texture.dtype == np.uint8
    assert (texture == RED).all()


def test_faces_without_area_do_no_harm() -> None:
    dense = _ball(3)
    simple = _chart_for_each_face(_ball(1), dense)
    count = len(simple.positions)
    more = Simple(
        np.concatenate([simple.positions, simple.positions[:6], np.repeat(simple.positions[6:7], 3, axis=0)]),
        np.concatenate([simple.faces, count + np.arange(9, dtype=np.int32).reshape(-1, 3)]),
        # One face is a point of the texture, the next a line; the third has an area there, but none in space.
        np.concatenate([simple.uvs, np.repeat(simple.uvs[:1], 3, axis=0), simple.uvs[[3, 4, 4]], simple.uvs[6:9]]),
        np.concatenate([simple.starts, simple.starts[:6], np.repeat(simple.starts[6:7], 3)]),
    )
    assert np.array_equal(bake(dense, *more, 128).texture, bake(dense, *simple, 128).texture)


def test_faces_of_either_orientation_on_the_texture_are_baked() -> None:
    dense = _sheet(9, lambda xyz: np.column_stack((200 * xyz[:, 0], 200 * xyz[:, 1], 0 * xyz[:, 0])))
    simple = _upright_square(dense)
    mirrored = simple._replace(uvs=(simple.uvs * (-1, 1) + (1, 0)).astype(np.float32))
    there, back = bake(dense, *simple, SIZE).texture, bake(dense, *mirrored, SIZE).texture
    assert np.abs(there.astype(int) - back[:, ::-1]).max() <= 1


def test_units_do_not_matter() -> None:
    dense = _ball(2)
    simple = _chart_for_each_face(_ball(1), dense)
    textures = [
        bake(
            DenseMesh(dense.positions * np.float32(scale), dense.faces, dense.colours),
            *simple._replace(positions=simple.positions * np.float32(scale)),
            SIZE,
        ).texture
        for scale in (2.0**-60, 1.0, 2.0**60)
    ]
    assert np.array_equal(textures[0], textures[1])
    assert np.array_equal(textures[2], textures[1])


def test_the_same_gives_the_same() -> None:
    dense = _ball(3)
    simple = _chart_for_each_face(_ball(1), dense)
    one, other = (bake(dense, *simple, 128, with_normals=True) for _ in range(2))
    assert one.texture.tobytes() == other.texture.tobytes()
    assert one.normals is not None
    assert other.normals is not None
    assert one.normals.tobytes() == other.normals.tobytes()


def test_normals_come_along_where_they_are_asked_for() -> None:
    dense = _ball(4)
    simple = _chart_for_each_face(_ball(1), dense)
    assert bake(dense, *simple, 128).normals is None
    baked = bake(dense, *simple, 128, with_normals=True)
    assert baked.normals is not None
    expected = _on_ball(simple, baked.texels)
    assert np.allclose(np.linalg.norm(baked.normals, axis=1), 1, atol=1e-5)
    assert np.degrees(np.arccos(np.einsum("ni,ni->n", baked.normals, expected).clip(-1, 1))).max() < 2


def _sheet(rows: int, colour: Callable[[Points], Points]) -> DenseMesh:
    """The unit square at z = 0, seen from +z."""
    x, y = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, rows))
    positions = np.column_stack((x.ravel(), y.ravel(), np.zeros(rows * rows)))
    corner = np.arange(rows * rows).reshape(rows, rows)
    lower = np.stack((corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:]), -1).reshape(-1, 3)
    upper = np.stack((corner[:-1, :-1], corner[1:, 1:], corner[1:, :-1]), -1).reshape(-1, 3)
    faces = np.concatenate((lower, upper)).astype(np.int32)
    return DenseMesh(positions.astype(np.float32), faces, np.round(colour(positions)).astype(np.uint8))


def _plate(rows: int, thickness: float) -> tuple[DenseMesh, NDArray[np.bool_]]:
    """The unit square with a red side at the top, +z, and a blue one below, joined by a rim; and which are the red."""
    sheet = _sheet(rows, lambda xyz: np.full((len(xyz), 3), RED))
    count = len(sheet.positions)
    grid = np.arange(count).reshape(rows, rows)
    border = np.concatenate((grid[0, :-1], grid[:-1, -1], grid[-1, :0:-1], grid[:0:-1, 0]))
    following = np.roll(border, -1)
    rim = np.concatenate(
        (
            np.column_stack((border + count, following + count, following)),
            np.column_stack((border + count, following, border)),
        )
    )
    half = np.array((0, 0, thickness / 2), dtype=np.float32)
    plate = DenseMesh(
        np.concatenate((sheet.positions + half, sheet.positions - half)),
        np.concatenate((sheet.faces, sheet.faces[:, ::-1] + count, rim)).astype(np.int32),
        np.concatenate((sheet.colours, np.full_like(sheet.colours, BLUE))),
    )
    return plate, np.arange(2 * count) < count


def _ball(splits: int) -> DenseMesh:
    """The unit sphere: an octahedron whose faces were split into four that many times."""
    positions = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], dtype=np.float64)
    faces = np.array([(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)])
    for _ in range(splits):
        edges, edge_of = np.unique(
            np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)), axis=0, return_inverse=True
        )
        middles = len(positions) + edge_of.reshape(-1, 3)
        positions = np.concatenate((positions, positions[edges].sum(axis=1)))
        positions /= np.linalg.norm(positions, axis=1, keepdims=True)
        (a, b, c), (ab, bc, ca) = faces.T, middles.T
        faces = np.concatenate(
            [np.column_stack(each) for each in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
        )
    return DenseMesh(positions.astype(np.float32), faces.astype(np.int32), _gradient(positions).astype(np.uint8))


def _gradient(points: Points) -> Points:
    return np.asarray(np.round(127 + 120 * points))


def _upright_square(dense: DenseMesh, z: float = 0.0) -> Simple:
    """Two faces, seen from +z, whose texture lies on them as it is: x is u, y is up."""
    flat = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=np.float32)
    positions = np.column_stack((flat, np.full(4, z))).astype(np.float32)
    faces = np.array([(0, 1, 2), (0, 2, 3)], dtype=np.int32)
    return Simple(positions, faces, (flat * (1, -1) + (0, 1)).astype(np.float32), _nearest(positions, dense.positions))


def _chart_for_each_face(coarse: DenseMesh, dense: DenseMesh) -> Simple:
    """Every face has three vertices and a square of the texture of its own, of which it fills half."""
    count = len(coarse.faces)
    side = int(np.ceil(np.sqrt(count)))
    square = np.stack(np.divmod(np.arange(count), side), -1)[:, None]
    uvs = (square + np.array([(0.1, 0.1), (0.1, 0.8), (0.8, 0.1)])) / side
    positions = coarse.positions[coarse.faces].reshape(-1, 3)
    return Simple(
        positions,
        np.arange(3 * count, dtype=np.int32).reshape(-1, 3),
        uvs.reshape(-1, 2).astype(np.float32),
        _nearest(positions, dense.positions),
    )


def _distance_to_rim(simple: Simple, texels: Texels) -> Points:
    """(N,) of texels on the unit square, along x or y."""
    points = _places(simple, texels)[:, :2]
    return np.asarray(np.minimum(points, 1 - points).min(axis=1))


def _nearest(points: Points, vertices: Points) -> NDArray[np.int32]:
    distances = np.linalg.norm(points[:, None] - vertices[None], axis=2)
    return np.asarray(np.argmin(distances, axis=1), dtype=np.int32)


def _places(simple: Simple, texels: Texels) -> Points:
    return np.asarray(np.einsum("ni,nij->nj", texels.weights, simple.positions[simple.faces[texels.face]]))


def _on_ball(simple: Simple, texels: Texels) -> Points:
    """Texels' places, put out to the unit sphere."""
    points = _places(simple, texels)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))
