"""Edges → one vertex each, where that leaves the surface whole and its faces the right way up. Knows no costs."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel
from serve.mesh.finish.simplifying.edges import LEVELS
from serve.mesh.finish.simplifying.quadrics import joined

_REFUSED: Final = 32  # levels: an edge that cannot go now is dearer by two powers of two when it is asked again
_TURN: Final = 0.067  # cos² of 75°: no face turns further at once
_SLIVER: Final = 1e-3  # (twice the area / the longer side's square)²: a face below may not lose area
_GONE: Final = -1


@kernel
def collapse(
    corners: NDArray[np.int32],
    surplus: int,
    faces: NDArray[np.int32],
    starts: NDArray[np.int32],
    fans: NDArray[np.int32],
    on_border: NDArray[np.bool_],
    origin: NDArray[np.int32],
    dense: NDArray[np.float32],
    points: NDArray[np.float32],
    quadrics: NDArray[np.float64],
    levels: NDArray[np.int16],
) -> tuple[int, NDArray[np.int32], NDArray[np.bool_]]:
    """Collapses one edge after the other. A vertex that came of one stays as it is until the next call.

    An edge is refused if the surface would not stay the manifold that it is (the link condition; Dey, Edelsbrunner,
    Guha and Nekhayev, Topology Preserving Edge Contraction, 1999), if it would get a vertex with three faces (so the
    least closed piece has eight), or if a face would turn too far or become a sliver.

    Args:
        corners: (n,) edges as 3 f + k, from a face's corner to its next, in the order in which to take them.
        surplus: After this many faces went, it is enough. Faces of the last vertex do not count.
        faces: (F, 3), closed: borders are joined to the last vertex, which has no place.
        starts: (V + 1,) where each vertex's rows of `fans` start.
        fans: (3 F, 2) each vertex's faces, as their two other corners. Written.
        on_border: (V,) Written.
        origin: (V,) the dense vertex that each stems from. Written.
        dense: (D, 3) the dense vertices' positions.
        points: (V, 3) Written.
        quadrics: (V, 10) Written.
        levels: (F, 3) the edges' costs: those refused go up. Written.

    Returns:
        How many faces went, the last vertex's apart; (V,) for every vertex the one that it is now; (V,) whether it took
        part in a collapse.
    """
    outside = len(points) - 1
    into = np.arange(len(points)).astype(np.int32)
    touched = np.zeros(len(points), np.bool_)
    touched[outside] = True
    valence = starts[1:] - starts[:-1]
    ring = np.empty(valence.max(), np.int32)
    gone = 0
    for corner in corners:
        if gone >= surplus:
            break
        f, k = corner // 3, corner % 3
        # Where one of them is another vertex by now, that one is touched.
        a, b = faces[f, k], faces[f, (k + 1) % 3]
        if touched[a] or touched[b]:
            continue
        if not _stays_manifold(starts, fans, on_border, valence, ring, a, b):
            levels[f, k] = min(levels[f, k] + _REFUSED, LEVELS - 1)
            continue
        cost, x, y, z, bx, by, bz = joined(points, quadrics, on_border, a, b)
        px, py, pz = np.float32(points[a, 0] + x), np.float32(points[a, 1] + y), np.float32(points[a, 2] + z)
        if _spoils(points, starts, fans, a, b, px, py, pz) or _spoils(points, starts, fans, b, a, px, py, pz):
            levels[f, k] = min(levels[f, k] + _REFUSED, LEVELS - 1)
            continue
        i, j = origin[a], origin[b]
        to_i = (dense[i, 0] - px) ** 2 + (dense[i, 1] - py) ** 2 + (dense[i, 2] - pz) ** 2
        to_j = (dense[j, 0] - px) ** 2 + (dense[j, 1] - py) ** 2 + (dense[j, 2] - pz) ** 2
        if to_j < to_i:
            origin[a] = j
        points[a, 0], points[a, 1], points[a, 2] = px, py, pz
        for m in range(6):
            quadrics[a, m] += quadrics[b, m]
        quadrics[a, 6], quadrics[a, 7], quadrics[a, 8], quadrics[a, 9] = bx, by, bz, cost
        on_border[a] |= on_border[b]
        touched[a] = touched[b] = True
        into[b] = a
        valence[a] += valence[b] - 4
        gone += _hand_over(starts, fans, touched, valence, a, b)
    return gone, into, touched


@kernel
def _stays_manifold(
    starts: NDArray[np.int32],
    fans: NDArray[np.int32],
    on_border: NDArray[np.bool_],
    valence: NDArray[np.int32],
    ring: NDArray[np.int32],
    a: int,
    b: int,
) -> bool:
    """Whether a and b have the two neighbours in common that their two faces have, and those keep faces enough."""
    outside = len(on_border) - 1
    count = 0
    for i in range(starts[a], starts[a + 1]):
        if fans[i, 0] != _GONE:
            ring[count] = fans[i, 0]
            count += 1
    shared = 0
    for i in range(starts[b], starts[b + 1]):
        v = fans[i, 0]
        if v != _GONE:
            for j in range(count):
                if ring[j] == v:
                    shared += 1
                    if v != outside and valence[v] < (4 if on_border[v] else 5):
                        return False
    return shared == 2


@kernel
def _spoils(
    points: NDArray[np.float32],
    starts: NDArray[np.int32],
    fans: NDArray[np.int32],
    a: int,
    b: int,
    x: np.float32,
    y: np.float32,
    z: np.float32,
) -> bool:
    """Whether one of a's faces without b would turn too far or become too thin, were a at x y z."""
    outside = len(points) - 1
    for i in range(starts[a], starts[a + 1]):
        u, v = fans[i, 0], fans[i, 1]
        if u == _GONE or b in (u, v) or outside in (u, v):
            continue
        ux, uy, uz = points[u, 0], points[u, 1], points[u, 2]
        ex, ey, ez = points[v, 0] - ux, points[v, 1] - uy, points[v, 2] - uz
        ox, oy, oz = points[a, 0] - ux, points[a, 1] - uy, points[a, 2] - uz
        nx, ny, nz = x - ux, y - uy, z - uz
        old_x, old_y, old_z = float(ey * oz - ez * oy), float(ez * ox - ex * oz), float(ex * oy - ey * ox)
        new_x, new_y, new_z = float(ey * nz - ez * ny), float(ez * nx - ex * nz), float(ex * ny - ey * nx)
        along = old_x * new_x + old_y * new_y + old_z * new_z
        old_area = old_x * old_x + old_y * old_y + old_z * old_z
        new_area = new_x * new_x + new_y * new_y + new_z * new_z
        if along <= 0.0 or along * along < _TURN * old_area * new_area:
            return True
        side = max(ex * ex + ey * ey + ez * ez, nx * nx + ny * ny + nz * nz)
        if new_area < _SLIVER * side * side and new_area < old_area:
            return True
    return False


