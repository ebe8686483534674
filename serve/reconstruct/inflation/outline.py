"""A mask's outline as smooth polygons. Knows pixels, not meshes.

Coordinates are pixels of the mask, x to the right, y down; the upper left corner of the first pixel is (0, 0).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]

# A point may move by less than half a pixel, so that outlines a pixel apart do not meet.
_SLACK = 0.45
_SMOOTHING_SIGMAS = (12.0, 6.0, 3.0, 1.5)

# Marching squares: the sides of a cell, and for each of its 16 kinds (1, 2, 4, 8 for the corners on the object,
# clockwise from the upper left) the sides that the outline enters and leaves by. Where two corners touch diagonally,
# the object's parts stay apart.
_TOP, _RIGHT, _BOTTOM, _LEFT = range(4)
_STEPS: tuple[tuple[tuple[int, int], ...], ...] = (
    (),
    ((_LEFT, _TOP),),
    ((_TOP, _RIGHT),),
    ((_LEFT, _RIGHT),),
    ((_RIGHT, _BOTTOM),),
    ((_LEFT, _TOP), (_RIGHT, _BOTTOM)),
    ((_TOP, _BOTTOM),),
    ((_LEFT, _BOTTOM),),
    ((_BOTTOM, _LEFT),),
    ((_BOTTOM, _TOP),),
    ((_TOP, _RIGHT), (_BOTTOM, _LEFT)),
    ((_BOTTOM, _RIGHT),),
    ((_RIGHT, _LEFT),),
    ((_RIGHT, _TOP),),
    ((_TOP, _LEFT),),
    (),
)


def drop_hairs(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without what is thinner than 3 px: an opening with the 3 × 3 cross, which any 3 px wide part holds."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    padded = np.pad(mask, 1).astype(np.uint8)
    return cv2.morphologyEx(padded, cv2.MORPH_OPEN, cross)[1:-1, 1:-1].astype(bool)


def outlines(mask: NDArray[np.bool_]) -> list[Polygon]:
    """The outline of a mask, outer borders and holes alike, by marching squares at half height.

    Args:
        mask: (H, W) booleans; pixels beyond its border count as background.

    Written out here, because libraries that trace contours take twenty times as long on a mask of eight megapixels and
    keep Python's lock meanwhile, so that the server could not answer.

    Returns:
        Closed polygons, (N, 2) each, the last point joined to the first. None touches itself or another: each
        point is the middle of its own pixel edge.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    width = padded.shape[1]
    # A cell lies between four pixel centres; where they differ, the outline passes through it.
    upper_left, upper_right = padded[:-1, :-1], padded[:-1, 1:]
    lower_left, lower_right = padded[1:, :-1], padded[1:, 1:]
    code = upper_left | upper_right << 1 | lower_right << 2 | lower_left << 3
    row, column = np.nonzero((code != 0) & (code != 15))
    code = code[row, column]
    # Each side of a cell joins two centres. Its number is twice its left or upper one's, plus one if it runs down.
    centre = row * width + column
    sides = 2 * np.stack([centre, centre + 1, centre + width, centre])
    sides[[_RIGHT, _LEFT]] += 1
    starts: list[NDArray[np.int64]] = []
    ends: list[NDArray[np.int64]] = []
    for number, steps in enumerate(_STEPS):
        for start, end in steps:
            starts.append(sides[start, code == number])
            ends.append(sides[end, code == number])
    order = np.argsort(np.concatenate(starts))
    first, last = np.concatenate(starts)[order], np.concatenate(ends)[order]
    follower = np.searchsorted(first, last).astype(np.int64)
    # Sample (i, j) of the padded mask is the centre of pixel (i - 1, j - 1), hence the half pixel.
    y, x = np.divmod(first // 2, width)
    middles = np.column_stack([x + 0.5 * (first % 2 == 0), y + 0.5 * (first % 2)]) - 0.5
    return [middles[loop] for loop in _loops(follower)]


def _loops(follower: NDArray[np.int64]) -> list[list[int]]:
    """The cycles of a permutation."""
    following = follower.tolist()
    met = bytearray(len(following))
    loops = []
    for first in range(len(following)):
        loop, at = [], first
        while not met[at]:
            met[at] = True
            loop.append(at)
            at = following[at]
        if loop:
            loops.append(loop)
    return loops


def smooth(polygon: Polygon) -> Polygon:
    """The polygon without the staircase of its pixels, point for point within half a pixel of where it was.

    Constrained elastic surface nets in the plane (Gibson, "Constrained Elastic Surface Nets", MICCAI 1998), with
    a Gaussian that does not shrink in place of the net's springs.
    """
    frequencies = np.fft.rfftfreq(len(polygon))[:, None]
    smoothed = polygon
    for sigma in _SMOOTHING_SIGMAS:
        gaussian = np.exp(-2 * (np.pi * frequencies * sigma) ** 2)
        keep = gaussian * (2 - gaussian)  # G + G(1 - G): what one pass lost is given back, so circles keep their size
        smoothed = np.fft.irfft(np.fft.rfft(smoothed, axis=0) * keep, n=len(polygon), axis=0)
        smoothed = np.clip(smoothed, polygon - _SLACK, polygon + _SLACK)
    return smoothed


def resample(polygon: Polygon, spacing: NDArray[np.float64]) -> Polygon:
    """Points along a closed polygon, about `spacing` apart.

    Args:
        polygon: (N, 2), closed.
        spacing: (N,) the wished distance to the next point at each vertex, in pixels.

    Returns:
        (M, 2) with M ≥ 3, on the polygon.
    """
    closed = np.vstack([polygon, polygon[:1]])
    lengths = np.linalg.norm(np.diff(closed, axis=0), axis=1)
    steps = np.concatenate([[0.0], np.cumsum(lengths / spacing)])  # how many steps of the wished size fit so far
    count = max(3, round(steps[-1]))
    at = np.linspace(0.0, steps[-1], count, endpoint=False)
    return np.stack([np.interp(at, steps, closed[:, axis]) for axis in (0, 1)], axis=1)
