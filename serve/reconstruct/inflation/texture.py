"""A photo and a mask → a picture in which the object's colours run on past its edge. Knows no geometry."""

import cv2
import numpy as np
from numpy.typing import NDArray

from serve.reconstruct.inflation.distance import distance_to_background
from serve.resize import resize

# Pixels this close to the outermost ones, as a share of the square root of the mask's area, are taken to be mixed with
# what lies behind; at least a pixel and a half, the reach of a camera's demosaicing.
_MIXED_SHARE = 0.02
_MIXED_LEAST = 1.5


def spread_colours(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The photo inside the mask, and its colours pulled from inside over the edge and everything beyond it.

    Pixels weigh more the deeper they lie in the mask; what weighs little takes its colour from its surroundings
    on ever coarser scales (pull-push: Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4).

    Args:
        pixels: (h, w, 3) sRGB.
        mask: (h, w), true on the object; at least one pixel is.

    Returns:
        (h, w, 3) sRGB.
    """
    depth = distance_to_background(mask)
    mixed = max(_MIXED_LEAST, _MIXED_SHARE * float(np.sqrt(np.count_nonzero(mask))))
    # In parts thinner than that the middle, though mixed, is the best there is: cubing ranks it far above the edge.
    weight = np.where(mask, np.clip((depth - 1) / mixed, 0.02, 1) ** 3, 0).astype(np.float32)
    return np.asarray(np.clip(_pull_push(pixels.astype(np.float32), weight) + 0.5, 0, 255), dtype=np.uint8)


def _pull_push(colours: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each colour where its weight is one, and as the weight falls the surroundings' mean weighted colour."""
    height, width = weight.shape
    if height == 1 and width == 1:
        return colours
    coarse_weight = np.asarray(cv2.pyrDown(weight), dtype=np.float32)
    coarse = np.asarray(cv2.pyrDown(colours * weight[..., None]), dtype=np.float32)
    coarse /= np.maximum(coarse_weight, np.float32(1e-12))[..., None]
    # Any weight at all makes a coarse colour trustworthy: growing it keeps distant pixels from mattering.
    around = _pull_push(coarse, np.minimum(coarse_weight * 4, 1))
    around = resize(around, width, height)
    return colours * weight[..., None] + around * (1 - weight[..., None])
