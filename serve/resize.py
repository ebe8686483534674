"""Pictures and masks made larger or smaller. Knows nothing of what they show."""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", np.uint8, np.float32)


def resize(picture: NDArray[Sample], width: int, height: int) -> NDArray[Sample]:
    """A picture, (h, w) or (h, w, channels), at another size: pixels averaged when shrinking, blended when growing."""
    shrinking = width * height < picture.shape[0] * picture.shape[1]
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), dtype=picture.dtype)


def resize_mask(mask: NDArray[np.bool_], width: int, height: int) -> NDArray[np.bool_]:
    """A mask, (h, w), at another size: true where at least half of the pixel was."""
    if mask.shape == (height, width):
        return mask
    return resize(mask.astype(np.float32), width, height) >= 0.5


def size_within(width: int, height: int, longest: float) -> tuple[int, int]:
    """The width and height of a picture shrunk so that neither side is above `longest`; never less than a pixel."""
    share = min(1.0, longest / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))
