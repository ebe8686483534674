"""Triangles on a texture: which one has each texel, and where on it. Knows neither places in space nor colours."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel
from serve.mesh.meshes import Floats

_REACH: Final = 2**0.5  # texels; filtering between four of them reads centres less than one away along x and y

_Corners = tuple[float, float, float, float, float, float]  # x y x y x y


@dataclass(frozen=True)
class Texels:
    """The texels that a mesh's faces have, face by face; those of a face run row by row.

    Attributes:
        texel: (N,) int32 flat indices into the (size, size) texture, each at most once.
        face: (N,) int32, rising.
        weights: (N, 3) float32 barycentric weights of that face's corners, none below 0, where the face is nearest to
            the texel's centre.
    """

    texel: NDArray[np.int32]
    face: NDArray[np.int32]
    weights: Floats


def texels_of(uvs: Floats, faces: NDArray[np.int32], size: int) -> Texels:
    """Each texel whose centre a face holds, and around these each that filtering anywhere on a face reads.

    So every texel that a face touches is among them. A centre that no face holds belongs to the nearest one; where
    several claim the same, the first has it.

    Args:
        uvs: (n, 2) float32 in [0, 1], the origin in the texture's upper left corner.
        faces: (f, 3) int32, of either orientation; those without area hold no centre.
        size: Of the texture's sides, in texels.
    """
    points = uvs * np.float32(size)
    return Texels(*_list(points, faces, _claim(points, faces, size)))


@kernel
def _claim(points: Floats, faces: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """(size, size) the face that has each texel, or -1."""
    owner = np.full((size, size), -1, dtype=np.int32)  # -2 - face: near that face, but not in it
    for reach in (0.0, _REACH):
        for face in range(len(faces)):
            corners = _corners(points, faces, face)
            top, bottom = _rows(corners, reach, size)
            for y in range(top, bottom):
                left, right = _columns(corners, y, reach, size)
                for x in range(left, right):
                    other = owner[y, x]
                    if other >= 0:
                        continue
                    if reach == 0:
                        if _holds(x, y, corners):
                            owner[y, x] = face
                        continue
                    distance = _nearest(x, y, corners)[3]
                    if distance >= reach**2:
                        continue
                    if other == -1 or distance < _nearest(x, y, _corners(points, faces, -2 - other))[3]:
                        owner[y, x] = -2 - face
    for y in range(size):
        for x in range(size):
            if owner[y, x] < -1:
                owner[y, x] = -2 - owner[y, x]
    return owner


@kernel
def _list(
    points: Floats, faces: NDArray[np.int32], owner: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """What `Texels` holds."""
    size = len(owner)
    end = np.zeros(len(faces) + 1, dtype=np.int32)  # of each face's texels so far, one further on
    for y in range(size):
        for x in range(size):
            end[owner[y, x] + 1] += 1
    end[0] = 0
    for face in range(len(faces)):
        end[face + 1] += end[face]
    texel, face_of = np.empty(end[-1], dtype=np.int32), np.empty(end[-1], dtype=np.int32)
    for y in range(size):
        for x in range(size):
            face = owner[y, x]
            if face >= 0:
                texel[end[face]], face_of[end[face]] = y * size + x, face
                end[face] += 1
    weights = np.empty((len(texel), 3), dtype=np.float32)
    for index in range(len(texel)):
        corners = _corners(points, faces, np.int64(face_of[index]))
        a, b, c, _ = _nearest(texel[index] % size, texel[index] // size, corners)
        weights[index, 0], weights[index, 1], weights[index, 2] = a, b, c
    return texel, face_of, weights


@kernel
def _corners(points: Floats, faces: NDArray[np.int32], face: int | np.int64) -> _Corners:
    a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
    ax, ay = np.float64(points[a, 0]), np.float64(points[a, 1])
    bx, by = np.float64(points[b, 0]), np.float64(points[b, 1])
    return ax, ay, bx, by, np.float64(points[c, 0]), np.float64(points[c, 1])


@kernel
def _rows(corners: _Corners, reach: float, size: int) -> tuple[int, int]:
    """The rows whose centres are within reach of a triangle: the first, and the one after the last."""
    _, ay, _, by, _, cy = corners
    first = int(np.ceil(min(ay, by, cy) - reach - 0.5))
    last = int(np.floor(max(ay, by, cy) + reach - 0.5))
    return max(0, first), min(size, last + 1)


@kernel
def _columns(corners: _Corners, row: int, reach: float, size: int) -> tuple[int, int]:
    """The same for the columns, of that part of the triangle which is within reach of a row's centres."""
    ax, ay, bx, by, cx, cy = corners
    low, high = row + 0.5 - reach, row + 0.5 + reach
    left, right = _extend(np.inf, -np.inf, ax, ay, bx, by, low, high)
    left, right = _extend(left, right, bx, by, cx, cy, low, high)
    left, right = _extend(left, right, cx, cy, ax, ay, low, high)
    if left > right:
        return 0, 0
    return max(0, int(np.ceil(left - reach - 0.5))), min(size, int(np.floor(right + reach - 0.5)) + 1)


