"""The dense mesh's colours onto the simplified one's texture. Knows not how that was simplified or unwrapped."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.gutters import fill
from serve.mesh.finish.kernels import kernel
from serve.mesh.finish.texels import Texels, texels_of
from serve.mesh.finish.vectors import Vector, cross, dot, minus, mixed, row
from serve.mesh.measure import vertex_normals
from serve.mesh.meshes import DenseMesh, Floats, Pixels

_AWAY: Final = 16.0  # what looks the other way counts as four times as far: a thin wall's two sides stay apart

_Dense = tuple[Floats, NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]
_Simplified = tuple[Floats, NDArray[np.int32], NDArray[np.int32]]
_Texels = tuple[NDArray[np.int32], NDArray[np.int32], Floats]


@dataclass(frozen=True)
class Baked:
    """What a dense mesh looks like on a simplified one's texture.

    Attributes:
        texture: (size, size, 3) uint8 sRGB, every texel filled.
        texels: Those that the simplified mesh's faces have.
        normals: (N, 3) float32, for each of `texels` the dense mesh's unit normal in the object's frame; None where
            they were not asked for.
    """

    texture: Pixels
    texels: Texels
    normals: Floats | None


def bake(
    dense: DenseMesh,
    positions: Floats,
    faces: NDArray[np.int32],
    uvs: Floats,
    starts: NDArray[np.int32],
    size: int,
    *,
    with_normals: bool = False,
) -> Baked:
    """Every texel gets the dense mesh's colour at the point nearest to the texel's own on the simplified mesh.

    That point is found by walking: from the neighbouring texels' dense faces, or at first from the dense vertex that
    the simplified one stems from, to whatever face next to these is nearer, until none is. Between a face's corners
    colours are interpolated as the sRGB values they are. What no face has is filled from the texels around.

    Args:
        dense: Finite, and every vertex that is a start has a face.
        positions: (n, 3) float32, the simplified mesh's vertices, in the dense one's frame.
        faces: (f, 3) int32, counter-clockwise seen from outside.
        uvs: (n, 2) float32 in [0, 1], the origin in the texture's upper left corner; faces should not overlap.
        starts: (n,) int32, for each vertex a dense vertex near it.
        size: Of the texture's sides, in texels.
        with_normals: Whether the dense mesh's normals are wanted: interpolated between its vertices, each of which has
            the mean of the faces around it, weighted by area.
    """
    texels = texels_of(uvs, faces, size)
    first, around = _faces_around(dense.faces, len(dense.positions))
    face, weights = _nearest_points(
        (dense.positions, dense.faces, first, around),
        (positions, faces, starts),
        (texels.texel, texels.face, texels.weights),
        size,
    )
    texture, known = np.zeros((size * size, 3), dtype=np.uint8), np.zeros(size * size, dtype=np.bool_)
    _paint(texture, texels.texel, dense.colours, dense.faces, face, weights)
    known[texels.texel] = True
    filled = fill(texture.reshape(size, size, 3), known.reshape(size, size))
    return Baked(filled, texels, _normals(dense, face, weights) if with_normals else None)


def _normals(dense: DenseMesh, face: NDArray[np.int32], weights: Floats) -> Floats:
    """(N, 3) the unit normals at points on the dense mesh's faces."""
    at_vertices = vertex_normals(dense.positions.astype(np.float64), dense.faces.astype(np.int64))
    normals = _between(at_vertices.astype(np.float32), dense.faces, face, weights)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.float32(1e-12)))


