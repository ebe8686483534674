from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.dense_meshes import dense_mesh
from serve.mesh.finish.unwrap import Unwrapped, unwrap
from serve.mesh.finish.unwrapping.pack import MIP_LEVELS
from tests.serve.mesh.finish.atlas import charts_touching, doubled_areas, least_gap, overlapping, texels_covered

Points = NDArray[np.float32]
Faces = NDArray[np.int32]
Place = NDArray[np.float64]
Mesh = tuple[Points, Faces]

SIZE: Final = 1024
ROUNDING: Final = 2.0**-22  # of UVs, which are float32


@pytest.fixture(scope="module", params=["thin", "blob"])
def rough(request: pytest.FixtureRequest) -> tuple[Mesh, Unwrapped]:
    mesh = dense_mesh(request.param, 40)
    return (mesh.positions, mesh.faces), unwrap(mesh.positions, mesh.faces, SIZE)


def grid(
    rows: int, columns: int, at: Callable[[NDArray[np.float64], NDArray[np.float64]], list[NDArray[np.float64]]]
) -> Mesh:
    """A sheet of two triangles a cell; `at` gives the x, y and z of a place in [0, 1]²."""
    row, column = np.mgrid[: rows + 1, : columns + 1]
    positions = np.stack(np.broadcast_arrays(*at(row / rows, column / columns)), axis=-1).reshape(-1, 3)
    corner = (row * (columns + 1) + column)[:-1, :-1].ravel()
    below = corner + columns + 1
    faces = np.concatenate([np.stack([corner, below, below + 1], 1), np.stack([corner, below + 1, corner + 1], 1)])
    return positions.astype(np.float32), faces.astype(np.int32)


def ball(rings: int) -> Mesh:
    """A closed sphere, with needles at its poles."""
    around = 2 * rings
    polar = np.pi * np.arange(1, rings)[:, None] / rings
    turn = np.pi * np.arange(around) / rings
    rim = np.stack(
        np.broadcast_arrays(np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)), axis=-1
    ).reshape(-1, 3)
    faces = []
    for k in range(around):
        after, last = (k + 1) % around, (rings - 2) * around
        faces += [(len(rim), k, after), (len(rim) + 1, last + after, last + k)]
        for ring in range(rings - 2):
            a, b = ring * around + k, ring * around + after
            faces += [(a, a + around, b + around), (a, b + around, b)]
    return np.concatenate([rim, [(0, 0, 1), (0, 0, -1)]]).astype(np.float32), np.array(faces, np.int32)


def joined(meshes: list[Mesh]) -> Mesh:
    starts = np.cumsum([0, *(len(positions) for positions, _ in meshes)])
    faces = [faces + start for (_, faces), start in zip(meshes, starts, strict=False)]
    return np.concatenate([positions for positions, _ in meshes]), np.concatenate(faces).astype(np.int32)


TETRAHEDRON: Final = (
    np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.float32),
    np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)], np.int32),
)
CUBE_SIDES: Final = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
CUBE: Final = (
    np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32),
    np.array([half for a, b, c, d in CUBE_SIDES for half in ((a, b, c), (a, c, d))], np.int32),
)


def areas(mesh: Mesh) -> NDArray[np.float64]:
    corners = mesh[0].astype(np.float64)[mesh[1]]
    return np.asarray(
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    )


def assert_only_seams_are_split(mesh: Mesh, made: Unwrapped) -> None:
    """The faces are the given ones, and within a chart a vertex is one vertex."""
    assert np.array_equal(made.source[made.faces], mesh[1])
    ends = np.stack([np.repeat(made.chart, 3), mesh[1].ravel()])
    assert len(made.source) == len(np.unique(ends, axis=1).T)
    assert np.array_equal(np.unique(made.faces), np.arange(len(made.source)))


def assert_turned_as_seen_from_outside(mesh: Mesh, made: Unwrapped) -> None:
    """A face is counter-clockwise in the picture, where v runs down; but one that is too narrow for float32."""
    doubled = doubled_areas(made.uvs.astype(np.float64), made.faces)
    sides = made.uvs.astype(np.float64)[made.faces]
    longest = np.linalg.norm(sides - np.roll(sides, 1, axis=1), axis=2).max(axis=1)
    assert (doubled <= ROUNDING * longest).all()
    solid = mesh[0].astype(np.float64)[mesh[1]]
    slim = areas(mesh) < 1e-3 * np.square(solid - np.roll(solid, 1, axis=1)).sum(axis=2).max(axis=1)
    assert (doubled[~slim & (areas(mesh) > 1e-3 * areas(mesh).max())] < 0).all()


def assert_charts_are_connected(made: Unwrapped) -> None:
    """By edges: as many pieces, joined by edges, as charts."""
    edges = np.sort(made.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64), axis=1)
    _, edge = np.unique(edges @ (len(made.source), 1), return_inverse=True)
    face, count = np.repeat(np.arange(len(made.faces)), 3), len(made.faces)
    links = coo_array((np.ones(len(face)), (face, count + edge)), shape=(count + edge.max() + 1,) * 2)
    pieces, _ = connected_components(links, directed=False)
    assert pieces == made.chart.max() + 1 == len(np.unique(made.chart))


