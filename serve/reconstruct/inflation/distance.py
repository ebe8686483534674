"""How deep each pixel lies in a mask. Knows arrays alone."""

import cv2
import numpy as np
from numpy.typing import NDArray


def distance_to_background(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(H, W) pixels from each pixel's centre to the nearest one outside the mask; beyond its border all is outside."""
    padded = np.pad(mask, 1).astype(np.uint8)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.asarray(distance, dtype=np.float32)