@kernel
def _extend(
    left: float, right: float, ax: float, ay: float, bx: float, by: float, low: float, high: float
) -> tuple[float, float]:
    """A span along x, extended by what an edge has from `low` to `high` along y."""
    if min(ay, by) > high or max(ay, by) < low:
        return left, right
    from_x, to_x = ax, bx
    slope = (bx - ax) / (by - ay) if ay != by else 0.0
    if ay < low or ay > high:
        from_x += (min(max(ay, low), high) - ay) * slope
    if by < low or by > high:
        to_x += (min(max(by, low), high) - by) * slope
    return min(left, from_x, to_x), max(right, from_x, to_x)


@kernel
def _holds(column: int, row: int, corners: _Corners) -> bool:
    """Whether a texel's centre is in a triangle or on its edge; not so where that has no area."""
    area, b, c = _areas(column, row, corners)
    return area != 0 and b >= 0 and c >= 0 and b + c <= area


@kernel
def _areas(column: int, row: int, corners: _Corners) -> tuple[float, float, float]:
    """Twice a triangle's area, and what shares of it are its second and third corners' weights at a texel's centre."""
    ax, ay, bx, by, cx, cy = corners
    x, y = column + 0.5 - ax, row + 0.5 - ay
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    b, c = x * (cy - ay) - y * (cx - ax), (bx - ax) * y - (by - ay) * x
    return (area, b, c) if area >= 0 else (-area, -b, -c)


@kernel
def _nearest(column: int, row: int, corners: _Corners) -> tuple[float, float, float, float]:
    """The weights of a triangle's corners at its point nearest to a texel's centre, and their distance²."""
    ax, ay, bx, by, cx, cy = corners
    if _holds(column, row, corners):
        area, of_b, of_c = _areas(column, row, corners)
        b, c = of_b / area, of_c / area
        return max(0.0, 1 - b - c), b, c, 0.0
    x, y = column + 0.5, row + 0.5
    along, nearest = _on_edge(x, y, ax, ay, bx, by)
    weights = (1 - along, along, 0.0)
    along, distance = _on_edge(x, y, bx, by, cx, cy)
    if distance < nearest:
        nearest, weights = distance, (0.0, 1 - along, along)
    along, distance = _on_edge(x, y, cx, cy, ax, ay)
    if distance < nearest:
        nearest, weights = distance, (along, 0.0, 1 - along)
    return weights[0], weights[1], weights[2], nearest


@kernel
def _on_edge(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> tuple[float, float]:
    """How far along an edge, 0…1, its point nearest to (x, y) lies, and their distance²."""
    length = (bx - ax) ** 2 + (by - ay) ** 2
    along = 0.0
    if length > 0:
        along = min(1.0, max(0.0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length))
    return along, (ax + along * (bx - ax) - x) ** 2 + (ay + along * (by - ay) - y) ** 2
