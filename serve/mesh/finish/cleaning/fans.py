"""Vertices that several fans of faces share → a vertex for each fan, and edges between them that are one again.

Knows half-edges, and positions and colours only to copy them.
"""

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.cleaning.surface import Surface, next_side, previous_side
from serve.mesh.finish.kernels import kernel


def part_fans(surface: Surface) -> Surface:
    """A copy of the vertex for each fan of faces beyond the first that turns around it."""
    faces, copied = _part(surface.faces, surface.twins, len(surface.positions))
    if not len(copied):
        return surface
    positions = np.concatenate((surface.positions, surface.positions[copied]))
    colours = np.concatenate((surface.colours, surface.colours[copied]))
    return Surface(positions, colours, faces, surface.twins)


def part_edges(surface: Surface, sides: NDArray[np.int32]) -> Surface:
    """Where two separate edges have the same two ends, a vertex in the middle of every one but the first.

    Args:
        surface: Its fans are parted.
        sides: (n,) the half-edges to look at.
    """
    twins = surface.twins[sides]
    own = sides[(twins < 0) | (sides < twins)]  # One for each edge.
    start = surface.faces.ravel()[own].astype(np.int64)
    end = surface.faces.ravel()[own - own % 3 + (own + 1) % 3].astype(np.int64)
    key = np.minimum(start, end) * len(surface.positions) + np.maximum(start, end)
    order = np.lexsort((own, key))
    again = own[order[1:]][key[order[1:]] == key[order[:-1]]]
    if not len(again):
        return surface
    return Surface(*_halve(surface.positions, surface.colours, surface.faces, surface.twins, again))


@kernel
def _part(
    faces: NDArray[np.int32], twins: NDArray[np.int32], vertices: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The faces over parted vertices, and for each vertex added the one that it is a copy of."""
    flat = faces.ravel()
    count = len(flat)
    parted = np.full(count, -1, np.int32)
    taken = np.zeros(vertices, np.bool_)
    copied = np.empty(count, np.int32)
    added = 0
    for side in range(count):
        if parted[side] >= 0:
            continue
        vertex = flat[side]
        number = vertex
        if taken[vertex]:
            number = vertices + added
            copied[added] = vertex
            added += 1
        taken[vertex] = True
        # All half-edges that start here, one way round and, from a border, the other.
        at = side
        while at >= 0 and parted[at] < 0:
            parted[at] = number
            at = twins[previous_side(at)]
        if at < 0:
            at = twins[side]
            while at >= 0:
                at = next_side(at)
                parted[at] = number
                at = twins[at]
    return parted.reshape((-1, 3)), copied[:added].copy()


@kernel
def _halve(
    positions: NDArray[np.float32],
    colours: NDArray[np.uint8],
    faces: NDArray[np.int32],
    twins: NDArray[np.int32],
    sides: NDArray[np.int32],
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
    """Halves the edges of these half-edges, and the one or two faces at each."""
    vertex_count, face_count = len(positions), len(faces)
    more = len(sides)
    new_positions = np.empty((vertex_count + more, 3), np.float32)
    new_positions[:vertex_count] = positions
    new_colours = np.empty((vertex_count + more, 3), np.uint8)
    new_colours[:vertex_count] = colours
    new_faces = np.empty((face_count + 2 * more, 3), np.int32)
    new_faces[:face_count] = faces
    flat = new_faces.ravel()
    new_twins = np.full(3 * (face_count + 2 * more), -1, np.int32)
    new_twins[: 3 * face_count] = twins
    halved = np.zeros(3 * (face_count + 2 * more), np.bool_)
    halved[sides] = True
    side = -1
    while side + 1 < 3 * face_count:
        side += 1
        if not halved[side]:
            continue
        halved[side] = False
        twin = new_twins[side]
        a, b = flat[side], flat[next_side(side)]
        for axis in range(3):
            new_positions[vertex_count, axis] = (np.float64(positions[a, axis]) + np.float64(positions[b, axis])) / 2
            new_colours[vertex_count, axis] = (np.int64(colours[a, axis]) + np.int64(colours[b, axis])) // 2
        far = np.full(2, -1, np.int64)  # On either side of the edge the half-edge at its far half.
        for k in range(2):
            here = side if k == 0 else twin
            if here < 0:
                continue
            # Face (p, q, r) becomes (p, m, r) and (m, q, r); what lay across q to r now lies across the second.
            after, before = next_side(here), previous_side(here)
            q, r = flat[after], flat[before]
            flat[after] = vertex_count
            added = 3 * face_count
            flat[added], flat[added + 1], flat[added + 2] = vertex_count, q, r
            new_twins[added + 1] = new_twins[after]
            if new_twins[after] >= 0:
                new_twins[new_twins[after]] = added + 1
            new_twins[added + 2], new_twins[after] = after, added + 2
            halved[added + 1] = halved[after]
            halved[after] = False
            far[k] = added
            face_count += 1
        if twin >= 0:
            new_twins[side], new_twins[far[1]] = far[1], side
            new_twins[twin], new_twins[far[0]] = far[0], twin
        vertex_count += 1
    return (
        new_positions[:vertex_count].copy(),
        new_colours[:vertex_count].copy(),
        new_faces[:face_count].copy(),
        new_twins[: 3 * face_count].copy(),
    )
