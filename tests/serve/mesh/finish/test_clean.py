from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import ArrayLike, NDArray
from trimesh import creation

from benchmarks.dense_meshes import MESHES, dense_mesh
from serve.contract import Cleaned
from serve.errors import Gen3DError
from serve.mesh.finish.clean import CleanSettings, clean
from serve.mesh.measure import component_count, is_closed
from serve.mesh.meshes import DenseMesh
from tests.serve.mesh.finish.dense import (
    assert_as_promised,
    assert_same,
    ball,
    borders,
    corner_on_an_edge,
    cubes,
    dense,
    grid,
    inside_out,
    joined,
    nothing_has_area,
    scaled,
    shared,
    shell_with_mouth,
    volume,
    with_fin,
)

EVERYTHING = CleanSettings(floater_area=0, floater_volume=0)  # is large enough to stay
NOTHING_DONE = dict.fromkeys(Cleaned.model_fields.keys() - {"faces"}, 0)


# What is promised


@settings(max_examples=150, deadline=None)
@given(
    points=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 10), st.just(3)), elements=st.sampled_from([-1, -0.0, 0, 1, 1 + 2**-23, 3])
    ),
    unit=st.sampled_from([1e-38, 1e-12, 1, 1e12, 1e30]),
    corners=arrays.arrays(np.int32, st.tuples(st.integers(0, 20), st.just(3)), elements=st.integers(0, 9)),
    broken=st.sampled_from([None, np.nan, np.inf, -np.inf]),
    limits=st.builds(CleanSettings, st.sampled_from([0, 1e-3, 0.3]), st.just(1e-3), st.sampled_from([0, 0.05, 9])),
)
def test_any_triangles_give_what_is_promised_or_an_error(
    points: NDArray[np.float32],
    unit: float,
    corners: NDArray[np.int32],
    broken: float | None,
    limits: CleanSettings,
) -> None:
    positions = points * np.float32(unit)
    if broken is not None:
        positions[0, 1] = broken
    mesh = dense(positions, corners % len(points))
    try:
        cleaned, report = clean(mesh, limits)
    except Gen3DError:
        assert nothing_has_area(mesh)
        return
    assert_as_promised(cleaned)
    again, same_report = clean(mesh, limits)
    assert_same(cleaned, again)
    assert report == same_report


@settings(max_examples=50, deadline=None)
@given(solid=arrays.arrays(np.bool_, (3, 3, 3)).filter(np.any), order=st.randoms(use_true_random=False))
def test_bodies_that_touch_at_edges_and_corners_stay_closed_and_keep_their_volume(
    solid: NDArray[np.bool_], order: Random
) -> None:
    positions, faces = cubes(solid)
    order.shuffle(faces)
    cleaned, report = clean(dense(positions, faces), EVERYTHING)
    assert_as_promised(cleaned)
    assert is_closed(cleaned.faces.astype(np.int64))
    filled = report.hidden_faces // 12  # an empty cube in the middle
    assert volume(cleaned) == pytest.approx(np.count_nonzero(solid) + filled)


@pytest.mark.parametrize("name", MESHES)
def test_marching_cubes_meshes_lose_floaters_and_triangles_without_area_alone(name: str) -> None:
    mesh = dense_mesh(name, side=64)
    assert is_closed(shared(mesh))
    cleaned, report = clean(mesh)
    assert_as_promised(cleaned)
    assert is_closed(cleaned.faces.astype(np.int64))
    done = {what for what, count in report.model_dump(exclude={"faces"}).items() if count}
    assert done <= {"vertices_welded", "faces_degenerate", "floaters", "floater_faces"}
    assert len(mesh.faces) - len(cleaned.faces) == pytest.approx(report.faces_degenerate + report.floater_faces, abs=9)
    rows = {(*place, *colour) for place, colour in zip(mesh.positions.tolist(), mesh.colours.tolist(), strict=True)}
    assert all(
        (*place, *colour) in rows
        for place, colour in zip(cleaned.positions.tolist(), cleaned.colours.tolist(), strict=True)
    )


def test_a_faultless_mesh_comes_back_as_it_was() -> None:
    mesh = ball()
    cleaned, report = clean(mesh)
    assert_same(cleaned, mesh)
    assert report.model_dump(exclude={"faces"}) == NOTHING_DONE


def test_the_given_arrays_are_not_written_to() -> None:
    mesh = joined(ball(), inside_out(ball(at=(3, 0, 0))), corner_on_an_edge(at=9))
    before = replace(mesh, positions=mesh.positions.copy(), faces=mesh.faces.copy(), colours=mesh.colours.copy())
    _, report = clean(mesh)
    assert report.faces_turned
    assert report.faces_degenerate
    assert_same(mesh, before)


