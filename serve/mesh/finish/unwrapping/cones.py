"""Faces → patches whose normals lie in a narrow cone, and the tree of what was joined. Knows no plane and no overlap.

It costs next to nothing per face: a cone around two cones, which grows looser with every step, stands for the normals.
"""

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel
from serve.mesh.finish.unwrapping.heap import pop, push

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


@kernel
def join_cones(
    neighbours: Indices, lengths: Floats, normals: Floats, face_areas: Floats, widest: float, weight: float
) -> tuple[Indices, Indices]:
    """Joins faces along edges, cheapest first, as long as the cone around a patch's normals is narrow enough.

    The cost of a patch is the cone's half-angle plus `weight` times its outline's squared length over 4π times its
    area, which is 1 for a disc.

    Args:
        neighbours: (F, 3) the face beyond the edge from corner k to the next, or -1.
        lengths: (F, 3) of those edges.
        normals: (F, 3) unit length.
        face_areas: (F,).
        widest: The half-angle allowed, in radians.
        weight: Of the outline.

    Returns:
        A forest whose nodes 0 … F - 1 are the faces and F … F + J - 1 what was joined, in that order: both halves of
        each (J, 2); and the node of every patch (P,), ascending by the patch's first face.
    """
    count = len(neighbours)
    cones = np.zeros((count, 4))  # the axis, unit length, and the half-angle
    cones[:, :3] = normals
    areas, outlines = face_areas.copy(), np.zeros(count)
    parent = np.arange(count).astype(np.int32)
    node = parent.copy()
    # Links between patches come in pairs, 2i and 2i + 1; each patch has a list of those that lead away from it.
    first, last = np.full(count, -1, np.int32), np.full(count, -1, np.int32)
    target, following = np.empty(3 * count, np.int32), np.full(3 * count, -1, np.int32)
    shared, alive = np.empty(3 * count), np.ones(3 * count, np.bool_)
    links = 0
    for face in range(count):
        for k in range(3):
            outlines[face] += lengths[face, k]
            other = neighbours[face, k]
            if other > face:
                target[links], target[links + 1] = other, face
                shared[links] = shared[links + 1] = lengths[face, k]
                for link in range(links, links + 2):
                    own = target[link ^ 1]
                    if first[own] < 0:
                        first[own] = link
                    else:
                        following[last[own]] = link
                    last[own] = link
                links += 2
    # Half as many pairs as links; and each pair that is merged with another comes on the heap once more, at most.
    costs, items = np.empty(links + 1), np.empty(links + 1, np.int32)
    size = 0
    for link in range(0, links, 2):
        cost = _cost(cones, areas, outlines, target[link ^ 1], target[link], shared[link], widest, weight)
        if cost < np.inf:
            size = push(costs, items, size, cost, link)
    mark = np.full(count, -1, np.int32)
    halves = np.empty((count, 2), np.int32)
    joined = 0
    while size > 0:
        cost, link = costs[0], items[0]
        size = pop(costs, items, size)
        a, b = _root(parent, target[link ^ 1]), _root(parent, target[link])
        if a == b or not alive[link]:
            continue
        now = _cost(cones, areas, outlines, a, b, shared[link], widest, weight)
        if now > cost:  # it has grown since
            if now < np.inf:
                size = push(costs, items, size, now, link)
            continue
        cones[a, 0], cones[a, 1], cones[a, 2], cones[a, 3] = _cone_around(cones, a, b)
        areas[a] += areas[b]
        outlines[a] = max(outlines[a] + outlines[b] - 2 * shared[link], 0.0)
        parent[b] = a
        halves[joined, 0], halves[joined, 1] = node[a], node[b]
        node[a] = count + joined
        joined += 1
        following[last[a]] = first[b]
        kept, at = -1, first[a]
        first[a] = -1
        while at >= 0:  # one list for both, with one link to each neighbour
            after = following[at]
            if alive[at]:
                other = _root(parent, target[at])
                same = mark[other]
                if other == a:
                    alive[at] = alive[at ^ 1] = False
                elif same >= 0:
                    shared[same] += shared[at]
                    shared[same ^ 1] = shared[same]
                    alive[at] = alive[at ^ 1] = False
                    now = _cost(cones, areas, outlines, a, other, shared[same], widest, weight)
                    if now < np.inf:
                        size = push(costs, items, size, now, same & ~1)
                else:
                    target[at] = other
                    mark[other] = at
                    if kept < 0:
                        first[a] = at
                    else:
                        following[kept] = at
                    kept = at
            at = after
        last[a] = kept
        if kept >= 0:
            following[kept] = -1
        at = first[a]
        while at >= 0:
            mark[target[at]] = -1
            at = following[at]
    return halves[:joined], node[parent == np.arange(count)]


@kernel
def _cone_around(cones: Floats, a: int, b: int) -> tuple[float, float, float, float]:
    """The narrowest cone around two: its axis and its half-angle."""
    cosine = cones[a, 0] * cones[b, 0] + cones[a, 1] * cones[b, 1] + cones[a, 2] * cones[b, 2]
    between = np.arccos(min(max(cosine, -1.0), 1.0))
    if between + cones[b, 3] <= cones[a, 3]:
        return cones[a, 0], cones[a, 1], cones[a, 2], cones[a, 3]
    if between + cones[a, 3] <= cones[b, 3]:
        return cones[b, 0], cones[b, 1], cones[b, 2], cones[b, 3]
    half = 0.5 * (between + cones[a, 3] + cones[b, 3])
    sine = np.sin(between)
    if sine < 1e-9:
        return cones[a, 0], cones[a, 1], cones[a, 2], half
    of_a, of_b = np.sin(between - half + cones[a, 3]) / sine, np.sin(half - cones[a, 3]) / sine
    return (
        of_a * cones[a, 0] + of_b * cones[b, 0],
        of_a * cones[a, 1] + of_b * cones[b, 1],
        of_a * cones[a, 2] + of_b * cones[b, 2],
        half,
    )


@kernel
def _cost(
    cones: Floats, areas: Floats, outlines: Floats, a: int, b: int, shared: float, widest: float, weight: float
) -> float:
    half = _cone_around(cones, a, b)[3]
    if half > widest:
        return np.inf
    outline = max(outlines[a] + outlines[b] - 2 * shared, 0.0)
    return float(half + weight * outline * outline / (4 * np.pi * (areas[a] + areas[b]) + 1e-300))


@kernel
def _root(parent: Indices, patch: int) -> int:
    while parent[patch] != patch:
        parent[patch] = parent[parent[patch]]
        patch = parent[patch]
    return patch
