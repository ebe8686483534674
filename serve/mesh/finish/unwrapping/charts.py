"""Triangles → charts: connected patches that lie flat, seen along an axis of their own. Knows no texture.

Charts grow bottom-up in two rounds, cheapest first. The first joins faces by bounds that cost next to nothing, and what
does not lie flat is taken apart again along the tree of its joins; the second looks at every edge of a union before it
is made. After Sander, Wood, Gortler, Snyder and Hoppe, "Multi-Chart Geometry Images" (2003).
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel
from serve.mesh.finish.unwrapping.cones import join_cones
from serve.mesh.finish.unwrapping.flat import lies_flat
from serve.mesh.finish.unwrapping.heap import pop, push

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

# The widest angle between a face and the plane of its chart, in radians: there it keeps 0.36 of its area. And what a
# chart as a whole must keep of it: no plate is seen at a slant for the sake of its rim.
_WIDEST, _KEPT = 1.2, 0.8
# The worst shape of a chart: its outline's squared length over 4π times its area, which is 1 for a disc and 8 for a
# strip 25 times as long as it is wide. Coils and rims pack badly.
_WORST_SHAPE: Final = 8.0
# What the shape counts beside the widest angle: compact charts pack better.
_SHAPE_WEIGHT: Final = 0.2
# The same in the first round, for cones: its bounds are loose, and the second fits closer.
_WIDEST_AT_FIRST, _SHAPE_WEIGHT_AT_FIRST = 0.7, 0.1
# A chart's normals are known by those that reach farthest in this many directions.
_DIRECTIONS: Final = 16


class Charts(NamedTuple):
    """Which face is in which chart.

    Attributes:
        chart: (F,) from 0 to C - 1, in the order of their first faces.
        axes: (C, 3) unit length: seen along it, towards the viewer, the chart lies flat.
    """

    chart: Indices
    axes: Floats


def grow(positions: Floats, faces: Indices, normals: Floats, areas: Floats) -> Charts:
    """Parts a surface into charts that lie flat. No chart reaches over a border, and each is connected by edges.

    Args:
        positions: (V, 3).
        faces: (F, 3), F > 0, each edge with two faces at most, which run through it in opposite directions.
        normals: (F, 3) the faces' normals, unit length.
        areas: (F,) the faces' areas.
    """
    neighbours = _neighbours(faces, len(positions))
    corners = positions[faces]
    lengths = np.linalg.norm(corners[:, [1, 2, 0]] - corners, axis=2)
    halves, roots = join_cones(neighbours, lengths, normals, areas, _WIDEST_AT_FIRST, _SHAPE_WEIGHT_AT_FIRST)
    label, axes = _flat_parts(positions, faces, neighbours, normals, areas, halves, roots, _WIDEST)
    _join_flat(
        positions,
        faces,
        neighbours,
        lengths,
        normals,
        areas,
        label,
        axes,
        _directions(_DIRECTIONS),
        _WIDEST,
        _KEPT,
        _WORST_SHAPE,
        _SHAPE_WEIGHT,
    )
    _, first, chart = np.unique(label, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order))
    return Charts(rank[chart.reshape(-1)], axes[label[first[order]]])


def _directions(count: int) -> Floats:
    """(count, 3) unit vectors spread evenly, on a spiral from pole to pole that turns by the golden angle."""
    step = np.arange(count) + 0.5
    polar, around = np.arccos(1 - 2 * step / count), np.pi * (3 - np.sqrt(5)) * step
    return np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], axis=1)


@kernel
def _neighbours(faces: Indices, vertex_count: int) -> Indices:
    """(F, 3) the face beyond the edge from corner k to the next, or -1 where there is none."""
    start = np.zeros(vertex_count + 1, np.int32)
    for face in range(len(faces)):
        for k in range(3):
            start[min(faces[face, k], faces[face, (k + 1) % 3]) + 1] += 1
    for vertex in range(vertex_count):
        start[vertex + 1] += start[vertex]
    filled = start[:-1].copy()
    waiting = np.empty(3 * len(faces), np.int32)
    found = np.full((len(faces), 3), -1, np.int32)
    for face in range(len(faces)):
        for k in range(3):
            tail, head = faces[face, k], faces[face, (k + 1) % 3]
            low = min(tail, head)
            for at in range(start[low], filled[low]):
                other, side = waiting[at] // 3, waiting[at] % 3
                if faces[other, side] == head and faces[other, (side + 1) % 3] == tail and found[other, side] < 0:
                    found[other, side], found[face, k] = face, other
                    break
            if found[face, k] < 0:
                waiting[filled[low]] = 3 * face + k
                filled[low] += 1
    return found


@kernel
def _flat_parts(
    positions: Floats,
    faces: Indices,
    neighbours: Indices,
    normals: Floats,
    areas: Floats,
    halves: Indices,
    roots: Indices,
    widest: float,
) -> tuple[Indices, Floats]:
    """Takes trees of joined faces apart until every part lies flat, seen along its mean normal.

    Returns:
        (F,) the part of every face, and the parts' axes (P, 3).
    """
    count = len(faces)
    nodes = count + len(halves)
    sizes = np.ones(nodes, np.int32)
    for joined in range(len(halves)):
        sizes[count + joined] = sizes[halves[joined, 0]] + sizes[halves[joined, 1]]
    # The faces below a node lie side by side in `order`, from its start on.
    start, order = np.zeros(nodes, np.int32), np.empty(count, np.int32)
    filled = 0
    for root in roots:
        start[root] = filled
        filled += sizes[root]
    for joined in range(len(halves) - 1, -1, -1):
        left, right = halves[joined, 0], halves[joined, 1]
        start[left] = start[count + joined]
        start[right] = start[left] + sizes[left]
    for face in range(count):
        order[start[face]] = face
    label, axes = np.full(count, -1, np.int32), np.empty((count, 3))
    seen = np.full(len(positions), -1, np.int32)
    waiting = np.empty(nodes, np.int32)
    waits = len(roots)
    waiting[:waits] = roots[::-1]
    parts = tries = 0
    axis = np.empty(3)
    while waits > 0:
        waits -= 1
        node = waiting[waits]
        members = order[start[node] : start[node] + sizes[node]]
        axis[:] = 0.0
        for face in members:
            label[face] = parts
            for k in range(3):
                axis[k] += areas[face] * normals[face, k]
        length = np.sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2)
        if length > 0 and sizes[node] > 1:
            axis /= length
        else:
            axis[:] = normals[members[0]]
        tries += 1
        if sizes[node] == 1 or lies_flat(
            positions, faces, neighbours, normals, label, members, axis, widest, seen, tries
        ):
            axes[parts] = axis
            parts += 1
            continue
        label[members] = -1
        # Down the larger halves until a good part is gone, so that few steps take any tree apart.
        enough = sizes[node] - sizes[node] // 4
        while sizes[node] >= enough and node >= count:
            left, right = halves[node - count, 0], halves[node - count, 1]
            if sizes[left] < sizes[right]:
                left, right = right, left
            waiting[waits] = right
            waits += 1
            node = left
        waiting[waits] = node
        waits += 1
    return label, axes[:parts].copy()


@kernel
def _join_flat(
    positions: Floats,
    faces: Indices,
    neighbours: Indices,
    lengths: Floats,
    normals: Floats,
    face_areas: Floats,
    label: Indices,
    axes: Floats,
    directions: Floats,
    widest: float,
    kept: float,
    worst_shape: float,
    weight: float,
) -> None:
    """Joins charts along edges, cheapest first, where the union lies flat. Changes `label` and `axes` to say so."""
    charts = len(axes)
    means, areas, outlines = np.zeros((charts, 3)), np.zeros(charts), np.zeros(charts)
    sizes, version = np.zeros(charts, np.int32), np.zeros(charts, np.int32)
    first, last = np.full(charts, -1, np.int32), np.full(charts, -1, np.int32)
    following = np.full(len(faces), -1, np.int32)
    extremes = np.empty((charts, len(directions)), np.int32)  # the faces whose normals reach farthest
    for face in range(len(faces)):
        chart = label[face]
        if first[chart] < 0:
            first[chart] = face
            extremes[chart] = face
        else:
            following[last[chart]] = face
            _reach(extremes[chart], face, normals, directions)
        last[chart] = face
        sizes[chart] += 1
        areas[chart] += face_areas[face]
        for k in range(3):
            means[chart, k] += face_areas[face] * normals[face, k]
            if neighbours[face, k] < 0 or label[neighbours[face, k]] != chart:
                outlines[chart] += lengths[face, k]
    costs, items = np.empty(1024), np.empty(1024, np.int32)
    pairs = np.empty((1024, 4), np.int32)  # two charts and their versions when they met
    size = met = 0
    mark, near, shared = np.full(charts, -1, np.int32), np.empty(charts, np.int32), np.zeros(charts)
    members, seen = np.empty(len(faces), np.int32), np.full(len(positions), -1, np.int32)
    axis = np.empty(3)
    turn = token = 0
    while True:
        a = -1
        if turn < charts:  # every chart meets its neighbours of higher number; then every union meets all
            a = turn
            least = turn
            turn += 1
        while a < 0 and size > 0:
            pair = pairs[items[0]]
            size = pop(costs, items, size)
            if version[pair[0]] != pair[2] or version[pair[1]] != pair[3]:
                continue
            large, small = pair[0], pair[1]
            if sizes[large] < sizes[small]:
                large, small = small, large
            _tilt(extremes, normals, means, areas, pair[0], pair[1], widest, kept, axis)
            held = _listed(first[large], following, members, 0)
            held = _listed(first[small], following, members, held)
            label[members[sizes[large] : held]] = large
            token += 1
            if not lies_flat(positions, faces, neighbours, normals, label, members[:held], axis, widest, seen, token):
                label[members[sizes[large] : held]] = small
                continue
            a = large
            least = 0
            version[a] += 1
            version[small] = -1
            following[last[a]] = first[small]
            last[a] = last[small]
            sizes[a] = held
            areas[a] += areas[small]
            axes[a] = axis
            for k in range(3):
                means[a, k] += means[small, k]
            for face in extremes[small]:
                _reach(extremes[a], face, normals, directions)
        if a < 0:
            break
        found = 0
        outlines[a] = 0.0
        face = first[a]
        while face >= 0:
            for k in range(3):
                other = neighbours[face, k]
                b = label[other] if other >= 0 else -1
                if b != a:
                    outlines[a] += lengths[face, k]
                    if b >= least:
                        if mark[b] < 0:
                            mark[b], near[found], shared[found] = found, b, 0.0
                            found += 1
                        shared[mark[b]] += lengths[face, k]
            face = following[face]
        while met + found > len(pairs):
            costs, items = np.concatenate((costs, costs)), np.concatenate((items, items))
            pairs = np.concatenate((pairs, pairs))
        for at in range(found):
            b = near[at]
            mark[b] = -1
            angle = _tilt(extremes, normals, means, areas, a, b, widest, kept, axis)
            if angle <= widest:
                shape = _shape(outlines[a] + outlines[b] - 2 * shared[at], areas[a] + areas[b])
                if shape > max(worst_shape, _shape(outlines[a], areas[a]), _shape(outlines[b], areas[b])):
                    continue
                pairs[met, 0], pairs[met, 1], pairs[met, 2], pairs[met, 3] = a, b, version[a], version[b]
                size = push(costs, items, size, angle + weight * shape, met)
                met += 1


@kernel
def _shape(outline: float, area: float) -> float:
    return float(outline * outline / (4 * np.pi * area + 1e-300))


@kernel
def _listed(face: int, following: Indices, members: Indices, held: int) -> int:
    """Writes a list of faces behind the `held` that are there. Returns how many they are now."""
    while face >= 0:
        members[held] = face
        held += 1
        face = following[face]
    return held


@kernel
def _reach(extremes: Indices, face: int, normals: Floats, directions: Floats) -> None:
    """Enters a face in each direction in which its normal reaches farther than any before."""
    x, y, z = normals[face, 0], normals[face, 1], normals[face, 2]
    for i in range(len(directions)):
        of = extremes[i]
        if (
            directions[i, 0] * (x - normals[of, 0])
            + directions[i, 1] * (y - normals[of, 1])
            + directions[i, 2] * (z - normals[of, 2])
            > 0
        ):
            extremes[i] = face


@kernel
def _tilt(
    extremes: Indices,
    normals: Floats,
    means: Floats,
    areas: Floats,
    a: int,
    b: int,
    widest: float,
    kept: float,
    axis: Floats,
) -> float:
    """Finds an axis for two charts as one. Returns the widest angle to it among their outermost normals.

    It is the mean normal where that will do, else it is drawn step by step to the normal farthest from it (Bădoiu and
    Clarkson, "Smaller Core-Sets for Balls", 2003), as long as enough of the area is seen. Infinity where none is found.
    """
    x, y, z = means[a, 0] + means[b, 0], means[a, 1] + means[b, 1], means[a, 2] + means[b, 2]
    axis[0], axis[1], axis[2] = x, y, z
    least, enough = np.cos(widest), kept * (areas[a] + areas[b])
    for step in range(9):
        length = np.sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2)
        if length < 1e-30:
            return np.inf
        for k in range(3):
            axis[k] /= length
        if x * axis[0] + y * axis[1] + z * axis[2] < enough:
            return np.inf
        lowest, farthest = 2.0, -1
        for i in range(2 * extremes.shape[1]):
            face = extremes[a, i] if i < extremes.shape[1] else extremes[b, i - extremes.shape[1]]
            cosine = normals[face, 0] * axis[0] + normals[face, 1] * axis[1] + normals[face, 2] * axis[2]
            if cosine < lowest:
                lowest, farthest = cosine, face
        if lowest >= least:
            return float(np.arccos(min(lowest, 1.0)))
        for k in range(3):
            axis[k] += (normals[farthest, k] - axis[k]) / (step + 2)
    return np.inf