def test_arrays_in_any_order_and_read_only_are_read_alike() -> None:
    mesh = ball()
    positions, faces, colours = mesh.positions, mesh.faces, mesh.colours
    other = DenseMesh(np.asfortranarray(positions), np.asfortranarray(faces), np.asfortranarray(colours))
    other.faces.flags.writeable = False
    assert_same(clean(other)[0], mesh)


# What is no surface


@pytest.mark.parametrize(
    ("positions", "faces"),
    [
        ([], []),
        ([[0, 0, 0], [1, 0, 0], [0, 1, 0]], []),
        ([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 1, 2]]),
        ([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 1]]),
        ([[0, 0, 0], [1, 0, 0], [0, np.nan, 0]], [[0, 1, 2]]),
    ],
    ids=["no vertices", "no faces", "no area", "no third corner", "no number"],
)
def test_where_nothing_is_left_it_says_so(positions: ArrayLike, faces: ArrayLike) -> None:
    with pytest.raises(Gen3DError) as caught:
        clean(dense(positions, faces))
    assert caught.value.code == "reconstruction_failed"


def test_one_triangle_is_a_sheet() -> None:
    cleaned, report = clean(dense([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]))
    assert cleaned.faces.tolist() == [[0, 1, 2]]
    assert report.model_dump(exclude={"faces"}) == NOTHING_DONE


# Vertices and faces


def test_a_soup_of_triangles_becomes_a_closed_body() -> None:
    box = creation.box()
    soup = dense(box.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3))
    cleaned, report = clean(soup)
    assert (len(cleaned.positions), len(cleaned.faces)) == (8, 12)
    assert is_closed(cleaned.faces.astype(np.int64))
    assert report.vertices_welded == 28


def test_the_first_of_the_vertices_at_a_place_gives_the_colour() -> None:
    mesh = ball()
    twice = joined(mesh, replace(mesh, colours=255 - mesh.colours))
    assert_same(clean(twice)[0], mesh)


def test_vertices_that_are_no_numbers_go_with_their_faces() -> None:
    mesh = ball()
    mesh.positions[5, 1] = np.nan
    mesh.positions[100, 2] = np.inf
    cleaned, report = clean(mesh, CleanSettings(hole_perimeter=0))
    assert report.vertices_not_finite == 2
    assert report.faces_not_finite == np.isin(mesh.faces, (5, 100)).any(axis=1).sum()
    assert len(mesh.faces) - len(cleaned.faces) == report.faces_not_finite


def test_copies_of_faces_go_in_either_turn() -> None:
    mesh = ball()
    more = np.concatenate((mesh.faces, np.roll(mesh.faces[:4], 1, axis=1), mesh.faces[7:9, ::-1]))
    cleaned, report = clean(replace(mesh, faces=more))
    assert_same(cleaned, mesh)
    assert report.faces_duplicate == 6


def test_a_sheet_with_a_back_keeps_its_front() -> None:
    sheet = grid(5, 5)
    cleaned, report = clean(replace(sheet, faces=np.concatenate((sheet.faces, sheet.faces[:, ::-1]))))
    assert_same(cleaned, sheet)
    assert report.faces_duplicate == len(sheet.faces)


def test_a_membrane_such_as_welding_leaves_goes_with_both_its_sides() -> None:
    mesh = ball()
    cleaned, report = clean(with_fin(mesh, 0.01))
    assert_same(cleaned, mesh)
    assert report.faces_duplicate == 2


def test_a_large_sheet_that_hangs_on_a_body_keeps_one_side() -> None:
    cleaned, report = clean(with_fin(ball(), 2), EVERYTHING)
    assert_as_promised(cleaned)
    assert report.faces_duplicate == 1
    assert borders(cleaned) == 3


def test_a_corner_on_its_neighbours_edge_leaves_no_gap() -> None:
    mesh = corner_on_an_edge()
    cleaned, report = clean(mesh)
    assert report.faces_degenerate == 1
    assert_as_promised(cleaned)
    assert is_closed(cleaned.faces.astype(np.int64))
    assert volume(cleaned) == pytest.approx(volume(mesh))


