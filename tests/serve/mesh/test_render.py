import numpy as np
import pytest

from serve.mesh.meshes import OrthographicCamera, PerspectiveCamera, PlacedMesh, Placement, WebMesh
from serve.mesh.render import TILE, contact_sheet, four_sides, project, silhouette, to_scene

QUARTER_TURN = (0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))  # about z: x becomes y


def place(mesh: WebMesh, translation: tuple[float, float, float], scale: float = 1.0) -> PlacedMesh:
    return PlacedMesh("it", mesh, Placement((0, 0, 0, 1), scale, translation))


def test_to_scene_rotates_scales_and_moves(cube: WebMesh) -> None:
    there = to_scene(PlacedMesh("it", cube, Placement(QUARTER_TURN, 2.0, (10, 20, 30))))
    x, y, z = cube.positions.astype(float).T
    assert there == pytest.approx(np.column_stack([-2 * y + 10, 2 * x + 20, 2 * z + 30]))


def test_the_silhouette_of_a_sphere_is_a_disc_where_the_camera_sees_it(sphere: WebMesh) -> None:
    radius = np.linalg.norm(sphere.positions, axis=1).max()
    camera = OrthographicCamera((0, 0, 10), width=4.0, height=2.0)  # 100 pixels a unit in a photo of 400 × 200
    seen = silhouette(place(sphere, (1.0, 0.5, 0), 0.3 / radius), camera, (400, 200), (240, 0, 360, 120), (120, 120))
    y, x = np.mgrid[:120, :120] + 0.5
    disc = np.hypot(x - 60, y - 50) < 30  # the middle at pixel (300, 50)
    assert (seen & disc).sum() / (seen | disc).sum() > 0.97


def test_a_perspective_camera_sees_the_same_thing_smaller_from_afar(sphere: WebMesh) -> None:
    """A ball of radius 0.1 at distances 1 and 2, seen at 200 / tan 0.5 pixels for each unit at distance 1."""
    camera = PerspectiveCamera((1.0, 0.5, 3.0), yfov=1.0, aspect=1.5)
    y, x = np.mgrid[:400, :600] + 0.5
    for distance in (1.0, 2.0):
        ball = place(sphere, (1.0, 0.5, 3.0 - distance), 0.1)
        seen = silhouette(ball, camera, (600, 400), (0, 0, 600, 400), (600, 400))
        radius = 0.1 / np.sqrt(distance**2 - 0.1**2) * 200 / np.tan(0.5)  # of the cone that touches the ball
        disc = np.hypot(x - 300, y - 200) < radius
        assert (seen & disc).sum() / (seen | disc).sum() > 0.95


def test_what_is_behind_a_perspective_camera_is_not_in_the_photo(sphere: WebMesh) -> None:
    camera = PerspectiveCamera((0.0, 0.0, 0.0), yfov=1.0, aspect=1.0)
    window = (0, 0, 100, 100)
    assert not silhouette(place(sphere, (0, 0, 3)), camera, (100, 100), window, (100, 100)).any()
    around = silhouette(place(sphere, (0, 0, 0)), camera, (100, 100), window, (100, 100))
    assert around.shape == (100, 100), "of a thing around the camera there is no outline, but no trouble either"
    in_photo, nearness = project(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]), camera, (100, 100))
    assert np.isnan(in_photo).all()
    assert np.isnan(nearness).all()


def test_four_sides_of_a_thing_differ_and_show_colour(cube: WebMesh) -> None:
    picture = four_sides(cube)
    assert picture.shape == (TILE, 4 * TILE, 3)
    for view in np.hsplit(picture, 4):
        assert (np.abs(view.astype(int) - view[0, 0]).max(axis=2) > 10).mean() > 0.15, "the thing is small or grey"


def test_the_contact_sheet_has_a_row_for_every_object_even_a_failed_one(sphere: WebMesh) -> None:
    sheet = contact_sheet([("object 0", four_sides(sphere)), ("object 1: failed (no_object_in_box)", None)])
    assert sheet.shape[0] == pytest.approx(2 * TILE, abs=40)
    assert (sheet[-TILE:] != sheet[-1, 0]).any(), "the caption"
