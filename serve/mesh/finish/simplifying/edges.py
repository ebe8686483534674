"""Faces → the borders, each vertex's neighbours, and the edges by what their collapse costs. Collapses nothing."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel
from serve.mesh.finish.simplifying.quadrics import joined

LEVELS: Final = 2048  # a level is a sixteenth of a power of two
NO_EDGE: Final = -1
_LOWEST: Final = -100  # the power of two at which levels begin
_PATCH: Final = 512  # faces


def border_edges(faces: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """(B, 3) for every edge that one face alone has, its ends in that face's order and the face's third corner.

    Args:
        faces: (F, 3), each vertex with one fan of faces alone.
        count: The number of vertices.
    """
    on_border = _has_open_fan(faces, count)
    if not on_border.any():
        return np.empty((0, 3), np.int32)
    edges = np.concatenate([faces, faces[:, [1, 2, 0]], faces[:, [2, 0, 1]]])
    edges = edges[on_border[edges[:, :2]].all(axis=1)]
    start, end = edges[:, 0].astype(np.int64), edges[:, 1].astype(np.int64)
    return np.ascontiguousarray(edges[~np.isin(start * count + end, end * count + start)])


@kernel
def _has_open_fan(faces: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """(V,) bool. Around a closed fan each neighbour follows as often as it leads; of an open one the ends do not."""
    balance = np.zeros(count, np.int64)
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        balance[i] += j - k
        balance[j] += k - i
        balance[k] += i - j
    is_open = np.empty(count, np.bool_)
    for v in range(count):
        is_open[v] = balance[v] != 0
    return is_open


@kernel
def fans_around(faces: NDArray[np.int32], count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Every vertex's faces.

    Args:
        faces: (F, 3).
        count: The number of vertices.

    Returns:
        (V + 1,) starts, and (3 F, 2) fans: the rows from `starts[v]` to `starts[v + 1]` are v's faces, each as the two
        corners that follow v.
    """
    starts = np.zeros(count + 1, np.int32)
    for f in range(len(faces)):
        for k in range(3):
            starts[faces[f, k] + 1] += 1
    for v in range(count):
        starts[v + 1] += starts[v]
    place = starts[:-1].copy()
    fans = np.empty((3 * len(faces), 2), np.int32)
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        fans[place[i], 0], fans[place[i], 1] = j, k
        fans[place[j], 0], fans[place[j], 1] = k, i
        fans[place[k], 0], fans[place[k], 1] = i, j
        place[i] += 1
        place[j] += 1
        place[k] += 1
    return starts, fans


@kernel
def price(
    faces: NDArray[np.int32],
    points: NDArray[np.float32],
    quadrics: NDArray[np.float64],
    on_border: NDArray[np.bool_],
    stale: NDArray[np.bool_],
    levels: NDArray[np.int16],
) -> NDArray[np.int32]:
    """Brings the edges' levels up to date.

    Args:
        faces: (F, 3), closed; the last vertex has no place, and its edges no cost.
        points: (V, 3).
        quadrics: (V, 10).
        on_border: (V,).
        stale: (V,) the vertices whose edges have to be looked at anew.
        levels: (F, 3) for each corner its cost on the way to the next, from 0 to `LEVELS` - 1, as a logarithm;
            `NO_EDGE` where the neighbouring face has the edge. Written.

    Returns:
        (LEVELS,) how many edges there are of each level.
    """
    counts = np.zeros(LEVELS, np.int32)
    last = len(points) - 1
    for f in range(len(faces)):
        for k in range(3):
            a, b = faces[f, k], faces[f, (k + 1) % 3]
            if a > b or b == last:
                levels[f, k] = NO_EDGE
                continue
            if stale[a] or stale[b]:
                fraction, power = math.frexp(joined(points, quadrics, on_border, a, b)[0])
                level = (power - _LOWEST) * 16 + int(32 * fraction) - 16
                levels[f, k] = min(max(level, 0), LEVELS - 1) if fraction > 0.0 else 0
            counts[levels[f, k]] += 1
    return counts


@kernel
def cheapest(levels: NDArray[np.int16], highest: int, count: int) -> NDArray[np.int32]:
    """(n,) the corners 3 f + k up to a level: patch by patch of the surface, and within each the cheapest first.

    What is worked on together stays in the processor's cache, which makes all the difference; that a patch is done
    before the next makes none, as long as the level is low enough.

    Args:
        levels: (F, 3).
        highest: The last level to be had.
        count: How many corners there are up to that level.
    """
    corners = np.empty(count, np.int32)
    place = np.empty(highest + 2, np.int32)
    start = 0
    for first in range(0, len(levels), _PATCH):
        end = min(first + _PATCH, len(levels))
        place[:] = 0
        for f in range(first, end):
            for k in range(3):
                if 0 <= levels[f, k] <= highest:
                    place[levels[f, k] + 1] += 1
        place[0] = start
        for level in range(highest + 1):
            place[level + 1] += place[level]
        start = place[highest + 1]
        for f in range(first, end):
            for k in range(3):
                level = levels[f, k]
                if 0 <= level <= highest:
                    corners[place[level]] = 3 * f + k
                    place[level] += 1
    return corners
