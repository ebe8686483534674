from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import data

from serve.errors import Gen3DError
from serve.resize import resize
from serve.segment import PixelBox, Segmentation
from serve.segment.grabcut import GrabCut


def scene(seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A speckled blue photo with a speckled orange blob of known mask, both with gradients."""
    noise = np.random.default_rng(seed).normal(0, 8, (300, 400, 3))
    y, x = np.mgrid[:300, :400]
    truth = ((x - 200) / 90) ** 2 + ((y - 150) / 60) ** 2 < 1
    photo = np.where(truth[..., None], (220, 140, 40), (40, 80, 160)) + noise + (x / 10)[..., None]
    return np.clip(photo, 0, 255).astype(np.uint8), truth


def find(photo: NDArray[np.uint8], box: PixelBox) -> Segmentation:
    return GrabCut().on(photo, [box])(box)


def test_it_finds_the_object_in_the_box() -> None:
    photo, truth = scene()
    box = PixelBox(100, 80, 300, 220)
    found = find(photo, box)
    truth = truth[80:220, 100:300]
    assert found.mask.shape == truth.shape
    assert (found.mask & truth).sum() / (found.mask | truth).sum() > 0.95
    assert found.confidence > 0.95


def test_it_is_less_sure_of_an_outline_that_follows_no_edge() -> None:
    photo, _ = scene()
    photo[:, 200:] = photo[:, :200][:, ::-1]
    photo[150:, 100:300] = (220, 140, 40)  # the object runs on below the box, so the box's edge cuts it
    found = find(photo, PixelBox(100, 80, 300, 220))
    assert found.confidence < 0.85


@pytest.mark.parametrize("side", [64, 300, 600])
@pytest.mark.parametrize("ground", [(30, 60, 200), (255, 255, 255)])
def test_an_object_on_a_flat_background_is_found(side: int, ground: tuple[int, int, int]) -> None:
    y, x = np.mgrid[:side, :side] / side
    truth = ((x - 0.5) / 0.35) ** 2 + ((y - 0.5) / 0.3) ** 2 < 1
    photo = np.where(truth[..., None], (200, 40, 30), ground).astype(np.uint8)
    box = PixelBox(*(round(share * side) for share in (0.1, 0.15, 0.9, 0.85)))
    found = np.zeros_like(truth)
    found[box.y_min : box.y_max, box.x_min : box.x_max] = find(photo, box).mask
    assert (found & truth).sum() / (found | truth).sum() > 0.93


def test_it_is_repeatable() -> None:
    photo, _ = scene()
    cv2.setRNGSeed(17)
    once = find(photo, PixelBox(100, 80, 300, 220)).mask
    cv2.setRNGSeed(99)
    assert np.array_equal(once, find(photo, PixelBox(100, 80, 300, 220)).mask)


def test_size_hardly_matters() -> None:
    photo, truth = scene()
    for scale in (0.25, 1, 4):
        large = resize(photo, round(400 * scale), round(300 * scale))
        box = PixelBox(*(round(side * scale) for side in (100, 80, 300, 220)))
        share = find(large, box).mask.mean()
        assert share == pytest.approx(truth[80:220, 100:300].mean(), rel=0.06)


@pytest.mark.parametrize("box", [PixelBox(400, 60, 530, 200), PixelBox(220, 40, 300, 120), PixelBox(100, 10, 300, 100)])
def test_plain_sky_holds_nothing(box: PixelBox) -> None:
    with pytest.raises(Gen3DError, match="stands out") as caught:
        find(data.rocket(), box)
    assert caught.value.code == "no_object_in_box"


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_one_flat_colour_holds_nothing(colour: int) -> None:
    photo = np.full((60, 80, 3), colour, dtype=np.uint8)
    for box in (PixelBox(0, 0, 80, 60), PixelBox(10, 10, 14, 14), PixelBox(0, 0, 80, 4)):
        with pytest.raises(Gen3DError) as caught:
            find(photo, box)
        assert caught.value.code == "no_object_in_box"


coordinates = st.tuples(st.integers(0, 90), st.integers(0, 60), st.integers(4, 60), st.integers(4, 60))


@given(at=coordinates, seed=st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_any_box_gives_a_mask_in_it_or_a_clear_refusal(at: tuple[int, int, int, int], seed: int) -> None:
    photo = np.random.default_rng(seed).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    box = PixelBox(at[0], at[1], min(96, at[0] + at[2]), min(64, at[1] + at[3]))
    with suppress(Gen3DError):
        found = find(photo, box)
        assert found.mask.shape == (box.y_max - box.y_min, box.x_max - box.x_min)
        assert found.mask.any()
        assert 0 <= found.confidence <= 1
