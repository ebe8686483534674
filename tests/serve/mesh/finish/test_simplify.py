from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from serve.mesh.finish.simplify import Simplified, simplify
from serve.mesh.measure import component_count, is_closed

Points = NDArray[np.float32]
Faces = NDArray[np.int32]


@dataclass(frozen=True)
class Shape:
    positions: Points
    faces: Faces

    def to(self, target_faces: int) -> Simplified:
        return simplify(self.positions, self.faces, target_faces)


def shape(positions: NDArray[Any], faces: NDArray[Any]) -> Shape:
    """Without the vertices that no face has."""
    used, index = np.unique(faces, return_inverse=True)
    return Shape(positions[used].astype(np.float32), index.reshape(-1, 3).astype(np.int32))


def torus(rows: int, columns: int, bumps: float = 0.0) -> Shape:
    """Radii 1 and 0.3, closed, with one handle."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    across, around = 2 * np.pi * row / rows, 2 * np.pi * column / columns
    radius = 0.3 + bumps * np.sin(5 * across) * np.sin(7 * around)
    out = 1 + radius * np.cos(across)
    positions = np.stack((out * np.cos(around), radius * np.sin(across), -out * np.sin(around)), -1)
    down, right = (row + 1) % rows, (column + 1) % columns
    a, b = row * columns + column, row * columns + right
    c, d = down * columns + right, down * columns + column
    return shape(positions, np.concatenate([np.stack((a, b, c), -1), np.stack((a, c, d), -1)]))


def grid(rows: int, columns: int, hole: tuple[int, int, int, int] | None = None, bumps: float = 0.0) -> Shape:
    """Flat but for bumps, in [0, 1]² by rows and columns, seen from +z; the cells of `hole` are missing."""
    y, x = np.divmod(np.arange((rows + 1) * (columns + 1)), columns + 1)
    u, v = x / columns, y / rows
    positions = np.stack((u, v, bumps * np.sin(9 * u) * np.sin(8 * v)), -1)
    row, column = np.divmod(np.arange(rows * columns), columns)
    if hole:
        top, bottom, left, right = hole
        there = (row < top) | (row >= bottom) | (column < left) | (column >= right)
        row, column = row[there], column[there]
    a = row * (columns + 1) + column
    b, c, d = a + 1, a + columns + 2, a + columns + 1
    return shape(positions, np.concatenate([np.stack((a, b, c), -1), np.stack((a, c, d), -1)]))


def box(cells: tuple[int, int, int]) -> Shape:
    """Closed, one unit a cell, each side a grid."""
    corners, faces, start = [], [], 0
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for far in (0, 1):
            side = grid(cells[v], cells[u])
            points = np.zeros((len(side.positions), 3))
            points[:, u] = np.round(side.positions[:, 0] * cells[u])
            points[:, v] = np.round(side.positions[:, 1] * cells[v])
            points[:, axis] = far * cells[axis]
            corners.append(points)
            faces.append(start + (side.faces if far else side.faces[:, ::-1]))
            start += len(points)
    points, index = np.unique(np.concatenate(corners), axis=0, return_inverse=True)
    return shape(points, index.reshape(-1)[np.concatenate(faces)])


def together(*shapes: Shape) -> Shape:
    starts = np.cumsum([0] + [len(one.positions) for one in shapes[:-1]])
    return Shape(
        np.concatenate([one.positions for one in shapes]),
        np.concatenate([one.faces + np.int32(start) for one, start in zip(shapes, starts, strict=True)]),
    )


def moved(one: Shape, scale: float, by: tuple[float, float, float]) -> Shape:
    return Shape((one.positions * scale + np.array(by)).astype(np.float32), one.faces)


def border(faces: Faces) -> NDArray[np.int64]:
    """(B, 2) the half-edges without another that runs the other way."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    size = int(faces.max()) + 1
    there, back = edges @ (size, 1), edges @ (1, size)
    assert len(np.unique(there)) == len(there), "an edge is run through twice the same way"
    return edges[~np.isin(back, there)]


