"""Colours for the texels that no triangle touches. Knows pictures alone."""

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel
from serve.mesh.meshes import Pixels


def fill(picture: Pixels, known: NDArray[np.bool_]) -> Pixels:
    """The picture with every unknown texel filled from the known ones near it, and these as they are.

    Pull-push (Gortler, Grzeszczuk, Szeliski and Cohen, "The lumigraph", 1996) along the pyramid of mip levels: an
    unknown texel gets the mean of what is known in the smallest 2 × 2, 4 × 4, … block around it that holds anything
    known. So a viewer that halves the picture again and again gets means of known texels alone.

    Args:
        picture: (h, w, c) uint8.
        known: (h, w). Where it is False nowhere or everywhere, the picture comes back as it is.

    Returns:
        (h, w, c) uint8, a new array.
    """
    levels = [(np.array(picture, order="C"), np.array(known, dtype=np.uint8, order="C"))]
    while levels[-1][1].size > 1:
        levels.append(_pull(*levels[-1]))
    for (fine, fine_known), (coarse, coarse_known) in zip(levels[-2::-1], levels[:0:-1], strict=True):
        _push(fine, fine_known, coarse, coarse_known)
    return levels[0][0]


@kernel
def _pull(fine: NDArray[np.uint8], known: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Half the size, rounded up: the mean of what is known in each 2 × 2 block, and whether anything is."""
    height, width, channels = fine.shape
    coarse = np.zeros(((height + 1) // 2, (width + 1) // 2, channels), dtype=np.uint8)
    coarse_known = np.zeros(coarse.shape[:2], dtype=np.uint8)
    for y in range(coarse.shape[0]):
        for x in range(coarse.shape[1]):
            bottom, right = min(2 * y + 2, height), min(2 * x + 2, width)
            count = 0
            for row in range(2 * y, bottom):
                for column in range(2 * x, right):
                    count += known[row, column]
            if count == 0:
                continue
            coarse_known[y, x] = 1
            for channel in range(channels):
                total = count // 2  # so that the division below rounds to the nearest
                for row in range(2 * y, bottom):
                    for column in range(2 * x, right):
                        total += known[row, column] * fine[row, column, channel]
                coarse[y, x, channel] = total // count
    return coarse, coarse_known


@kernel
def _push(
    fine: NDArray[np.uint8], known: NDArray[np.uint8], coarse: NDArray[np.uint8], coarse_known: NDArray[np.uint8]
) -> None:
    """Writes the coarse level's colours, where it has any, to what is unknown in the fine one, which is known then."""
    height, width, channels = fine.shape
    for y in range(height):
        for x in range(width):
            if known[y, x] == 0 and coarse_known[y // 2, x // 2] != 0:
                known[y, x] = 1
                for channel in range(channels):
                    fine[y, x, channel] = coarse[y // 2, x // 2, channel]
