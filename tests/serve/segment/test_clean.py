from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from serve.errors import Gen3DError
from serve.segment import PixelBox
from serve.segment.clean import above_zero, clean


def test_the_outline_lies_where_the_logits_cross_zero_in_the_photo() -> None:
    x_of_cells = (np.arange(32) + 0.5) * 640 / 32
    logits = np.tile((x_of_cells - 230.5).astype(np.float32), (32, 1))  # positive to the right of x = 230.5
    mask = above_zero(logits, (640, 480), PixelBox(200, 100, 300, 140))
    assert mask.shape == (40, 100)
    assert not mask[:, :30].any(), "pixel 229's centre lies at 229.5"
    assert mask[:, 31:].all(), "pixel 231's centre lies at 231.5"


whole = st.integers(1, 300)


@given(
    logits=arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.floats(-8, 8, width=32)),
    size=st.tuples(whole, whole),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_a_part_is_cut_from_the_whole(
    logits: NDArray[np.float32], size: tuple[int, int], corners: tuple[float, float, float, float]
) -> None:
    x = sorted(round(share * size[0]) for share in corners[:2])
    y = sorted(round(share * size[1]) for share in corners[2:])
    part = above_zero(logits, size, PixelBox(x[0], y[0], x[1], y[1]))
    assert np.array_equal(part, above_zero(logits, size, PixelBox(0, 0, *size))[y[0] : y[1], x[0] : x[1]])


def test_logits_as_many_as_pixels_are_taken_as_they_are() -> None:
    logits = np.random.default_rng(0).normal(size=(700, 60)).astype(np.float32)
    assert np.array_equal(above_zero(logits, (60, 700), PixelBox(0, 0, 60, 700)), logits > 0)


def test_specks_go_and_parts_of_an_object_stay() -> None:
    mask = np.zeros((200, 200), dtype=bool)
    mask[20:120, 20:120] = True
    body = mask.copy()
    mask[180:190, 150:160] = True  # a hundredth of the body's area
    kept = mask.copy()
    mask[5:9, 190:195] = True
    mask[199, 0] = True
    assert np.array_equal(clean(mask), kept)
    assert np.array_equal(clean(body), body)


def test_pixels_that_touch_at_a_corner_are_one_piece() -> None:
    line = np.eye(100, dtype=bool)
    assert np.array_equal(clean(line), line)


def test_holes_stay_open() -> None:
    mask = np.ones((60, 60), dtype=bool)
    mask[20:40, 20:40] = mask[5, 5] = False
    assert np.array_equal(clean(mask), mask)


@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (100, 3), (8, 8)])
def test_the_smallest_objects(shape: tuple[int, int]) -> None:
    mask = np.zeros((120, 20), dtype=bool)
    mask[4 : 4 + shape[0], 5 : 5 + shape[1]] = True
    assert np.array_equal(clean(mask), mask)


@pytest.mark.parametrize("shape", [(7, 7), (100, 2), (2, 12), (1, 1)])
def test_what_is_smaller_is_refused_with_its_size(shape: tuple[int, int]) -> None:
    mask = np.zeros((120, 20), dtype=bool)
    mask[4 : 4 + shape[0], 5 : 5 + shape[1]] = True
    with pytest.raises(Gen3DError, match=f"{shape[1]} × {shape[0]} pixels") as caught:
        clean(mask)
    assert caught.value.code == "no_object_in_box"
    assert caught.value.details == {"width": shape[1], "height": shape[0]}


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(Gen3DError, match="sees no object") as caught:
        clean(np.zeros((30, 40), dtype=bool))
    assert caught.value.code == "no_object_in_box"


@given(mask=arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_a_clean_mask_is_part_of_the_mask_and_stays_as_it_is(mask: NDArray[np.bool_]) -> None:
    before = mask.copy()
    with suppress(Gen3DError):
        kept = clean(mask)
        assert kept.any()
        assert not (kept & ~mask).any()
        assert np.array_equal(clean(kept), kept)
    assert np.array_equal(mask, before)