def test_ends_of_an_edge_as_short_as_rounding_become_one() -> None:
    mesh = ball()
    a, b, c = mesh.faces[0]
    near = mesh.positions[[a]].copy()
    near[0, 0] = np.nextafter(near[0, 0], np.float32(2))
    # The edge from a to b opens into two slivers, of a, its neighbour and b or c.
    count = len(mesh.positions)
    faces = np.concatenate((mesh.faces[1:], [[count, b, c], [a, b, count], [a, count, c]])).astype(np.int32)
    split = dense(np.concatenate((mesh.positions, near)), faces)
    cleaned, report = clean(split)
    assert (report.vertices_welded, report.faces_degenerate) == (1, 2)
    assert is_closed(cleaned.faces.astype(np.int64))
    assert len(cleaned.faces) == len(mesh.faces)


# How faces meet


def test_sheets_that_share_an_edge_with_a_third_come_apart() -> None:
    positions = [[0, 0, 0], [0, 0, 1], [1, 0, 0], [-1, 1, 0], [-1, -1, 0]]
    cleaned, report = clean(dense(positions, [[0, 1, 2], [1, 0, 3], [0, 1, 4]]), EVERYTHING)
    assert_as_promised(cleaned)
    assert (report.edges_cut, len(cleaned.faces)) == (1, 3)
    assert component_count(cleaned.faces.astype(np.int64)) == 2


def test_two_sheets_that_share_an_edge_stay_together() -> None:
    positions = [[0, 0, 0], [0, 0, 1], [1, 0, 0], [-1, 1, 0]]
    cleaned, report = clean(dense(positions, [[0, 1, 2], [1, 0, 3]]), EVERYTHING)
    assert cleaned.faces.tolist() == [[0, 1, 2], [1, 0, 3]]
    assert report.model_dump(exclude={"faces"}) == NOTHING_DONE


def test_a_vertex_where_two_sheets_touch_becomes_two() -> None:
    bow_tie = dense([[0, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, -1, 0]], [[0, 1, 2], [0, 3, 4]])
    cleaned, report = clean(bow_tie, EVERYTHING)
    assert_as_promised(cleaned)
    assert report.vertices_parted == 1
    assert component_count(cleaned.faces.astype(np.int64)) == 2


def test_a_body_that_meets_itself_along_an_edge_gets_two_edges_there() -> None:
    # Two floors with two pillars between them, which touch: all four walls hang together at both ends of the edge.
    solid = np.ones((2, 2, 3), dtype=np.bool_)
    solid[0, 1, 1] = solid[1, 0, 1] = False
    positions, faces = cubes(solid)
    cleaned, report = clean(dense(positions, faces))
    assert_as_promised(cleaned)
    assert is_closed(cleaned.faces.astype(np.int64))
    assert (report.edges_cut, report.vertices_parted, len(cleaned.faces)) == (1, 1, len(faces) + 2)
    assert volume(cleaned) == pytest.approx(10)


def test_a_strip_with_one_side_is_cut_once() -> None:
    turns, count = np.linspace(0, 2 * np.pi, 40, endpoint=False), 40
    along = np.stack((np.cos(turns), np.sin(turns), np.zeros(count)), -1)
    across = along * np.cos(turns / 2)[:, None] + [0, 0, 1] * np.sin(turns / 2)[:, None]
    positions = np.concatenate((along + 0.3 * across, along - 0.3 * across))
    i = np.arange(count - 1)
    faces = np.concatenate((np.stack((i, i + count, i + 1), -1), np.stack((i + 1, i + count, i + count + 1), -1)))
    faces = np.concatenate((faces, [[count - 1, 2 * count - 1, count], [count, 2 * count - 1, 0]]))
    cleaned, report = clean(dense(positions, faces), EVERYTHING)
    assert_as_promised(cleaned)
    assert report.edges_cut == 1
    assert (len(cleaned.faces), component_count(cleaned.faces.astype(np.int64))) == (2 * count, 1)


@settings(max_examples=40, deadline=None)
@given(turned=arrays.arrays(np.bool_, 320))
def test_faces_that_were_turned_round_are_turned_back(turned: NDArray[np.bool_]) -> None:
    mesh = ball(subdivisions=2)
    mixed = np.where(turned[:, None], mesh.faces[:, ::-1], mesh.faces)
    cleaned, _ = clean(replace(mesh, faces=mixed))
    assert is_closed(cleaned.faces.astype(np.int64))
    assert volume(cleaned) == pytest.approx(volume(mesh))


def test_bodies_look_outward() -> None:
    mesh = joined(ball(), inside_out(ball(at=(3, 0, 0))))
    cleaned, report = clean(mesh)
    assert volume(cleaned) == pytest.approx(2 * volume(ball()))
    assert report.faces_turned == len(ball().faces)


# What nobody sees


