"""From a segmenter's logits to a clean mask in whole pixels of the photo. Knows no network."""

import cv2
import numpy as np
from numpy.typing import NDArray

from serve.errors import Gen3DError
from serve.segment import PixelBox

# Of the largest piece's area: a tenth of its size across. A chair's leg behind a table is more, a speck is less; and a
# speck far from the object would widen the crop that the reconstruction looks at.
_SMALLEST_PIECE = 0.01
# Pixels. SAM 3D Objects measures an object from the first to the last of its pixels, refuses a measure under 2
# (`check_bounding_box`), which is 3 pixels, and enlarges the object to about 500: of fewer than 8, as of a box, nothing
# but blur is left.
_SHORTEST, _NARROWEST = 8, 3
_BAND = 512  # rows enlarged at a time, so that the logits of a large box are never held at the photo's size


def above_zero(logits: NDArray[np.float32], size: tuple[int, int], box: PixelBox) -> NDArray[np.bool_]:
    """Where logits, bilinearly enlarged or shrunk to a picture's size, are above zero: a part of that picture alone.

    The pixels' corners are aligned, as in torch's `interpolate(mode="bilinear", align_corners=False)`, by which
    transformers enlarges SAM's masks.

    Args:
        logits: (h, w), over the whole picture.
        size: Of the picture, width and height.
        box: The part that is wanted, inside the picture.

    Returns:
        (box height, box width) booleans.
    """
    left, right, right_share = _neighbours(box.x_min, box.x_max, size[0], logits.shape[1])
    top, bottom, bottom_share = _neighbours(box.y_min, box.y_max, size[1], logits.shape[0])
    wide = logits[:, left] * (1 - right_share) + logits[:, right] * right_share
    mask = np.empty((len(top), len(left)), dtype=np.bool_)
    for start in range(0, len(top), _BAND):
        band = slice(start, start + _BAND)
        share = bottom_share[band, None]
        mask[band] = wide[top[band]] * (1 - share) + wide[bottom[band]] * share > 0
    return mask


def _neighbours(
    start: int, stop: int, pixels: int, cells: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For the centres of pixels start to stop - 1 of `pixels`: the cells of `cells` around, and the second's share."""
    at = np.clip((np.arange(start, stop) + 0.5) * (cells / pixels) - 0.5, 0, cells - 1)
    first = at.astype(np.intp)
    return first, np.minimum(first + 1, cells - 1), (at - first).astype(np.float32)


def clean(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask, (h, w), without pieces far smaller than the largest. What is kept is not eroded, nor its holes filled.

    Raises:
        Gen3DError: `no_object_in_box`, where nothing or too little is left to make an object of.
    """
    if not mask.any():
        message = "The network sees no object in the box: draw the box close around one object."
        raise Gen3DError("no_object_in_box", message)
    count, label, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count > 2:  # the background and more than one piece
        areas = stats[:, cv2.CC_STAT_AREA]
        keep = areas >= _SMALLEST_PIECE * areas[1:].max()
        keep[0] = False
        mask = np.asarray(keep[label])
    across, down = (int(np.ptp(np.flatnonzero(mask.any(axis)))) + 1 for axis in (0, 1))
    if max(across, down) < _SHORTEST or min(across, down) < _NARROWEST:
        message = (
            f"The object in the box covers {across} × {down} pixels only, of at least {_SHORTEST} × {_NARROWEST}:"
            " use a larger photo of it."
        )
        raise Gen3DError("no_object_in_box", message, width=across, height=down)
    return mask
