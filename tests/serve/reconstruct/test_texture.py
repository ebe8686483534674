import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from serve.reconstruct.inflation.texture import spread_colours


def test_no_background_bleeds_in() -> None:
    y, x = np.mgrid[:120, :160] + 0.5
    mask = np.hypot(x - 80, y - 60) < 40
    mixed = np.hypot(x - 80, y - 60) < 41.5  # the outermost pixels of the object are half background
    photo = np.where(mask[..., None], (200, 30, 30), (0, 255, 0)).astype(np.uint8)
    photo[mixed & ~(np.hypot(x - 80, y - 60) < 39)] = (100, 140, 15)
    texture = spread_colours(photo, mask).astype(int)
    assert np.abs(texture - (200, 30, 30)).max() <= 12, "green reached the texture"


def test_the_inside_is_the_photo_itself() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    mask = np.zeros((64, 64), dtype=bool)
    mask[8:56, 8:56] = True
    assert np.array_equal(spread_colours(photo, mask)[14:50, 14:50], photo[14:50, 14:50])


@pytest.mark.parametrize("width", [1, 3])
def test_a_part_too_thin_to_have_an_inside_keeps_its_colour(width: int) -> None:
    photo = np.full((40, 40, 3), (0, 0, 255), dtype=np.uint8)
    mask = np.zeros((40, 40), dtype=bool)
    mask[:, 20 : 20 + width] = True
    photo[mask] = (250, 250, 0)
    assert np.abs(spread_colours(photo, mask).astype(int) - (250, 250, 0)).max() <= 2


@given(
    mask=arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(lambda mask: bool(mask.any())),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
)
@settings(deadline=None)
def test_an_object_of_one_colour_gives_a_texture_of_one_colour(
    mask: NDArray[np.bool_], colour: tuple[int, int, int]
) -> None:
    photo = np.where(mask[..., None], colour, 255 - np.array(colour)).astype(np.uint8)
    assert np.abs(spread_colours(photo, mask).astype(int) - colour).max() <= 1
