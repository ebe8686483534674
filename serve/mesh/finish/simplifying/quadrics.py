"""How far a point is from the faces around a vertex, as a quadric. Knows no order of collapses.

After Garland and Heckbert, Surface Simplification Using Quadric Error Metrics (1997), and Trettner and Kobbelt, Fast
and Robust QEM Minimization using Probabilistic Quadrics (2020): each face's plane is uncertain by a little, so that
every quadric has one lowest point, and where it is flat a short edge costs less than a long one.

A quadric is a row of ten: the symmetric matrix A as xx xy xz yy yz zz, the vector b as x y z, and c. Its vertex is its
origin, so that little is lost to rounding: at x from there, its value is xᵀA x + 2 bᵀx + c.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel

_SPREAD: Final = 1e-8  # of a plane's own weight, along all axes alike
_BORDER: Final = 10.0  # a border's plane weighs as much as a face of this many times its edge's square
_REACH: Final = 4.0  # how far from an edge's middle its vertex may come to lie, in squared edge lengths


@kernel
def vertex_quadrics(
    points: NDArray[np.float32], faces: NDArray[np.int32], border: NDArray[np.int32]
) -> NDArray[np.float64]:
    """(V, 10) for every vertex: its faces' planes, by area, and upright planes along the border.

    All planes of a vertex run through it, so b and c are zero.

    Args:
        points: (V, 3).
        faces: (F, 3).
        border: (B, 3) for every border edge its two ends and its face's third corner.
    """
    quadrics = np.zeros((len(points), 10))
    for f in range(len(faces) + len(border)):
        is_face = f < len(faces)
        if is_face:
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        else:
            i, j, k = border[f - len(faces), 0], border[f - len(faces), 1], border[f - len(faces), 2]
        ux, uy, uz = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1], points[j, 2] - points[i, 2]
        vx, vy, vz = points[k, 0] - points[i, 0], points[k, 1] - points[i, 1], points[k, 2] - points[i, 2]
        nx, ny, nz = float(uy * vz - uz * vy), float(uz * vx - ux * vz), float(ux * vy - uy * vx)
        size = np.sqrt(nx * nx + ny * ny + nz * nz)
        if not is_face:
            # Across the edge, within its face.
            weight = _BORDER * float(ux * ux + uy * uy + uz * uz)
            nx, ny, nz = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux
            size = np.sqrt(nx * nx + ny * ny + nz * nz)
        else:
            weight = size
        if size == 0.0:
            continue
        nx, ny, nz = nx / size, ny / size, nz / size
        spread = _SPREAD * weight
        xx, yy, zz = weight * nx * nx + spread, weight * ny * ny + spread, weight * nz * nz + spread
        xy, xz, yz = weight * nx * ny, weight * nx * nz, weight * ny * nz
        for v in (i, j, k):
            if is_face or v != k:
                quadrics[v, 0] += xx
                quadrics[v, 1] += xy
                quadrics[v, 2] += xz
                quadrics[v, 3] += yy
                quadrics[v, 4] += yz
                quadrics[v, 5] += zz
    return quadrics


@kernel
def joined(
    points: NDArray[np.float32], quadrics: NDArray[np.float64], on_border: NDArray[np.bool_], a: int, b: int
) -> tuple[float, float, float, float, float, float, float]:
    """Where one vertex in the place of two would best be, and what that costs.

    A vertex on the border stays there: with one inside, the inner one goes to it, and two meet between them.

    Args:
        points: (V, 3).
        quadrics: (V, 10).
        on_border: (V,).
        a: One of the two vertices, each of which is the other's neighbour.
        b: The other.

    Returns:
        The cost, which is the sum of both quadrics there, at least zero; x y z of the place, seen from `a`; and the
        vector b of the sum, seen from that place.
    """
    dx = float(points[b, 0] - points[a, 0])
    dy = float(points[b, 1] - points[a, 1])
    dz = float(points[b, 2] - points[a, 2])
    # b's quadric seen from a: A stays, b becomes b - A d, c becomes c - 2 bᵀd + dᵀA d.
    xx, xy, xz = quadrics[b, 0], quadrics[b, 1], quadrics[b, 2]
    yy, yz, zz = quadrics[b, 3], quadrics[b, 4], quadrics[b, 5]
    bx, by, bz = quadrics[b, 6], quadrics[b, 7], quadrics[b, 8]
    ex, ey, ez = xx * dx + xy * dy + xz * dz, xy * dx + yy * dy + yz * dz, xz * dx + yz * dy + zz * dz
    constant = quadrics[a, 9] + quadrics[b, 9] + dx * (ex - 2 * bx) + dy * (ey - 2 * by) + dz * (ez - 2 * bz)
    bx, by, bz = quadrics[a, 6] + bx - ex, quadrics[a, 7] + by - ey, quadrics[a, 8] + bz - ez
    xx, xy, xz = quadrics[a, 0] + xx, quadrics[a, 1] + xy, quadrics[a, 2] + xz
    yy, yz, zz = quadrics[a, 3] + yy, quadrics[a, 4] + yz, quadrics[a, 5] + zz
    if on_border[a] or on_border[b]:
        along = 1.0 if on_border[b] else 0.0
        if on_border[a] and on_border[b]:
            slope = bx * dx + by * dy + bz * dz
            bend = dx * (xx * dx + 2 * (xy * dy + xz * dz)) + dy * (yy * dy + 2 * yz * dz) + zz * dz * dz
            along = min(max(-slope / bend, 0.0), 1.0) if bend > 0.0 else 0.5
        x, y, z = along * dx, along * dy, along * dz
    else:
        # A x = -b, where A = L D Lᵀ.
        l10, l20 = xy / xx, xz / xx
        d1 = yy - l10 * xy
        left = yz - l10 * xz
        l21 = left / d1
        d2 = zz - l20 * xz - l21 * left
        y = l10 * bx - by
        z = (l20 * bx - bz - l21 * y) / d2
        y = y / d1 - l21 * z
        x = -bx / xx - l10 * y - l20 * z
        off = (x - 0.5 * dx) ** 2 + (y - 0.5 * dy) ** 2 + (z - 0.5 * dz) ** 2
        if not off <= _REACH * (dx * dx + dy * dy + dz * dz):  # nor if it is no number
            x, y, z = 0.5 * dx, 0.5 * dy, 0.5 * dz
    gx, gy, gz = xx * x + xy * y + xz * z + bx, xy * x + yy * y + yz * z + by, xz * x + yz * y + zz * z + bz
    cost = max(constant + x * (gx + bx) + y * (gy + by) + z * (gz + bz), 0.0)
    return cost, x, y, z, gx, gy, gz
