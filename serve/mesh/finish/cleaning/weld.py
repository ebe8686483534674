"""Vertices at one place → one vertex; what is no number goes. Knows not how faces meet."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.cleaning.surface import bounds, root
from serve.mesh.finish.kernels import kernel


@dataclass(frozen=True)
class Welded:
    """Faces that name one vertex for each place, and what did not come along.

    Attributes:
        faces: (f, 3) int32 into the vertices that were given, three different ones each, all of them finite.
        least: The least length that means anything there: two neighbouring numbers near the largest coordinate are at
            most that far apart.
        vertices_not_finite: Vertices with a coordinate that is no number or infinite.
        vertices_welded: Vertices that others stand for.
        faces_not_finite: Faces that went with a vertex that is not finite.
        faces_repeating: Faces that named one vertex twice, or would do so now.
    """

    faces: NDArray[np.int32]
    least: float
    vertices_not_finite: int
    vertices_welded: int
    faces_not_finite: int
    faces_repeating: int


def weld(positions: NDArray[np.float32], faces: NDArray[np.int32]) -> Welded:
    """Takes vertices whose coordinates are the same to the bit (0 and -0 alike) as the first of them.

    A tolerance would join sheets that come close, as the sides of a thin wall do; copies of a vertex, which are what
    has to be joined, are equal to the bit. Only the two ends of an edge as short as float32's rounding become one all
    the same, for the faces at it have no direction.

    Args:
        positions: (V, 3) float32.
        faces: (F, 3) int32.
    """
    first, not_finite = _first_at_each_place(positions.view(np.uint32))
    kept, faces_not_finite, repeating = _faces_of_first(faces, first)
    low, high = bounds(positions, kept)
    least = float(np.maximum(-low, high).max()) * 2.0**-23 if len(kept) else 0.0
    stands_for, short = _along_short_edges(positions, kept, 2 * least)  # A diagonal has up to the root of three of it.
    if short:
        kept, _, more = _faces_of_first(kept, stands_for)
        repeating += more
    welded = int(np.count_nonzero(first != np.arange(len(first)))) - not_finite + short
    return Welded(kept, least, not_finite, welded, faces_not_finite, repeating)


@kernel
def _first_at_each_place(bits: NDArray[np.uint32]) -> tuple[NDArray[np.int32], int]:
    """For every vertex the first one with its coordinates, or -1 where they are not finite; how many are not.

    A hash table with open addressing, at most half full.
    """
    count = len(bits)
    size = 4
    while size < 2 * count:
        size *= 2
    table = np.full(size, -1, np.int32)
    first = np.empty(count, np.int32)
    not_finite = 0
    for v in range(count):
        key = np.uint64(0)
        finite = True
        for axis in range(3):
            word = bits[v, axis]
            if word & np.uint32(0x7F800000) == np.uint32(0x7F800000):  # the exponent of infinity and of no number
                finite = False
            if word == np.uint32(0x80000000):  # -0
                word = np.uint32(0)
            # The odd multiplier and the fold are those of Fibonacci hashing (Knuth, TAOCP 3, section 6.4).
            key = (key ^ np.uint64(word)) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(29)
        if not finite:
            first[v] = -1
            not_finite += 1
            continue
        slot = np.int64(key & np.uint64(size - 1))
        while True:
            other = table[slot]
            if other < 0:
                table[slot] = v
                first[v] = v
                break
            same = True
            for axis in range(3):
                here, there = bits[v, axis], bits[other, axis]
                if here != there and (here | there) != np.uint32(0x80000000):
                    same = False
            if same:
                first[v] = other
                break
            slot = (slot + 1) & (size - 1)
    return first, not_finite


@kernel
def _along_short_edges(
    positions: NDArray[np.float32], faces: NDArray[np.int32], longest: float
) -> tuple[NDArray[np.int32], int]:
    """For every vertex the lowest one that edges up to this length link it to; how many others there are."""
    parent = np.arange(len(positions)).astype(np.int32)
    joined = 0
    for f in range(len(faces)):
        for i in range(3):
            a, b = faces[f, i], faces[f, i - 2 if i == 2 else i + 1]
            square = 0.0
            for axis in range(3):
                square += (np.float64(positions[a, axis]) - np.float64(positions[b, axis])) ** 2
            if square <= longest * longest:
                p, q = root(parent, a), root(parent, b)
                joined += p != q
                parent[max(p, q)] = min(p, q)
    if joined:
        for v in range(len(positions)):
            parent[v] = root(parent, v)
    return parent, joined


@kernel
def _faces_of_first(faces: NDArray[np.int32], first: NDArray[np.int32]) -> tuple[NDArray[np.int32], int, int]:
    """The faces over first vertices, without those that are not finite and those that name a vertex twice."""
    kept = np.empty_like(faces)
    count = not_finite = repeating = 0
    for f in range(len(faces)):
        a, b, c = first[faces[f, 0]], first[faces[f, 1]], first[faces[f, 2]]
        if a < 0 or b < 0 or c < 0:
            not_finite += 1
        elif a == b or b == c or c == a:
            repeating += 1
        else:
            kept[count, 0], kept[count, 1], kept[count, 2] = a, b, c
            count += 1
    return kept[:count], not_finite, repeating
