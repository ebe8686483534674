"""From a bounding box to the mask of what is in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class PixelBox(NamedTuple):
    """A box inside a photo, in whole pixels: columns x_min to x_max - 1, rows y_min to y_max - 1."""

    x_min: int
    y_min: int
    x_max: int
    y_max: int


@dataclass(frozen=True)
class Segmentation:
    """The mask of one object, cut to its box.

    Attributes:
        box: Where `mask` lies in the photo.
        mask: (box height, box width) booleans, true on the object; at least one is.
        confidence: From 0 to 1, how far the mask can be trusted, by the segmenter's own measure.
    """

    box: PixelBox
    mask: NDArray[np.bool_]
    confidence: float


class Segmenter(Protocol):
    """Finds masks. `on` does once what all boxes of a photo share, and returns what turns a box into a mask."""

    name: str

    def on(self, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox]) -> Callable[[PixelBox], Segmentation]:
        """Takes a photo, (H, W, 3) sRGB, and its boxes, at least one; what it returns takes each of these.

        It raises Gen3DError `no_object_in_box`.
        """
        ...
