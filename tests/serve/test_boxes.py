import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.boxes import SMALLEST_SIDE, place_box
from serve.contract import Box
from serve.errors import Gen3DError
from serve.segment import PixelBox

SIDES = st.integers(1, 10_000)
COORDINATES = st.floats(-20, 120) | st.floats(allow_nan=False, allow_infinity=False)


def box(*corners: float) -> Box:
    return Box.model_validate(corners)


@pytest.mark.parametrize(
    ("corners", "placed", "warnings"),
    [
        ((10, 20, 30, 40), (10, 20, 30, 40), []),
        ((0, 0, 100, 50), (0, 0, 100, 50), []),
        ((10.9, 20.1, 30.0, 40.1), (10, 20, 30, 41), []),  # every pixel that it touches
        ((-5, 20, 30, 40), (0, 20, 30, 40), ["box_clipped"]),
        ((-1e308, -0.5, 1e308, 50.5), (0, 0, 100, 50), ["box_clipped"]),
        ((92, 42, 100, 50), (92, 42, 100, 50), []),
    ],
)
def test_boxes_in_a_photo_of_100_by_50_pixels(
    corners: tuple[float, ...], placed: tuple[int, ...], warnings: list[str]
) -> None:
    found, said = place_box(box(*corners), 100, 50)
    assert (found, [warning.code for warning in said]) == (placed, warnings)


@pytest.mark.parametrize(
    ("corners", "code", "words"),
    [
        ((30, 20, 10, 40), "box_reversed", "[30, 20, 10, 40] must be [x_min, y_min, x_max, y_max]"),
        ((10, 20, 10, 40), "box_reversed", "each maximum above its minimum"),
        ((10, 40, 30, 20), "box_reversed", "each maximum above its minimum"),
        ((100, 0, 200, 40), "box_outside_image", "outside the photo, which is 100 × 50 pixels"),
        ((-20, 0, 0, 40), "box_outside_image", "outside the photo"),
        ((0, 50, 20, 90), "box_outside_image", "outside the photo"),
        ((5, 5, 6, 6), "box_too_small", "covers 1 × 1 pixels of the photo: make it at least 8 pixels"),
        ((97, 0, 200, 40), "box_too_small", "covers 3 × 40 pixels"),
        ((10, 20, 10 + 1e-9, 40), "box_too_small", "covers 1 × 20 pixels"),
    ],
)
def test_boxes_that_cannot_be_used(corners: tuple[float, ...], code: str, words: str) -> None:
    with pytest.raises(Gen3DError) as caught:
        place_box(box(*corners), 100, 50)
    assert caught.value.code == code
    assert words in caught.value.message
    assert len(caught.value.message.splitlines()) == 1


@settings(deadline=None)
@given(COORDINATES, COORDINATES, COORDINATES, COORDINATES, SIDES, SIDES)
def test_any_box_is_placed_inside_the_photo_or_refused_for_a_reason_that_holds(
    x_min: float, y_min: float, x_max: float, y_max: float, width: int, height: int
) -> None:
    refusal = None
    try:
        placed, warnings = place_box(box(x_min, y_min, x_max, y_max), width, height)
    except Gen3DError as error:
        refusal = error.code
    if refusal is not None:
        shared_width = min(width, math.ceil(x_max)) - max(0, math.floor(x_min))
        shared_height = min(height, math.ceil(y_max)) - max(0, math.floor(y_min))
        assert {
            "box_reversed": x_max <= x_min or y_max <= y_min,
            "box_outside_image": x_min >= width or y_min >= height or x_max <= 0 or y_max <= 0,
            "box_too_small": 0 < min(shared_width, shared_height) < SMALLEST_SIDE,
        }[refusal]
        return
    assert 0 <= placed.x_min <= placed.x_max - SMALLEST_SIDE
    assert 0 <= placed.y_min <= placed.y_max - SMALLEST_SIDE
    assert placed.x_max <= width
    assert placed.y_max <= height
    # It covers what was asked for as far as there is a photo, and less than a pixel more.
    assert placed.x_min <= max(0, x_min) < placed.x_min + 1
    assert placed.y_min <= max(0, y_min) < placed.y_min + 1
    assert placed.x_max - 1 < min(width, x_max) <= placed.x_max
    assert placed.y_max - 1 < min(height, y_max) <= placed.y_max
    is_clipped = x_min < 0 or y_min < 0 or x_max > width or y_max > height
    assert [warning.code for warning in warnings] == ["box_clipped"] * is_clipped


@settings(deadline=None)
@given(st.data(), st.integers(SMALLEST_SIDE, 5000), st.integers(SMALLEST_SIDE, 5000))
def test_a_box_of_whole_pixels_inside_the_photo_stays_as_it_is(data: st.DataObject, width: int, height: int) -> None:
    x_min = data.draw(st.integers(0, width - SMALLEST_SIDE))
    y_min = data.draw(st.integers(0, height - SMALLEST_SIDE))
    x_max = data.draw(st.integers(x_min + SMALLEST_SIDE, width))
    y_max = data.draw(st.integers(y_min + SMALLEST_SIDE, height))
    assert place_box(box(x_min, y_min, x_max, y_max), width, height) == (PixelBox(x_min, y_min, x_max, y_max), ())
