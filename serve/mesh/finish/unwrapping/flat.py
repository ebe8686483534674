"""Whether a patch of triangles lies flat: seen along an axis, no fold and no overlap. Knows not how they are made."""

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


@kernel
def lies_flat(
    positions: Floats,
    faces: Indices,
    neighbours: Indices,
    normals: Floats,
    label: Indices,
    members: Indices,
    axis: Floats,
    widest: float,
    seen: Indices,
    token: int,
) -> bool:
    """Whether a connected patch, seen along an axis, shows every face from its front and no two on one spot.

    It is exact but for rounding. Where every face is seen from its front, a spot is covered as often as the outlines
    wind around it. So that this is once, no two edges of the outlines may meet, no outline may come by a vertex twice,
    and the faces at such a vertex may go around it once at most. Then the outlines are simple closed curves of one turn
    each (Hopf, "Über die Drehung der Tangenten und Sehnen ebener Kurven", 1935): those that enclose the patch, less
    those around its holes, are as many as its Euler characteristic, less the turns too many around vertices within
    (Gauss and Bonnet). At least one encloses it; so it is just one, and there are neither handles nor such turns.

    Args:
        positions: (V, 3).
        faces: (F, 3), at most two on an edge, which run through it in opposite directions.
        neighbours: (F, 3) the face beyond the edge from corner k to the next, or -1.
        normals: (F, 3) unit length.
        label: (F,) one number for all of the patch and for nothing else.
        members: The patch's faces.
        axis: (3,) unit length, towards the viewer.
        widest: The widest angle allowed between a face's normal and the axis, in radians, below a right angle.
        seen: (V,) scratch, in which nothing holds `token` yet.
        token: A number that marks this call.
    """
    least = np.cos(widest)
    own = label[members[0]]
    edges = 0
    for face in members:
        if normals[face, 0] * axis[0] + normals[face, 1] * axis[1] + normals[face, 2] * axis[2] < least:
            return False
        for k in range(3):
            if neighbours[face, k] < 0 or label[neighbours[face, k]] != own:
                edges += 1
    ux, uy, uz, vx, vy, vz = frame(axis[0], axis[1], axis[2])
    ends, lowest = np.empty((edges, 4)), np.empty(edges)
    names, sides = np.empty((edges, 2), np.int32), np.empty(edges, np.int32)
    x, y = np.empty(3), np.empty(3)
    edge = 0
    for face in members:
        for k in range(3):
            px, py, pz = positions[faces[face, k], 0], positions[faces[face, k], 1], positions[faces[face, k], 2]
            x[k], y[k] = ux * px + uy * py + uz * pz, vx * px + vy * py + vz * pz
        for k in range(3):
            after = (k + 1) % 3
            if neighbours[face, k] < 0 or label[neighbours[face, k]] != own:
                if seen[faces[face, k]] == token:
                    return False
                seen[faces[face, k]] = token
                ends[edge, 0], ends[edge, 1], ends[edge, 2], ends[edge, 3] = x[k], y[k], x[after], y[after]
                names[edge, 0], names[edge, 1] = faces[face, k], faces[face, after]
                sides[edge], lowest[edge] = 3 * face + k, min(x[k], x[after])
                edge += 1
    for edge in range(edges):
        # From the edge back around the vertex at its end, until the next edge of the outline.
        face, k = sides[edge] // 3, (sides[edge] % 3 + 1) % 3
        vertex, from_x, from_y = names[edge, 1], ends[edge, 0] - ends[edge, 2], ends[edge, 1] - ends[edge, 3]
        first = True
        old_x = old_y = 0.0
        while True:
            head = faces[face, (k + 1) % 3]
            px, py, pz = positions[head, 0], positions[head, 1], positions[head, 2]
            new_x = ux * px + uy * py + uz * pz - ends[edge, 2]
            new_y = vx * px + vy * py + vz * pz - ends[edge, 3]
            if not first and new_x * from_y - new_y * from_x > 0 and from_x * old_y - from_y * old_x >= 0:
                return False
            other = neighbours[face, k]
            if other < 0 or label[other] != own:
                break
            for side in range(3):
                if faces[other, side] == vertex:
                    k = side
            face = other
            old_x, old_y, first = new_x, new_y, False
    order = np.argsort(lowest)
    for at in range(edges):
        end = max(ends[order[at], 0], ends[order[at], 2])
        for later in range(at + 1, edges):
            if lowest[order[later]] > end:
                break
            if _meet(ends, names, order[at], order[later]):
                return False
    return True


@kernel
def frame(x: float, y: float, z: float) -> tuple[float, float, float, float, float, float]:
    """Two unit vectors, u and v, that with the given unit vector are right-handed: u × v is the given one.

    After Duff, Burgess, Christensen, Hery, Kensler, Liani and Villemin, "Building an Orthonormal Basis, Revisited"
    (2017).
    """
    sign = 1.0 if z >= 0 else -1.0
    a = -1 / (sign + z)
    b = x * y * a
    return 1 + sign * x * x * a, sign * b, -sign * x, b, sign + y * y * a, -y


@kernel
def _meet(ends: Floats, names: Indices, i: int, j: int) -> bool:
    """Whether two edges meet anywhere but at a vertex that they share."""
    ax, ay, bx, by = ends[i, 0], ends[i, 1], ends[i, 2], ends[i, 3]
    cx, cy, dx, dy = ends[j, 0], ends[j, 1], ends[j, 2], ends[j, 3]
    if max(ay, by) < min(cy, dy) or max(cy, dy) < min(ay, by):
        return False
    if names[i, 0] == names[j, 0] or names[i, 0] == names[j, 1]:
        return False
    if names[i, 1] == names[j, 0] or names[i, 1] == names[j, 1]:
        return False
    of_c = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    of_d = (bx - ax) * (dy - ay) - (by - ay) * (dx - ax)
    if (of_c > 0 and of_d > 0) or (of_c < 0 and of_d < 0):
        return False
    of_a = (dx - cx) * (ay - cy) - (dy - cy) * (ax - cx)
    of_b = (dx - cx) * (by - cy) - (dy - cy) * (bx - cx)
    return not ((of_a > 0 and of_b > 0) or (of_a < 0 and of_b < 0))