def euler(one: Shape | Simplified) -> int:
    edges = (3 * len(one.faces) + len(border(one.faces))) // 2
    return len(np.unique(one.faces)) - edges + len(one.faces)


def has_one_fan_each(faces: Faces) -> bool:
    """Whether each vertex's faces hang together by edges there."""
    # Corners at the two ends of an edge, joined where two faces run through it.
    corner = np.arange(3 * len(faces)).reshape(-1, 3)
    size = int(faces.max()) + 1
    forward = np.concatenate([faces[:, k].astype(np.int64) * size + faces[:, (k + 1) % 3] for k in range(3)])
    backward = np.concatenate([faces[:, (k + 1) % 3].astype(np.int64) * size + faces[:, k] for k in range(3)])
    start = np.concatenate([corner[:, k] for k in range(3)])
    end = np.concatenate([corner[:, (k + 1) % 3] for k in range(3)])
    _, one, other = np.intersect1d(forward, backward, return_indices=True)
    links = np.concatenate([start[one], end[one]]), np.concatenate([end[other], start[other]])
    joined = coo_array((np.ones(len(links[0])), links), shape=(corner.size, corner.size))
    return int(connected_components(joined, directed=False)[0]) == len(np.unique(faces))


def volume(positions: Points, faces: Faces) -> float:
    a, b, c = positions[faces].astype(np.float64).swapaxes(0, 1)
    return float(np.einsum("ni,ni->", a, np.cross(b, c)) / 6)


def normals(positions: Points, faces: Faces) -> NDArray[np.float64]:
    """(F, 3) twice the area long."""
    a, b, c = positions[faces].astype(np.float64).swapaxes(0, 1)
    return np.cross(b - a, c - a)


TETRAHEDRON = Shape(
    np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32),
)


def test_a_closed_body_stays_closed_with_its_handle() -> None:
    dense = torus(120, 240, bumps=0.02)
    few = dense.to(3000)
    assert len(few.faces) == 3000
    assert is_closed(few.faces.astype(np.int64))
    assert euler(few) == euler(dense) == 0
    assert has_one_fan_each(few.faces)


def test_what_is_left_lies_on_the_body() -> None:
    few = torus(150, 300).to(3000)
    x, y, z = few.positions.astype(np.float64).T
    off = np.hypot(np.hypot(x, z) - 1, y) - 0.3
    assert np.abs(off).max() < 0.003
    middle = few.positions[few.faces].astype(np.float64).mean(axis=1)
    outward = middle - middle * [1, 0, 1] / np.hypot(middle[:, 0], middle[:, 2])[:, None]
    assert (np.einsum("ni,ni->n", normals(few.positions, few.faces), outward) > 0).all()
    assert volume(few.positions, few.faces) == pytest.approx(2 * np.pi**2 * 0.09, rel=0.01)


