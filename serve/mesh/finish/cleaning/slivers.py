"""Triangles without area → gone, without a gap where they were. Knows a surface whose fans are parted."""

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.cleaning.fans import part_fans
from serve.mesh.finish.cleaning.surface import Surface, doubled, next_side, previous_side, without
from serve.mesh.finish.kernels import kernel


def mend_slivers(surface: Surface, least: float) -> tuple[Surface, int]:
    """Takes out the triangles that are no higher than `least` over their longest side, and says how many those were.

    Their corners are apart, so the third one lies on the longest side. That is exchanged for the other diagonal of the
    triangle and its neighbour there (the caps of Botsch and Kobbelt, A Robust Procedure to Eliminate Degenerate Faces
    from Triangle Meshes, 2001). Where it cannot be, the triangle goes and leaves a slit without width.

    Args:
        surface: Its fans are parted.
        least: A length.
    """
    slivers = _slivers(surface.positions, surface.faces, least)
    if not len(slivers):
        return surface, 0
    faces, twins = surface.faces.copy(), surface.twins.copy()
    gone, slits = _mend(surface.positions, faces, twins, slivers, least)
    mended = without(Surface(surface.positions, surface.colours, faces, twins), gone)
    return part_fans(mended) if slits else mended, len(slivers)


@kernel
def _height(positions: NDArray[np.float32], a: int, b: int, c: int) -> float:
    """Of triangle a b c over its longest side."""
    normal = doubled(positions, a, b, c)
    longest = max(_length(positions, a, b), _length(positions, b, c), _length(positions, c, a))
    return float(np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)) / longest


@kernel
def _length(positions: NDArray[np.float32], a: int, b: int) -> float:
    square = 0.0
    for axis in range(3):
        square += (np.float64(positions[a, axis]) - np.float64(positions[b, axis])) ** 2
    return float(np.sqrt(square))


@kernel
def _side(positions: NDArray[np.float32], flat: NDArray[np.int32], side: int) -> float:
    return _length(positions, flat[side], flat[next_side(side)])


@kernel
def _slivers(positions: NDArray[np.float32], faces: NDArray[np.int32], least: float) -> NDArray[np.int32]:
    found = np.empty(len(faces), np.int32)
    count = 0
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        normal = doubled(positions, a, b, c)
        square = normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2
        # No side is longer than the sum of its extents, which spares most faces three roots.
        extent = 0.0
        for axis in range(3):
            p, q, r = positions[a, axis], positions[b, axis], positions[c, axis]
            extent += np.float64(max(p, q, r)) - np.float64(min(p, q, r))
        if square <= (extent * least) ** 2 and _height(positions, a, b, c) <= least:
            found[count] = f
            count += 1
    return found[:count].copy()


@kernel
def _mend(
    positions: NDArray[np.float32],
    faces: NDArray[np.int32],
    twins: NDArray[np.int32],
    slivers: NDArray[np.int32],
    least: float,
) -> tuple[NDArray[np.bool_], int]:
    """Changes faces and twins, and says which faces are gone, and how many of them have left a slit."""
    flat = faces.ravel()
    gone = np.zeros(len(faces), np.bool_)
    touched = np.zeros(len(faces), np.bool_)
    waiting = np.zeros(len(faces), np.bool_)
    queue = np.empty(len(faces), np.int32)
    fan = np.empty(len(faces), np.int32)
    count = len(slivers)
    queue[:count] = slivers[::-1]
    waiting[slivers] = True
    slits = 0
    left = 16 * count + 64  # Nearly all take one step; the rest is for those that make a neighbour a sliver.
    while count and left:
        left -= 1
        count -= 1
        f = queue[count]
        waiting[f] = False
        touched[f] = True
        if gone[f] or _height(positions, faces[f, 0], faces[f, 1], faces[f, 2]) > least:
            continue
        longest = 3 * f
        for side in range(3 * f + 1, 3 * f + 3):
            if _side(positions, flat, side) > _side(positions, flat, longest):
                longest = side
        if twins[longest] < 0:
            gone[f] = True
            slits += 1
            for side in (next_side(longest), previous_side(longest)):
                if twins[side] >= 0:
                    twins[twins[side]] = -1
        elif _exchange(positions, flat, twins, longest, fan):
            for k in range(2):
                g = f if k == 0 else twins[next_side(longest)] // 3
                if not waiting[g]:
                    waiting[g] = True
                    queue[count] = g
                    count += 1
    for f in range(len(faces)):
        if (touched[f] or waiting[f]) and _height(positions, faces[f, 0], faces[f, 1], faces[f, 2]) <= least:
            slits += not gone[f]
            gone[f] = True
    return gone, slits


@kernel
def _fan(twins: NDArray[np.int32], side: int, fan: NDArray[np.int32]) -> tuple[int, bool]:
    """Writes the half-edges that start where this one does, and says how many they are and whether they close."""
    count = 0
    at = side
    while at >= 0:
        fan[count] = at
        count += 1
        at = twins[previous_side(at)]
        if at == side:
            return count, True
    at = twins[side]
    while at >= 0:
        at = next_side(at)
        fan[count] = at
        count += 1
        at = twins[at]
    return count, False


@kernel
def _exchange(
    positions: NDArray[np.float32],
    flat: NDArray[np.int32],
    twins: NDArray[np.int32],
    side: int,
    fan: NDArray[np.int32],
) -> bool:
    """Exchanges the half-edge for the other diagonal of its two faces, if that is new and makes the lower one higher.

    Args:
        positions: (V, 3).
        flat: (3F,) the faces.
        twins: (3F,).
        side: The half-edge; afterwards the next one is the other diagonal.
        fan: Room for half-edges.

    Returns:
        Whether it was done.
    """
    twin = twins[side]
    # Faces (a, c, b) and (c, a, d) become (a, d, b) and (c, b, d).
    a, c, b, d = flat[side], flat[twin], flat[previous_side(side)], flat[previous_side(twin)]
    around, _ = _fan(twins, previous_side(side), fan)
    for k in range(around):
        if flat[next_side(fan[k])] == d or flat[previous_side(fan[k])] == d:
            return False
    before = min(_height(positions, a, c, b), _height(positions, c, a, d))
    if min(_height(positions, a, d, b), _height(positions, c, b, d)) <= before:
        return False
    # Half-edge `side` becomes a to d, the one after it d to b; `twin` becomes c to b, the one after it b to d.
    a_d, c_b = twins[next_side(twin)], twins[next_side(side)]
    flat[next_side(side)], flat[next_side(twin)] = d, b
    twins[side], twins[twin] = a_d, c_b
    if a_d >= 0:
        twins[a_d] = side
    if c_b >= 0:
        twins[c_b] = twin
    twins[next_side(side)], twins[next_side(twin)] = next_side(twin), next_side(side)
    return True
