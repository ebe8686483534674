"""Which faces hang together, and how large each piece is. Knows not what is to become of a piece."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.cleaning.surface import Surface, doubled, root
from serve.mesh.finish.kernels import kernel


@dataclass(frozen=True)
class Pieces:
    """The pieces of a surface, numbered by their first faces.

    Attributes:
        of_face: (F,) int32, the piece of every face.
        area: (P,) in square units.
        volume: (P,) in cubic units: positive where the faces of a closed piece look outward, negative where they look
            inward. Says nothing of an open piece.
        closed: (P,) whether the piece has no border.
    """

    of_face: NDArray[np.int32]
    area: NDArray[np.float64]
    volume: NDArray[np.float64]
    closed: NDArray[np.bool_]


def pieces(surface: Surface) -> Pieces:
    """The pieces of a surface whose fans are parted, so that faces with a common vertex have a common edge too."""
    piece_of, count = _piece_of(surface.faces, len(surface.positions))
    return Pieces(piece_of, *_sizes(surface.positions, surface.faces, surface.twins, piece_of, count))


def look_outward(surface: Surface, found: Pieces) -> tuple[Surface, int]:
    """The surface with every closed piece turned to look outward, and how many faces were turned.

    A piece that looks inward stays as it is inside another closed one: it is the wall of a cavity.
    """
    turned = np.zeros(len(found.area), dtype=np.bool_)
    for piece in np.flatnonzero(found.closed & (found.volume < 0)):
        turned[piece] = not _is_inside(surface.positions, surface.faces, found.of_face, found.closed, int(piece))
    if not turned.any():
        return surface, 0
    turn = turned[found.of_face]
    faces = np.where(turn[:, None], surface.faces[:, [0, 2, 1]], surface.faces)
    # A turned face has its half-edges the other way and in the other order, and so has its neighbour.
    across = surface.twins.reshape(-1, 3)[:, ::-1]
    across = np.where(across < 0, -1, across + 2 - 2 * (across % 3))
    twins = np.where(turn[:, None], across, surface.twins.reshape(-1, 3)).astype(np.int32).ravel()
    return Surface(surface.positions, surface.colours, faces, twins), int(np.count_nonzero(turn))


@kernel
def _piece_of(faces: NDArray[np.int32], vertices: int) -> tuple[NDArray[np.int32], int]:
    parent = np.arange(vertices).astype(np.int32)
    for f in range(len(faces)):
        a = root(parent, faces[f, 0])
        for i in range(1, 3):
            b = root(parent, faces[f, i])
            if a < b:
                parent[b] = a
            elif b < a:
                parent[a] = b
                a = b
    number = np.full(vertices, -1, np.int32)
    piece_of = np.empty(len(faces), np.int32)
    count = 0
    for f in range(len(faces)):
        a = root(parent, faces[f, 0])
        if number[a] < 0:
            number[a] = count
            count += 1
        piece_of[f] = number[a]
    return piece_of, count


@kernel
def _sizes(
    positions: NDArray[np.float32],
    faces: NDArray[np.int32],
    twins: NDArray[np.int32],
    piece_of: NDArray[np.int32],
    count: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Area, signed volume and closedness of each piece; volumes are sums of tetrahedra with the piece's first vertex.

    Volume: Zhang and Chen, Efficient Feature Extraction for 2D/3D Objects in Mesh Representation (2001).
    """
    area, volume = np.zeros(count), np.zeros(count)
    closed = np.ones(count, np.bool_)
    tip = np.full(count, -1, np.int32)
    for f in range(len(faces)):
        piece = piece_of[f]
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if tip[piece] < 0:
            tip[piece] = a
        normal = doubled(positions, a, b, c)
        area[piece] += np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2) / 2
        for axis in range(3):
            volume[piece] += (np.float64(positions[a, axis]) - positions[tip[piece], axis]) * normal[axis] / 6
        if twins[3 * f] < 0 or twins[3 * f + 1] < 0 or twins[3 * f + 2] < 0:
            closed[piece] = False
    return area, volume, closed


@kernel
def _is_inside(
    positions: NDArray[np.float32],
    faces: NDArray[np.int32],
    piece_of: NDArray[np.int32],
    closed: NDArray[np.bool_],
    piece: int,
) -> bool:
    """Whether a piece lies within an odd number of other closed ones: a ray from it along x crosses them so often."""
    first = 0
    while piece_of[first] != piece:
        first += 1
    x = y = z = 0.0
    for i in range(3):  # The middle of a face: no corner, through whose coordinates a lattice's other edges might run.
        x += np.float64(positions[faces[first, i], 0]) / 3
        y += np.float64(positions[faces[first, i], 1]) / 3
        z += np.float64(positions[faces[first, i], 2]) / 3
    inside = False
    for f in range(len(faces)):
        if piece_of[f] == piece or not closed[piece_of[f]]:
            continue
        signs = 0
        total = depth = 0.0
        for i in range(3):
            a, b = faces[f, (i + 1) % 3], faces[f, (i + 2) % 3]
            # Twice the area of the point with one side, seen along x, from the lower vertex to the higher one, so that
            # the faces at both sides of an edge agree.
            low, high = min(a, b), max(a, b)
            twice = (positions[low, 1] - y) * (positions[high, 2] - z) - (positions[low, 2] - z) * (
                positions[high, 1] - y
            )
            if low != a:
                twice = -twice
            positive = twice > 0 or (twice == 0 and low == a)
            signs += 1 if positive else -1
            total += twice
            depth += twice * positions[faces[f, i], 0]
        if (signs == 3 or signs == -3) and total != 0 and depth / total > x:
            inside = not inside
    return inside
