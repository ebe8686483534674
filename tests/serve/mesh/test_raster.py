import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.mesh.raster import rasterise

FRONT = np.array([[0, 2, 1]])  # counter-clockwise on a screen whose y runs down


def test_a_pixel_is_covered_where_its_centre_is() -> None:
    points = np.array([[1.0, 1.0], [9.0, 1.0], [1.0, 9.0]])
    seen = rasterise(points, np.zeros(3), FRONT, 12, 12)
    rows, columns = np.divmod(seen.pixel, 12)
    expected = {(y, x) for y in range(12) for x in range(12) if x >= 1 and y >= 1 and x + y + 1 <= 10}
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == expected


def test_what_faces_away_is_not_drawn() -> None:
    points = np.array([[1.0, 1.0], [9.0, 1.0], [1.0, 9.0]])
    assert len(rasterise(points, np.zeros(3), FRONT[:, ::-1], 12, 12).pixel) == 0


def test_the_nearest_face_wins_whatever_the_order() -> None:
    points = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]] * 2)
    faces = np.concatenate([FRONT, FRONT + 3])
    for nearness, winner in (([1, 1, 1, 5, 5, 5], 1), ([5, 5, 5, 1, 1, 1], 0)):
        seen = rasterise(points, np.array(nearness, dtype=float), faces, 10, 10)
        assert set(seen.face) == {winner}
        assert len(np.unique(seen.pixel)) == len(seen.pixel) == 100


@given(corners=st.lists(st.floats(-30, 50), min_size=6, max_size=6))
@settings(deadline=None)
def test_weights_give_back_the_pixels_centre(corners: list[float]) -> None:
    points = np.array(corners).reshape(3, 2)
    seen = rasterise(points, np.zeros(3), FRONT, 16, 12)
    rows, columns = np.divmod(seen.pixel, 16)
    centre = np.column_stack([columns, rows]) + 0.5
    assert seen.weights @ points[FRONT[0]] == pytest.approx(centre, abs=1e-6)
    assert (seen.weights >= -1e-9).all()


def test_many_triangles_take_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).uniform(0, 64, (300, 2))
    faces = np.arange(300).reshape(-1, 3)
    faces = np.concatenate([faces, faces[:, ::-1]])
    nearness = np.random.default_rng(1).uniform(0, 1, 300)
    whole = rasterise(points, nearness, faces, 64, 64)
    monkeypatch.setattr("serve.mesh.raster._FRAGMENTS_AT_ONCE", 500)
    parts = rasterise(points, nearness, faces, 64, 64)
    assert np.array_equal(whole.pixel, parts.pixel)
    assert np.array_equal(whole.face, parts.face)
