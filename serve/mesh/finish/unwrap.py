"""A surface → UVs: charts that lie flat, packed into one texture. Knows no colours."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel
from serve.mesh.finish.unwrapping.charts import grow
from serve.mesh.finish.unwrapping.flat import frame
from serve.mesh.finish.unwrapping.pack import pack

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

# Directions, over a right angle, of which the one that gives a chart the smallest bounding box is taken.
_ROTATIONS: Final = 24


class Unwrapped(NamedTuple):
    """A surface whose vertices are split along the seams between charts.

    Attributes:
        source: (n,) int32, the given vertex from which each stems.
        faces: (f, 3) int32, the given faces in their order, with the new vertices.
        uvs: (n, 2) float32 in [0, 1], the origin in the texture's upper left corner (glTF's convention). Looked at with
            that corner in its place, the texture shows each face as it is seen from outside, not mirrored.
        chart: (f,) int32, from 0 on.
        mip_levels: For how many mip levels, from the full size on, at least two texels lie between any two charts and
            one between charts and the texture's border.
    """

    source: Indices
    faces: Indices
    uvs: NDArray[np.float32]
    chart: Indices
    mip_levels: int


def unwrap(positions: NDArray[np.float32], faces: Indices, texture_size: int) -> Unwrapped:
    """Gives a surface UVs under which no two faces lie on one spot, each in proportion to its area as near as may be.

    Faces keep their turn, and what area they have (but for float32's rounding: a face a millionth of the texture wide
    may come out as a line). See `pack.pack` for how wide gutters are, and what becomes of them when charts are many.

    Args:
        positions: (v, 3) float32, finite.
        faces: (f, 3) int32, f > 0, each edge with two faces at most, which run through it in opposite directions.
            A surface may be open.
        texture_size: Texels along a side, 64 to 8192.
    """
    unit = positions - positions.min(axis=0).astype(np.float64)
    unit /= max(float(unit.max()), 1e-300)
    corners = unit[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = np.linalg.norm(normals, axis=1)
    flat_ones = doubled > 0
    normals[flat_ones] /= doubled[flat_ones, None]
    normals[~flat_ones] = (0.0, 0.0, 1.0)  # a line has none; this one will do
    areas = doubled / 2
    charts = grow(unit, faces, normals, areas)
    source, split, flat = _flatten(unit, faces, areas, charts.chart, charts.axes, _ROTATIONS)
    packed = pack(flat, split, charts.chart, texture_size)
    return Unwrapped(source, split, packed.uvs, charts.chart, packed.mip_levels)


@kernel
def _flatten(
    positions: Floats, faces: Indices, areas: Floats, chart: Indices, axes: Floats, rotations: int
) -> tuple[Indices, Indices, Floats]:
    """Projects charts along their axes, gives them back the area that they lost by it and turns them into small boxes.

    Returns:
        The given vertex of each new one (n,), the faces with the new ones (F, 3), and their x and y (n, 2).
    """
    charts = len(axes)
    start = np.zeros(charts + 1, np.int32)
    for face in range(len(faces)):
        start[chart[face] + 1] += 1
    for number in range(charts):
        start[number + 1] += start[number]
    filled, members = start[:-1].copy(), np.empty(len(faces), np.int32)
    for face in range(len(faces)):
        members[filled[chart[face]]] = face
        filled[chart[face]] += 1
    split = np.empty_like(faces)
    source, flat = np.empty(3 * len(faces), np.int32), np.empty((3 * len(faces), 2))
    newest = np.full(len(positions), -1, np.int32)
    count = 0
    for number in range(charts):
        ux, uy, uz, vx, vy, vz = frame(axes[number, 0], axes[number, 1], axes[number, 2])
        begin = count
        area = seen_area = 0.0
        for face in members[start[number] : start[number + 1]]:
            for k in range(3):
                vertex = faces[face, k]
                if newest[vertex] < begin:
                    newest[vertex], source[count] = count, vertex
                    px, py, pz = positions[vertex, 0], positions[vertex, 1], positions[vertex, 2]
                    flat[count, 0], flat[count, 1] = ux * px + uy * py + uz * pz, vx * px + vy * py + vz * pz
                    count += 1
                split[face, k] = newest[vertex]
            a, b, c = split[face, 0], split[face, 1], split[face, 2]
            area += 2 * areas[face]
            seen_area += (flat[b, 0] - flat[a, 0]) * (flat[c, 1] - flat[a, 1])
            seen_area -= (flat[b, 1] - flat[a, 1]) * (flat[c, 0] - flat[a, 0])
        scale = np.sqrt(area / seen_area) if area > 0 and seen_area > 0 else 1.0
        smallest, cosine, sine = np.inf, 1.0, 0.0
        for rotation in range(rotations):
            x, y = np.cos(0.5 * np.pi * rotation / rotations), np.sin(0.5 * np.pi * rotation / rotations)
            left = low = np.inf
            right = high = -np.inf
            for vertex in range(begin, count):
                along, across = x * flat[vertex, 0] - y * flat[vertex, 1], y * flat[vertex, 0] + x * flat[vertex, 1]
                left, right, low, high = min(left, along), max(right, along), min(low, across), max(high, across)
            if (right - left) * (high - low) < smallest:
                smallest, cosine, sine = (right - left) * (high - low), x, y
        for vertex in range(begin, count):
            along, across = flat[vertex, 0], flat[vertex, 1]
            flat[vertex, 0] = scale * (cosine * along - sine * across)
            flat[vertex, 1] = scale * (sine * along + cosine * across)
    return source[:count].copy(), split, flat[:count].copy()