@kernel
def _faces_around(faces: NDArray[np.int32], count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The faces around each of `count` vertices: `around[first[vertex]:first[vertex + 1]]`, rising."""
    first = np.zeros(count + 1, dtype=np.int32)
    for face in range(len(faces)):
        for corner in range(3):
            first[faces[face, corner]] += 1
    total = 0
    for vertex in range(count + 1):
        total += first[vertex]
        first[vertex] = total
    around = np.empty(3 * len(faces), dtype=np.int32)
    for face in range(len(faces) - 1, -1, -1):
        for corner in range(3):
            vertex = faces[face, corner]
            first[vertex] -= 1
            around[first[vertex]] = face
    return first, around


@kernel
def _paint(
    texture: Pixels,
    texel: NDArray[np.int32],
    colours: Pixels,
    faces: NDArray[np.int32],
    face: NDArray[np.int32],
    weights: Floats,
) -> None:
    """Writes the colours at points on the dense mesh to their texels of the texture, (size², 3)."""
    for point in range(len(texel)):
        a, b, c = faces[face[point], 0], faces[face[point], 1], faces[face[point], 2]
        of_a, of_b, of_c = weights[point, 0], weights[point, 1], weights[point, 2]
        for channel in range(3):
            colour = of_a * colours[a, channel] + of_b * colours[b, channel] + of_c * colours[c, channel]
            texture[texel[point], channel] = np.uint8(colour + 0.5)


@kernel
def _between(normals: Floats, faces: NDArray[np.int32], face: NDArray[np.int32], weights: Floats) -> Floats:
    """(N, 3) what vertices have, (V, 3), at points on the dense mesh."""
    mixed = np.empty((len(face), 3), dtype=np.float32)
    for point in range(len(face)):
        a, b, c = faces[face[point], 0], faces[face[point], 1], faces[face[point], 2]
        of_a, of_b, of_c = weights[point, 0], weights[point, 1], weights[point, 2]
        for axis in range(3):
            mixed[point, axis] = of_a * normals[a, axis] + of_b * normals[b, axis] + of_c * normals[c, axis]
    return mixed


@kernel
def _nearest_points(
    dense: _Dense, simplified: _Simplified, texels: _Texels, size: int
) -> tuple[NDArray[np.int32], Floats]:
    """The point on the dense mesh for each texel: its face, (N,), and the weights of that one's corners there, (N, 3).

    Args:
        dense: Positions, faces, and the faces around each vertex.
        simplified: Positions, faces, starts.
        texels: As `Texels` has them.
        size: Of the texture's sides.
    """
    dense_positions, dense_faces, first, around = dense
    positions, faces, starts = simplified
    texel, owner, weights = texels
    found, found_weights = np.empty(len(texel), dtype=np.int32), np.empty((len(texel), 3), dtype=np.float32)
    queue = np.empty(3 * np.max(first[1:] - first[:-1]), dtype=np.int32)
    lowest = np.full(size, -1, dtype=np.int32)  # in each column, the texel that was last
    leftmost = 0  # of this row or, for its first texel, of the row before
    for index in range(len(texel)):
        i, j, k = faces[owner[index], 0], faces[owner[index], 1], faces[owner[index], 2]
        a, b, c = row(positions, i), row(positions, j), row(positions, k)
        point = mixed(a, b, c, weights[index, 0], weights[index, 1], weights[index, 2])
        normal = cross(minus(b, a), minus(c, a))
        start, start_distance = _nearest_start(point, dense_positions, starts[i], starts[j], starts[k])
        begins = index == 0 or owner[index - 1] != owner[index]
        beside = not begins and texel[index - 1] == texel[index] - 1
        queue[0], queued = around[first[start]] if begins else found[index - 1 if beside else leftmost], 1
        if not beside:
            leftmost = index
        found[index], s, t = queue[0], 0.0, 0.0
        above = lowest[texel[index] % size]
        lowest[texel[index] % size] = index
        if above >= 0 and texel[above] == texel[index] - size:
            queue[1], queued = found[above], 2
        cost = np.inf
        while True:
            other, other_cost, other_s, other_t = _walk(
                point, normal, dense_positions, dense_faces, first, around, queue, queued
            )
            if other_cost < cost:
                found[index], cost, s, t = other, other_cost, other_s, other_t
            if begins or cost <= start_distance:
                break
            # Caught, further off than a vertex where it might have begun: so it begins there.
            queue[0], queued, begins = around[first[start]], 1, True
        found_weights[index, 0], found_weights[index, 1], found_weights[index, 2] = 1 - s - t, s, t
    return found, found_weights


@kernel
def _walk(
    point: Vector,
    normal: Vector,
    positions: Floats,
    faces: NDArray[np.int32],
    first: NDArray[np.int32],
    around: NDArray[np.int32],
    queue: NDArray[np.int32],
    queued: int,
) -> tuple[int, float, float, float]:
    """From the best of the queued faces to better ones next to it, until there is none.

    Next to a face are those that it meets where it is nearest to the point, at an edge or at a corner. Where the one
    that is found looks elsewhere, a nearer one may lie around a sharp edge: then all that it meets are next to it.

    Returns:
        The face, its cost (the distance² and what looking away costs), the weights of its second and third corner.
    """
    best, best_cost, best_s, best_t = int(queue[0]), np.inf, 0.0, 0.0
    here: int | np.int64 = np.int64(-1)
    widely = False
    while True:
        for index in range(queued):
            face = int(queue[index])
            a, b, c = row(positions, faces[face, 0]), row(positions, faces[face, 1]), row(positions, faces[face, 2])
            cost, s, t = _nearest_point(point, a, b, c)
            if cost < best_cost and dot(cross(minus(b, a), minus(c, a)), normal) < 0:
                cost *= _AWAY
            if cost < best_cost:
                best, best_cost, best_s, best_t = face, cost, s, t
        inside = best_s > 0 and best_t > 0 and best_s + best_t < 1
        if best == here or (inside and not widely):
            if widely or not _looks_elsewhere(faces, positions, best, normal):
                return best, best_cost, best_s, best_t
            widely = True
        queued = _queue_next(queue, faces, first, around, best, here, best_s, best_t, widely)
        here = best


@kernel
def _looks_elsewhere(faces: NDArray[np.int32], positions: Floats, face: int, normal: Vector) -> bool:
    """Whether a face's normal and another are more than 60° apart."""
    a, b, c = row(positions, faces[face, 0]), row(positions, faces[face, 1]), row(positions, faces[face, 2])
    own = cross(minus(b, a), minus(c, a))
    along = dot(own, normal)
    return bool(along < 0 or along * along < 0.25 * dot(own, own) * dot(normal, normal))


@kernel
def _queue_next(
    queue: NDArray[np.int32],
    faces: NDArray[np.int32],
    first: NDArray[np.int32],
    around: NDArray[np.int32],
    face: int,
    before: int | np.int64,
    s: float,
    t: float,
    widely: bool,
) -> int:
    """Queues the faces next to one, but not the one before it, and says how many they are; s and t as `_walk` says."""
    queued = 0
    if widely:
        for corner in range(3):
            vertex = faces[face, corner]
            for index in range(first[vertex], first[vertex + 1]):
                near = around[index]
                if near == before or (corner > 0 and _has(faces, near, faces[face, 0])):
                    continue
                if corner == 2 and _has(faces, near, faces[face, 1]):
                    continue
                queue[queued] = near
                queued += 1
        return queued
    vertex = other = faces[face, 0]
    if s > 0:
        vertex = faces[face, 1]
    elif t > 0:
        vertex = faces[face, 2]
    if s == 1 or t == 1:
        other = vertex
    elif s > 0 and t > 0:
        other = faces[face, 2]
    for index in range(first[vertex], first[vertex + 1]):
        near = around[index]
        if near != face and near != before and _has(faces, near, other):
            queue[queued] = near
            queued += 1
    return queued


@kernel
def _has(faces: NDArray[np.int32], face: int, vertex: int) -> bool:
    return bool(faces[face, 0] == vertex or faces[face, 1] == vertex or faces[face, 2] == vertex)


@kernel
def _nearest_point(point: Vector, a: Vector, b: Vector, c: Vector) -> tuple[float, float, float]:
    """The distance² between a point and a triangle, and the weights of b and of c where that is nearest to it.

    After Ericson, "Real-time collision detection", 2005, section 5.1.5.
    """
    ab, ac, ap = minus(b, a), minus(c, a), minus(point, a)
    bb, bc, cc = dot(ab, ab), dot(ab, ac), dot(ac, ac)
    a_b, a_c = dot(ab, ap), dot(ac, ap)  # along ab and ac as seen from a, from b, from c
    b_b, b_c = a_b - bb, a_c - bc
    c_b, c_c = a_b - bc, a_c - cc
    area_a, area_b, area_c = b_b * c_c - c_b * b_c, c_b * a_c - a_b * c_c, a_b * b_c - b_b * a_c
    if a_b <= 0 and a_c <= 0:
        s, t = 0.0, 0.0
    elif b_b >= 0 and b_c <= b_b:
        s, t = 1.0, 0.0
    elif c_c >= 0 and c_b <= c_c:
        s, t = 0.0, 1.0
    elif area_c <= 0 and a_b >= 0 and b_b <= 0:
        s, t = a_b / (a_b - b_b), 0.0
    elif area_b <= 0 and a_c >= 0 and c_c <= 0:
        s, t = 0.0, a_c / (a_c - c_c)
    elif area_a <= 0 and b_c >= b_b and c_b >= c_c:
        t = (b_c - b_b) / ((b_c - b_b) + (c_b - c_c))
        s = 1 - t
    else:
        whole = area_a + area_b + area_c
        s, t = area_b / whole, area_c / whole
    off = (ap[0] - s * ab[0] - t * ac[0], ap[1] - s * ab[1] - t * ac[1], ap[2] - s * ab[2] - t * ac[2])
    return dot(off, off), s, t


@kernel
def _nearest_start(point: Vector, positions: Floats, one: int, two: int, three: int) -> tuple[int, float]:
    """Which of three vertices is nearest to a point, and their distance²."""
    nearest, shortest = one, np.inf
    for vertex in (one, two, three):
        off = minus(point, row(positions, vertex))
        if dot(off, off) < shortest:
            nearest, shortest = vertex, dot(off, off)
    return nearest, shortest