def test_every_piece_stays_and_keeps_a_body() -> None:
    crumbs = [moved(torus(8, 12), 0.02, (i % 4 - 2, 1 + i // 4, 0)) for i in range(12)]
    dense = together(torus(80, 160), *crumbs)
    few = dense.to(600)
    assert component_count(few.faces.astype(np.int64)) == 13
    assert len(few.faces) <= 600
    assert few.positions[:, 1].max() > 2.9


def test_a_closed_body_keeps_eight_faces() -> None:
    few = box((6, 6, 6)).to(1)
    assert len(few.faces) == 8
    assert is_closed(few.faces.astype(np.int64))
    assert (np.bincount(few.faces.ravel()) == 4).all()
    assert volume(few.positions, few.faces) > 0.5 * 6**3


def test_a_boxs_edges_and_corners_stay() -> None:
    few = box((20, 30, 10)).to(12)
    assert len(few.faces) <= 14  # twelve would need corners with three faces
    assert volume(few.positions, few.faces) == pytest.approx(6000, rel=1e-4)


def test_a_thin_plate_keeps_its_thickness_and_its_rim() -> None:
    few = box((80, 3, 80)).to(100)
    assert len(few.faces) <= 100
    assert few.positions.min(axis=0) == pytest.approx([0, 0, 0], abs=1e-3)
    assert few.positions.max(axis=0) == pytest.approx([80, 3, 80], abs=1e-3)
    assert volume(few.positions, few.faces) == pytest.approx(80 * 3 * 80, rel=1e-3)


def test_a_rod_of_two_units_stays_whole() -> None:
    few = box((2, 150, 2)).to(40)
    assert len(few.faces) <= 40
    assert volume(few.positions, few.faces) == pytest.approx(600, rel=1e-3)


def test_the_border_of_an_open_sheet_stays() -> None:
    dense = grid(60, 90, hole=(20, 40, 30, 60), bumps=0.05)
    few = dense.to(300)
    assert len(few.faces) <= 300
    assert euler(few) == euler(dense) == 0
    edges = border(few.faces)
    x, y = few.positions[np.unique(edges)].astype(np.float64).T[:2]
    outer = np.minimum.reduce([np.abs(x), np.abs(1 - x), np.abs(y), np.abs(1 - y)])
    inner = np.hypot(np.maximum(np.abs(x - 0.5) - 1 / 6, 0), np.maximum(np.abs(y - 0.5) - 1 / 6, 0))
    assert np.minimum(outer, inner).max() < 2e-3
    for corner in ((0, 0), (1, 0), (0, 1), (1, 1), (1 / 3, 1 / 3), (2 / 3, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 2 / 3)):
        assert np.hypot(x - corner[0], y - corner[1]).min() < 2e-3
    flat = normals(few.positions, few.faces)[:, 2].sum() / 2
    assert flat == pytest.approx(1 - 1 / 9, rel=2e-3)


def test_a_flat_sheet_goes_down_to_its_corners() -> None:
    few = grid(30, 30).to(2)
    assert len(few.faces) == 2
    assert sorted(map(tuple, few.positions.round(6).tolist())) == [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)]


def test_an_inner_vertex_goes_to_the_border_and_leaves_it_as_it_was() -> None:
    angle = np.arange(6) * np.pi / 3
    rim = np.stack((np.cos(angle), np.sin(angle), np.zeros(6)), -1)
    hat = shape(np.concatenate([rim, [[0, 0, 0.05]]]), np.array([(i, (i + 1) % 6, 6) for i in range(6)]))
    few = hat.to(4)
    assert len(few.faces) == 4
    assert few.positions == pytest.approx(rim, abs=1e-6)


def test_no_face_turns_over_in_the_nooks_of_a_flat_sheet() -> None:
    dense = grid(40, 40, hole=(1, 39, 2, 20))
    random = np.random.default_rng(0)
    inside = (dense.positions[:, :2] * 40).round() % 40 > 0
    jitter = np.where(inside, random.uniform(-0.01, 0.01, inside.shape), 0)
    few = simplify(dense.positions + np.pad(jitter, ((0, 0), (0, 1))).astype(np.float32), dense.faces, 150)
    assert len(few.faces) <= 150
    assert (normals(few.positions, few.faces)[:, 2] > 0).all()


def test_origins_are_near_their_vertices() -> None:
    dense = torus(120, 240, bumps=0.02)
    few = dense.to(3000)
    assert len(few.origin) == len(few.positions)
    assert len(np.unique(few.origin)) == len(few.origin)
    away = np.linalg.norm(few.positions - dense.positions[few.origin], axis=1)
    corners = few.positions[few.faces]
    side = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).mean()
    assert away.max() < side
    assert np.median(away) < 0.25 * side


def test_nothing_changes_where_there_are_few_enough() -> None:
    for target in (len(TETRAHEDRON.faces), 100):
        same = TETRAHEDRON.to(target)
        assert np.array_equal(same.positions, TETRAHEDRON.positions)
        assert np.array_equal(same.faces, TETRAHEDRON.faces)
        assert same.origin.tolist() == [0, 1, 2, 3]


def test_the_least_shapes_stay() -> None:
    triangle = Shape(TETRAHEDRON.positions[:3], np.array([[0, 1, 2]], np.int32))
    for least in (triangle, TETRAHEDRON, together(triangle, TETRAHEDRON)):
        few = least.to(0)
        assert np.array_equal(few.faces, least.faces)
        assert few.positions == pytest.approx(least.positions, abs=1e-6)


def test_the_same_mesh_gives_the_same_bytes_and_stays_as_it_was() -> None:
    dense = together(torus(60, 90, bumps=0.05), moved(grid(40, 40, (10, 20, 10, 20)), 1, (0, 2, 0)))
    before = Shape(dense.positions.copy(), dense.faces.copy())
    first, second = dense.to(1000), dense.to(1000)
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    assert np.array_equal(dense.positions, before.positions)
    assert np.array_equal(dense.faces, before.faces)


def test_the_order_of_the_input_hardly_matters() -> None:
    dense = torus(150, 300)
    random = np.random.default_rng(0)
    rank = random.permutation(len(dense.positions))
    positions = np.empty_like(dense.positions)
    positions[rank] = dense.positions
    few = simplify(positions, random.permutation(rank[dense.faces].astype(np.int32)), 3000)
    x, y, z = few.positions.astype(np.float64).T
    assert np.abs(np.hypot(np.hypot(x, z) - 1, y) - 0.3).max() < 0.003


@st.composite
def manifolds(draw: st.DrawFn) -> Shape:
    """Tori and sheets with noise and with holes, of any size and anywhere."""
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    rows, columns = draw(st.integers(3, 24)), draw(st.integers(3, 24))
    kind = draw(st.sampled_from(["torus", "grid", "holed", "box"]))
    if kind == "torus":
        made = torus(rows, columns, draw(st.floats(0, 0.1)))
    elif kind == "box":
        made = box((rows, columns, draw(st.integers(1, 4))))
    else:
        hole = (1, rows - 1, 1, columns // 2 + 1) if kind == "holed" else None
        made = grid(rows, columns, hole, draw(st.floats(0, 0.3)))
    noise = draw(st.sampled_from([0.0, 0.01, 1.0])) * random.normal(size=made.positions.shape)
    scale, away = 10.0 ** draw(st.integers(-18, 18)), draw(st.sampled_from([0.0, 3.0]))
    return Shape(((made.positions + noise + away) * scale).astype(np.float32), made.faces)


@settings(max_examples=150, deadline=None)
@given(manifolds(), st.floats(0, 1))
def test_a_manifold_stays_the_manifold_that_it_is(dense: Shape, share: float) -> None:
    target = int(share * len(dense.faces))
    few = dense.to(target)
    assert few.positions.dtype == np.float32
    assert few.faces.dtype == few.origin.dtype == np.int32
    assert len(few.faces) <= len(dense.faces)
    assert np.isfinite(few.positions).all()
    assert sorted(np.unique(few.faces)) == list(range(len(few.positions)))
    assert (np.diff(np.sort(few.faces, axis=1), axis=1) > 0).all()
    assert len(np.unique(few.origin)) == len(few.origin) == len(few.positions)
    assert 0 <= few.origin.min() <= few.origin.max() < len(dense.positions)
    assert euler(few) == euler(dense)
    assert (len(border(few.faces)) == 0) == (len(border(dense.faces)) == 0)
    assert component_count(few.faces.astype(np.int64)) == component_count(dense.faces.astype(np.int64))
    assert has_one_fan_each(few.faces)
    low, high = dense.positions.min(axis=0), dense.positions.max(axis=0)
    assert (few.positions >= low - (high - low).max()).all()
    assert (few.positions <= high + (high - low).max()).all()
