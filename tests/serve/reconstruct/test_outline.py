import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from serve.reconstruct.inflation.outline import Polygon, drop_hairs, outlines, resample, smooth


def area(polygon: Polygon) -> float:
    """Signed: outer borders and holes run in opposite directions."""
    x, y = polygon.T
    return float(0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


masks = arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))


@given(mask=masks.filter(lambda mask: bool(mask.any())))
@settings(deadline=None)
def test_outlines_enclose_every_pixel_and_stay_within_half_a_pixel_when_smoothed(mask: NDArray[np.bool_]) -> None:
    raw = outlines(mask)
    corners_cut = abs(abs(sum(area(polygon) for polygon in raw)) - np.count_nonzero(mask))
    assert corners_cut <= sum(len(polygon) for polygon in raw) / 8 + 1e-9  # an eighth of a pixel a corner
    for polygon in raw:
        assert np.abs(smooth(polygon) - polygon).max() <= 0.45 + 1e-9


def test_a_disc_has_no_staircase() -> None:
    y, x = np.mgrid[:200, :200] + 0.5
    (polygon,) = outlines(np.hypot(x - 100, y - 100) < 80)
    radius = np.hypot(*(smooth(polygon) - 100).T)
    assert radius.std() < 0.06, "the pixels' own edges stray by 0.25"
    assert radius.mean() == pytest.approx(80, abs=0.1), "smoothing must not shrink it"


@pytest.mark.parametrize("slope", [0.03, 0.1, 0.35, 1.0])
def test_a_slanted_edge_has_no_staircase(slope: float) -> None:
    y, x = np.mgrid[:240, :400] + 0.5
    (polygon,) = outlines((np.abs(y - 100 - slope * (x - 200)) < 40) & (np.abs(x - 200) < 90))
    upper = smooth(polygon)
    upper = upper[(np.abs(upper[:, 0] - 200) < 50) & (upper[:, 1] < 100 + slope * (upper[:, 0] - 200))]
    off = (upper[:, 1] - 60 - slope * (upper[:, 0] - 200)) / np.hypot(1, slope)
    assert off.std() < 0.1, "the pixels' own edges stray by about 0.3"


def test_a_hole_is_an_outline_of_its_own() -> None:
    mask = np.ones((20, 20), dtype=bool)
    mask[8:12, 8:12] = False
    outer, hole = sorted((area(polygon) for polygon in outlines(mask)), key=abs, reverse=True)
    assert outer * hole < 0


@pytest.mark.parametrize("turned", [False, True])
def test_hairs_go_and_what_is_three_pixels_wide_stays(turned: bool) -> None:
    mask = np.zeros((30, 40), dtype=bool)
    mask[5:7, 2:38] = True
    mask[15:18, 2:38] = True
    kept = drop_hairs(mask.T if turned else mask)
    kept = kept.T if turned else kept
    assert not kept[5:7].any()
    assert kept[16, 2:38].all()


def test_resampling_follows_the_wished_spacing() -> None:
    turn = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    circle = np.column_stack([np.cos(turn), np.sin(turn)]) * 50
    points = resample(circle, np.where(circle[:, 0] > 0, 2.0, 6.0))
    gaps = np.linalg.norm(points - np.roll(points, -1, axis=0), axis=1)
    assert np.median(gaps[points[:, 0] > 5]) == pytest.approx(2.0, rel=0.05)
    assert np.median(gaps[points[:, 0] < -5]) == pytest.approx(6.0, rel=0.05)
    assert np.abs(np.hypot(*points.T) - 50).max() < 0.01