def test_floaters_go_whether_bodies_or_sheets() -> None:
    crumb, scrap = ball(radius=0.01, at=(2, 0, 0)), scaled(grid(4, 4), 0.01)
    cleaned, report = clean(joined(ball(), crumb, scrap))
    assert_same(cleaned, ball())
    assert (report.floaters, report.floater_faces) == (2, len(crumb.faces) + len(scrap.faces))


def test_a_body_that_is_large_in_area_or_in_volume_is_no_floater() -> None:
    body, crumb = ball(), ball(radius=0.05, at=(2, 0, 0))
    cleaned, report = clean(joined(body, crumb))
    assert (report.floaters, len(cleaned.faces)) == (0, 2 * len(body.faces))
    small_in_area_alone = CleanSettings(floater_area=0.01, floater_volume=1e-5)
    assert clean(joined(body, crumb), small_in_area_alone)[1].floaters == 0
    assert clean(joined(body, crumb), CleanSettings(floater_area=0.01))[1].floaters == 1


def test_the_largest_piece_always_stays() -> None:
    crumbs = joined(*(ball(subdivisions=1, radius=1 + number / 100, at=(3 * number, 0, 0)) for number in range(9)))
    cleaned, report = clean(crumbs, CleanSettings(floater_area=1, floater_volume=1))
    assert report.floaters == 8
    assert cleaned.positions[:, 0].mean() == pytest.approx(24)


def test_a_ball_in_a_ball_goes_and_so_does_a_cavity() -> None:
    for inner in (ball(radius=0.5), inside_out(ball(radius=0.9))):
        cleaned, report = clean(joined(ball(), inner))
        assert_same(cleaned, ball())
        assert report.hidden_faces == len(inner.faces)


def test_a_ball_in_a_bowl_stays() -> None:
    bowl = ball()
    bowl = replace(bowl, faces=bowl.faces[bowl.positions[bowl.faces][:, :, 1].max(axis=1) < 0.5])
    cleaned, report = clean(joined(bowl, ball(radius=0.5)))
    assert report.hidden_faces == 0
    assert len(cleaned.faces) == len(bowl.faces) + len(ball().faces)


def test_the_inside_of_a_body_goes_although_a_tear_joins_it_with_the_outside() -> None:
    shell = shell_with_mouth(0.006)
    assert is_closed(shared(shell))
    cleaned, report = clean(shell)
    assert_as_promised(cleaned)
    assert is_closed(cleaned.faces.astype(np.int64))
    assert report.hidden_faces > 0.4 * len(shell.faces)
    assert volume(cleaned) == pytest.approx(4 / 3 * np.pi, rel=0.01)


def test_the_inside_that_shows_through_a_mouth_stays() -> None:
    shell = shell_with_mouth(0.3)
    cleaned, report = clean(shell)
    assert report.hidden_faces == 0
    assert len(cleaned.faces) == len(shell.faces)


# Holes


def test_small_holes_are_closed() -> None:
    mesh = ball(subdivisions=4)
    around = [np.flatnonzero((mesh.faces == vertex).any(axis=1)) for vertex in (3, 700, 2000)]
    torn = replace(mesh, faces=np.delete(mesh.faces, np.concatenate((*around, [1000])), axis=0))
    cleaned, report = clean(torn, CleanSettings(hole_perimeter=0.2))
    assert_as_promised(cleaned)
    assert report.holes_closed == 4
    assert is_closed(cleaned.faces.astype(np.int64))
    assert volume(cleaned) == pytest.approx(volume(mesh), rel=1e-3)


def test_what_closes_a_hole_has_the_mean_colour_of_its_border() -> None:
    mesh = ball(subdivisions=4)
    near = np.flatnonzero((mesh.faces == 700).any(axis=1))
    ring = np.setdiff1d(mesh.faces[near], [700])
    cleaned, _ = clean(replace(mesh, faces=np.delete(mesh.faces, near, axis=0)), CleanSettings(hole_perimeter=0.2))
    assert cleaned.colours[-1] == pytest.approx(mesh.colours[ring].mean(axis=0), abs=0.51)


def test_large_holes_stay_open() -> None:
    mesh = ball()
    bowl = replace(mesh, faces=mesh.faces[mesh.positions[mesh.faces][:, :, 1].max(axis=1) < 0.5])
    cleaned, report = clean(bowl)
    assert report.holes_closed == 0
    assert borders(cleaned) == borders(bowl) > 0


def test_a_sheet_gets_no_back_however_long_a_border_may_be() -> None:
    cleaned, report = clean(grid(6, 4), CleanSettings(hole_perimeter=100))
    assert report.holes_closed == 0
    assert_same(cleaned, grid(6, 4))