def assert_gutters(made: Unwrapped, size: int) -> None:
    """Two free texels between charts, and one to the border, at every level that is promised."""
    for level in range(made.mip_levels):
        side = size >> level
        owner = charts_touching(made.uvs.astype(np.float64) * side, made.faces, made.chart, side)
        assert least_gap(owner, 2) == 2
        assert (owner[[0, -1]] == -1).all()
        assert (owner[:, [0, -1]] == -1).all()


def test_no_two_faces_of_a_rough_mesh_lie_on_one_texel(rough: tuple[Mesh, Unwrapped]) -> None:
    made = rough[1]
    texels, _ = texels_covered(made.uvs.astype(np.float64) * SIZE, made.faces, SIZE)
    assert len(np.unique(texels)) == len(texels)


def test_more_than_half_of_the_texture_is_used_beside_the_gutters(rough: tuple[Mesh, Unwrapped]) -> None:
    made = unwrap(*rough[0], 2048)
    used = -doubled_areas(made.uvs.astype(np.float64), made.faces).sum() / 2
    assert made.mip_levels == MIP_LEVELS
    assert used > 0.5


def test_a_rough_mesh_has_gutters_at_every_promised_level(rough: tuple[Mesh, Unwrapped]) -> None:
    assert rough[1].mip_levels >= MIP_LEVELS
    assert_gutters(rough[1], SIZE)


def test_a_rough_mesh_keeps_its_faces_and_their_turn(rough: tuple[Mesh, Unwrapped]) -> None:
    mesh, made = rough
    assert_only_seams_are_split(mesh, made)
    assert_turned_as_seen_from_outside(mesh, made)
    assert_charts_are_connected(made)
    assert made.uvs.dtype == np.float32
    assert made.source.dtype == made.faces.dtype == made.chart.dtype == np.int32


def test_texels_are_shared_out_by_area(rough: tuple[Mesh, Unwrapped]) -> None:
    mesh, made = rough
    share = -doubled_areas(made.uvs.astype(np.float64), made.faces) / areas(mesh)
    share /= np.sum(share * areas(mesh)) / np.sum(areas(mesh))
    large = areas(mesh) > 0.1 * areas(mesh).mean()
    # The slant of a face against its chart's plane takes some of it, and gives it to the others.
    assert np.quantile(share[large], 0.01) > 0.4
    assert np.quantile(share[large], 0.99) < 1.4


def test_the_same_mesh_gives_the_same_bytes(rough: tuple[Mesh, Unwrapped]) -> None:
    mesh, made = rough
    again = unwrap(*mesh, SIZE)
    assert again.uvs.tobytes() == made.uvs.tobytes()
    assert again.faces.tobytes() == made.faces.tobytes()
    assert again.source.tobytes() == made.source.tobytes()
    assert again.chart.tobytes() == made.chart.tobytes()


def test_a_flat_sheet_is_one_chart_and_keeps_its_angles() -> None:
    mesh = grid(5, 9, lambda y, x: [9 * x, 5 * y, 2 * y])
    made = unwrap(*mesh, 256)
    assert (made.chart == 0).all()
    assert np.array_equal(np.sort(made.source), np.arange(len(mesh[0])))
    solid = np.linalg.norm(np.diff(mesh[0].astype(np.float64)[mesh[1]], axis=1), axis=2)
    flat = np.linalg.norm(np.diff(made.uvs.astype(np.float64)[made.faces], axis=1), axis=2)
    assert flat / solid == pytest.approx(np.full_like(solid, (flat / solid)[0, 0]), rel=1e-5)
    assert np.ptp(made.uvs, axis=0).max() > 0.9


def test_a_cubes_sides_are_not_seen_at_a_slant() -> None:
    made = unwrap(*CUBE, 256)
    assert made.chart.max() + 1 == 6
    sizes = -doubled_areas(made.uvs.astype(np.float64), made.faces)
    assert sizes == pytest.approx(np.full(12, sizes[0]), rel=1e-4)


def test_a_ramp_that_winds_over_itself_is_cut() -> None:
    """Seen from above, every face shows its front, and each turn hides the one below."""
    turns = 3
    ramp = grid(
        96, 2, lambda y, x: [(1 + x) * np.cos(2 * np.pi * turns * y), -(1 + x) * np.sin(2 * np.pi * turns * y), 0.3 * y]
    )
    made = unwrap(*ramp, 512)
    assert made.chart.max() + 1 >= turns
    assert overlapping(made.uvs.astype(np.float64), made.faces, ROUNDING) == []


def test_a_ring_keeps_its_hole() -> None:
    ring = grid(24, 2, lambda y, x: [(1 + x) * np.cos(6.283 * y), -(1 + x) * np.sin(6.283 * y), 0 * y])
    made = unwrap(*ring, 512)
    assert made.chart.max() == 0
    assert overlapping(made.uvs.astype(np.float64), made.faces, ROUNDING) == []