@kernel
def _hand_over(
    starts: NDArray[np.int32],
    fans: NDArray[np.int32],
    touched: NDArray[np.bool_],
    valence: NDArray[np.int32],
    a: int,
    b: int,
) -> int:
    """Puts a in b's place around b, and gives the number of faces that went, the last vertex's apart."""
    outside = len(valence) - 1
    gone = 0
    for i in range(starts[b], starts[b + 1]):
        v = fans[i, 0]
        if v == _GONE:
            continue
        if v == a or fans[i, 1] == a:
            third = fans[i, 1] if v == a else v
            valence[third] -= 1
            gone += third != outside
        if not touched[v]:  # else nobody asks for its faces any more
            for j in range(starts[v], starts[v + 1]):
                if fans[j, 0] == b:
                    fans[j, 0] = _GONE if fans[j, 1] == a else a
                elif fans[j, 1] == b:
                    fans[j, 1] = a
                    if fans[j, 0] == a:
                        fans[j, 0] = _GONE
    return gone


@kernel
def compact(
    into: NDArray[np.int32],
    faces: NDArray[np.int32],
    levels: NDArray[np.int16],
    touched: NDArray[np.bool_],
    on_border: NDArray[np.bool_],
    origin: NDArray[np.int32],
    points: NDArray[np.float32],
    quadrics: NDArray[np.float64],
) -> tuple[int, int]:
    """Moves what is left to the front of each array, in the order that it has, and counts the vertices and the faces.

    Args:
        into: (V,) for every vertex the one that it is now; both ends of a face's edge, where the face went.
        faces: (F, 3) Written.
        levels: (F, 3) Written.
        touched: (V,) Written.
        on_border: (V,) Written.
        origin: (V,) Written.
        points: (V, 3) Written.
        quadrics: (V, 10) Written.
    """
    vertices = 0
    number = np.empty_like(into)
    for v in range(len(into)):
        if into[v] == v:
            number[v] = vertices
            touched[vertices], on_border[vertices], origin[vertices] = touched[v], on_border[v], origin[v]
            for k in range(3):
                points[vertices, k] = points[v, k]
            for k in range(10):
                quadrics[vertices, k] = quadrics[v, k]
            vertices += 1
    for v in range(len(into)):
        number[v] = number[into[v]]
    left = 0
    for f in range(len(faces)):
        a, b, c = number[faces[f, 0]], number[faces[f, 1]], number[faces[f, 2]]
        if a != b and b != c and c != a:
            faces[left, 0], faces[left, 1], faces[left, 2] = a, b, c
            for k in range(3):
                levels[left, k] = levels[f, k]
            left += 1
    return vertices, left
