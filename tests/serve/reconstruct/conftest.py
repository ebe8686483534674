"""Masks to inflate: simple shapes, and what the segmenter finds in the photographs of the demo."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from serve.segment import PixelBox
from serve.segment.grabcut import GrabCut

Mask = NDArray[np.bool_]

_y, _x = np.mgrid[:240, :240] + 0.5
_radius = np.hypot(_x - 120, _y - 120)
_angle = np.arctan2(_y - 120, _x - 120)
_SHAPES: dict[str, Mask] = {
    "disc": _radius < 100,
    "bar": (abs(_x - 120) < 100) & (abs(_y - 120) < 14),
    "ring": (_radius < 100) & (_radius > 60),
    "star": _radius < 70 + 30 * np.cos(5 * _angle),
    "two pieces": (np.hypot(_x - 60, _y - 60) < 40) | ((abs(_x - 180) < 30) & (abs(_y - 180) < 20)),
    "wires": (abs(_radius - 90) < 2) | ((abs(_x - _y) < 2.9) & (abs(_x - 120) < 75)),
}
_BOXES: dict[str, tuple[Callable[[], NDArray[np.uint8]], PixelBox]] = {
    "cup and saucer": (data.coffee, PixelBox(75, 12, 484, 394)),
    "cup": (data.coffee, PixelBox(170, 12, 410, 240)),
    "spoon": (data.coffee, PixelBox(325, 232, 408, 330)),
    "astronaut": (data.astronaut, PixelBox(15, 10, 372, 512)),
    "shuttle": (data.astronaut, PixelBox(355, 0, 460, 285)),
    "helmet": (data.astronaut, PixelBox(285, 345, 495, 512)),
    "cat": (data.chelsea, PixelBox(0, 0, 400, 300)),
    "rocket": (data.rocket, PixelBox(303, 122, 342, 410)),
}


@pytest.fixture(params=[*_SHAPES, *_BOXES])
def mask(request: pytest.FixtureRequest) -> Mask:
    """Each simple shape and each object of the demo in turn, (h, w)."""
    if request.param in _SHAPES:
        return _SHAPES[request.param]
    photo, box = _BOXES[request.param]
    return GrabCut().on(photo(), [box])(box).mask


@pytest.fixture
def shape() -> Callable[[str], Mask]:
    """One simple shape by its name, (240, 240)."""
    return _SHAPES.__getitem__
