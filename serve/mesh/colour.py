"""sRGB → linear light, which is what glTF and USD want of colours that are no pictures. Knows arrays alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_linear(colours: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Any shape of sRGB, 0…255, → linear light, 0…1 (IEC 61966-2-1)."""
    share = np.arange(256) / 255
    table: NDArray[Any] = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.asarray(table.astype(np.float32)[colours])
