"""A small dense mesh with every fault, so that finishing it leaves nothing untried. Knows no fault's cure."""

import numpy as np
from numpy.typing import NDArray

from serve.mesh.meshes import DenseMesh

# The sides of a cube, its corners numbered by x + 2 y + 4 z: the last one looks along z.
_SIDES = ((0, 2, 3, 1), (0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6), (4, 5, 7, 6))
_APART = 4  # between the middles of pieces


def faulty_mesh() -> DenseMesh:
    """A mesh on whose way nothing is left out: no number in the report of its cleaning is 0."""
    corner_on_an_edge = [[0, 1, 2], [0, 3, 1], [2, 1, 4], [0, 2, 4], [0, 4, 5], [4, 1, 5], [0, 5, 3], [5, 1, 3]]
    places = [[0, 0, 0], [2, 0, 0], [1, 0, 0], [1, 1, 1], [1, 1, -1], [1, -1, 0]]
    # Two sheets on one edge, three on another: the third hangs together with the others at both of its ends.
    sheets = [[0, 1, 4], [0, 1, 2], [4, 2, 1], [0, 2, 4], [2, 4, 3]]
    pieces: list[tuple[NDArray[np.float64], list[list[int]]]] = [
        _tube(),
        _torn_shell(),
        (_cube(1), [face[::-1] for face in _triangles(_SIDES)]),
        (np.concatenate((_cube(1), _cube(0.05)[4:] + np.array((0, 0, 0.95)))), _triangles((*_SIDES[:5], *_ring(4, 8)))),
        (np.array(places, dtype=np.float64), corner_on_an_edge),
        (np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], dtype=np.float64), sheets),
        # Corners at one place, a face that has one of them twice, and a copy of a face.
        (np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]), [[0, 1, 2], [0, 1, 3], [1, 2, 0], [3, 2, 1]]),
        (np.array([[0, 0, 0], [0.01, 0, 0], [0, 0.01, 0]]), [[0, 1, 2]]),
        (np.array([[np.nan, 0, 0], [1, 0, 0], [0, 1, 0]]), [[0, 1, 2]]),
    ]
    positions, faces, start = [], [], 0
    for number, (corners, triangles) in enumerate(pieces):
        positions.append(corners + np.array((_APART * number, 0, 0)))
        faces.append(np.array(triangles) + start)
        start += len(corners)
    colours = np.zeros((start, 3), dtype=np.uint8)
    return DenseMesh(np.concatenate(positions).astype(np.float32), np.concatenate(faces).astype(np.int32), colours)


def _tube() -> tuple[NDArray[np.float64], list[list[int]]]:
    """A ring of a thousand faces, for what comes after cleaning; one of them is turned round."""
    round_, across = 24, 20
    far, near = np.meshgrid(
        np.arange(round_) * 2 * np.pi / round_, np.arange(across) * 2 * np.pi / across, indexing="ij"
    )
    reach = 1.2 + 0.5 * np.cos(near)
    corners = np.stack([reach * np.cos(far), reach * np.sin(far), 0.5 * np.sin(near)], axis=-1).reshape(-1, 3)
    index = np.pad(np.arange(round_ * across).reshape(round_, across), ((0, 1), (0, 1)), mode="wrap")
    sides = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4).tolist()
    triangles = _triangles(tuple(sides))
    triangles[0].reverse()
    return corners, triangles


def _torn_shell() -> tuple[NDArray[np.float64], list[list[int]]]:
    """A hollow cube, whose inside hangs together with its outside through a crack."""
    crack = _cube(0.003)[4:]
    corners = (_cube(1), crack + np.array((0, 0, 0.997)), _cube(0.7), crack + np.array((0, 0, 0.697)))
    inner = [[corner + 12 for corner in side][::-1] for side in (*_SIDES[:5], *_ring(4, 8))]
    through = [[8, 9, 21, 20], [9, 11, 23, 21], [11, 10, 22, 23], [10, 8, 20, 22]]
    return np.concatenate(corners), _triangles((*_SIDES[:5], *_ring(4, 8), *inner, *through))


def _cube(half: float) -> NDArray[np.float64]:
    """(8, 3) corners, this far from the middle along each axis."""
    number = np.arange(8)
    return half * (2.0 * np.stack((number & 1, number >> 1 & 1, number >> 2), -1) - 1)


def _ring(outer: int, inner: int) -> list[list[int]]:
    """The side of a cube around a square hole; each has four corners from these numbers on."""
    around = (0, 1, 3, 2)
    return [[outer + a, outer + b, inner + b, inner + a] for a, b in zip(around, around[1:] + around[:1], strict=True)]


def _triangles(sides: tuple[tuple[int, ...] | list[int], ...]) -> list[list[int]]:
    return [triangle for a, b, c, d in sides for triangle in ([a, b, c], [a, c, d])]