def test_a_triangle_fills_its_texture() -> None:
    corners = np.array([(0, 0, 0), (0, 3, 0), (0, 0, 3)], np.float32)
    made = unwrap(corners, np.array([(0, 1, 2)], np.int32), 64)
    assert sorted(made.source.tolist()) == [0, 1, 2]
    assert -doubled_areas(made.uvs.astype(np.float64), made.faces)[0] > 0.7


def test_a_speck_gets_a_texel_though_its_scale_would_give_it_none() -> None:
    speck = (np.float32(1e-9) * TETRAHEDRON[0], TETRAHEDRON[1])
    made = unwrap(*joined([CUBE, speck]), 256)
    of_speck = made.uvs[made.faces[len(CUBE[1]) :]].astype(np.float64)
    assert (np.ptp(of_speck, axis=1).max(axis=1) * 256 > 0.5).all()
    assert_gutters(made, 256)


def test_a_hair_does_not_take_the_texture_from_the_rest() -> None:
    hair = (np.array([(0, 0, 0), (0, 0, 500), (0.01, 0, 250)], np.float32), np.array([(0, 1, 2)], np.int32))
    made = unwrap(*joined([CUBE, hair]), 256)
    sizes = -doubled_areas(made.uvs.astype(np.float64), made.faces) / 2
    assert sizes[:12].sum() > 0.3
    assert made.uvs.min() >= 0
    assert made.uvs.max() <= 1


@pytest.mark.parametrize(("size", "count"), [(64, 20), (64, 300), (64, 900), (256, 900), (250, 50), (65, 5)])
def test_many_pieces_cost_gutters_before_texels(size: int, count: int) -> None:
    places = np.random.default_rng(count).uniform(0, 50, (count, 1, 3)).astype(np.float32)
    mesh = joined([(TETRAHEDRON[0] + place, TETRAHEDRON[1]) for place in places])
    made = unwrap(*mesh, size)
    charts = int(made.chart.max()) + 1
    assert (made.mip_levels >= MIP_LEVELS) == (size % 2 == 0 and 144 * charts <= size**2)
    assert made.uvs.min() >= 0
    assert made.uvs.max() <= 1
    assert_turned_as_seen_from_outside(mesh, made)
    assert_gutters(made, size)
    assert (doubled_areas(made.uvs.astype(np.float64), made.faces) < 0).all()
    # Where not even a texel lies between charts they still do not touch.
    texels, _ = texels_covered(made.uvs.astype(np.float64) * 2048, made.faces, 2048)
    assert len(np.unique(texels)) == len(texels) > 0


lengths = st.floats(0.01, 100)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def nasty(draw: st.DrawFn) -> Mesh:
    """A triangle, a tetrahedron or a ball pulled out of shape, a crumpled sheet, a strip of needles, many pieces."""
    kind = draw(st.sampled_from(["triangle", "tetrahedron", "ball", "sheet", "needles", "pieces"]))
    random = np.random.default_rng(draw(seeds))
    if kind == "triangle":
        mesh = random.standard_normal((3, 3)).astype(np.float32), np.array([(0, 1, 2)], np.int32)
    elif kind == "tetrahedron":
        mesh = TETRAHEDRON
    elif kind == "ball":
        mesh = ball(draw(st.integers(2, 7)))
        mesh = (mesh[0] * random.uniform(0.5, 1.5, (len(mesh[0]), 1))).astype(np.float32), mesh[1]
    elif kind == "sheet":
        height = draw(st.floats(0, 1))
        mesh = grid(
            draw(st.integers(1, 8)), draw(st.integers(1, 8)), lambda y, x: [x, y, height * random.random(x.shape)]
        )
    elif kind == "needles":
        width = draw(st.floats(1e-5, 1e-2))
        mesh = grid(40, 1, lambda y, x: [x, width * np.cos(9 * y), width * y * 40])
    else:
        places = random.uniform(0, 50, (draw(st.integers(2, 30)), 1, 3))
        mesh = joined([((TETRAHEDRON[0] + place).astype(np.float32), TETRAHEDRON[1]) for place in places])
    stretch = np.array([draw(lengths), draw(lengths), draw(lengths)])
    return (mesh[0] * stretch).astype(np.float32), mesh[1]


@given(mesh=nasty(), size=st.sampled_from([64, 100, 256]))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_any_manifold_mesh_is_unwrapped(mesh: Mesh, size: int) -> None:
    made = unwrap(*mesh, size)
    assert np.isfinite(made.uvs).all()
    assert made.uvs.min() >= 0
    assert made.uvs.max() <= 1
    assert_only_seams_are_split(mesh, made)
    assert_turned_as_seen_from_outside(mesh, made)
    assert_charts_are_connected(made)
    assert overlapping(made.uvs.astype(np.float64), made.faces, ROUNDING) == []
    assert_gutters(made, size)
