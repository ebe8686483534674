"""What the tests of the reconstructor reconstruct: boxes and masks on a photo of noise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from serve.errors import Gen3DError
from serve.reconstruct import Detail
from serve.reconstruct.sam3d.reconstructor import Sam3d
from serve.segment import PixelBox, Segmentation

CPU = torch.device("cpu")
WIDTH, HEIGHT = 160, 120
BOXES = [PixelBox(40, 20, 125, 100), PixelBox(10, 15, 50, 75), PixelBox(100, 60, 150, 110)]
FULL = Detail("standard", 1_000_000, 8192, mesh=True, splats=True)
MESH = Detail("standard", 1_000_000, 8192, mesh=True, splats=False)
SEED = 3


def ignored(*_: int) -> None:
    """Nobody waits for the steps."""


def noise(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A photo of nothing."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def ellipse(box: PixelBox) -> Segmentation:
    y, x = np.mgrid[-1 : 1 : (box.y_max - box.y_min) * 1j, -1 : 1 : (box.x_max - box.x_min) * 1j]
    return Segmentation(box, x * x + y * y <= 1, 0.9)


def make(network: Sam3d, photo: Any, boxes: Sequence[PixelBox], detail: Detail = MESH, seed: int = SEED) -> list[Any]:
    """One box after the other."""
    work = network.on(photo, boxes, detail, seed)
    return [outcome for box in boxes for outcome in work.make([ellipse(box)], ignored)]


def codes(outcomes: Sequence[Any]) -> list[str]:
    """What became of each object."""
    return [
        outcome.code
        if isinstance(outcome, Gen3DError)
        else type(outcome).__name__
        if isinstance(outcome, Exception)
        else "made"
        for outcome in outcomes
    ]
