"""Faces with what lies across each of their edges, and how to take some of them away. Knows neither why nor which.

Half-edge 3f + i runs from corner i of face f to the next one. Its twin runs the other way in the neighbouring face; -1
stands for a border.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel


@dataclass(frozen=True)
class Surface:
    """An oriented surface: an edge has one face or two, a vertex one fan of faces.

    Attributes:
        positions: (V, 3) float32; vertices may stand there that no face names.
        colours: (V, 3) uint8.
        faces: (F, 3) int32.
        twins: (3F,) int32.
    """

    positions: NDArray[np.float32]
    colours: NDArray[np.uint8]
    faces: NDArray[np.int32]
    twins: NDArray[np.int32]


def without(surface: Surface, gone: NDArray[np.bool_]) -> Surface:
    """The surface less the faces that (F,) says. Fans may fall apart: see `fans.part_fans`."""
    faces, twins = _kept(surface.faces, surface.twins, gone)
    return Surface(surface.positions, surface.colours, faces, twins)


@kernel
def bounds(positions: NDArray[np.float32], faces: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest and the highest coordinates, (3,) each, of the vertices that faces name."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for f in range(len(faces)):
        for i in range(3):
            for axis in range(3):
                at = np.float64(positions[faces[f, i], axis])
                low[axis] = min(low[axis], at)
                high[axis] = max(high[axis], at)
    return low, high


@kernel
def next_side(side: int) -> int:
    """The half-edge that follows in the same face."""
    return side - 2 if side % 3 == 2 else side + 1


@kernel
def previous_side(side: int) -> int:
    """The half-edge before in the same face."""
    return side + 2 if side % 3 == 0 else side - 1


@kernel
def root(parent: NDArray[np.int32], item: int) -> int:
    """Who stands for the item's group, where every item points to one of its group (union-find, halving paths)."""
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item


@kernel
def areas(
    positions: NDArray[np.float32], faces: NDArray[np.int32], group_of: NDArray[np.int32], groups: int
) -> NDArray[np.float64]:
    """The area of each group of faces."""
    area = np.zeros(groups)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        normal = doubled(positions, a, b, c)
        area[group_of[f]] += np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2) / 2
    return area


@kernel
def doubled(positions: NDArray[np.float32], a: int, b: int, c: int) -> tuple[float, float, float]:
    """The normal of triangle a b c, twice its area long."""
    ax, ay, az = np.float64(positions[a, 0]), np.float64(positions[a, 1]), np.float64(positions[a, 2])
    ux, uy, uz = positions[b, 0] - ax, positions[b, 1] - ay, positions[b, 2] - az
    vx, vy, vz = positions[c, 0] - ax, positions[c, 1] - ay, positions[c, 2] - az
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


def compact(surface: Surface) -> Surface:
    """The surface without the vertices that no face names; the others keep their order."""
    used = np.zeros(len(surface.positions), dtype=np.bool_)
    used[surface.faces.ravel()] = True
    if used.all():
        return surface
    number = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return Surface(surface.positions[used], surface.colours[used], number[surface.faces], surface.twins)


@kernel
def _kept(
    faces: NDArray[np.int32], twins: NDArray[np.int32], gone: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    number = np.empty(len(faces), np.int32)
    count = 0
    for f in range(len(faces)):
        number[f] = -1 if gone[f] else count
        count += not gone[f]
    kept = np.empty((count, 3), np.int32)
    across = np.empty(3 * count, np.int32)
    for f in range(len(faces)):
        to = number[f]
        if to < 0:
            continue
        for i in range(3):
            kept[to, i] = faces[f, i]
            twin = twins[3 * f + i]
            there = number[twin // 3] if twin >= 0 else -1
            across[3 * to + i] = 3 * there + twin % 3 if there >= 0 else -1
    return kept, across
