"""Many triangles → few of the same shape. Knows neither colours nor textures.

Edges collapse by quadric error, the cheapest first, in passes. Each takes the cheapest quarter of all edges; one that
meets a vertex made in the same pass waits for the next, so that no cost is out of date.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.simplifying.collapse import collapse, compact
from serve.mesh.finish.simplifying.edges import LEVELS, border_edges, cheapest, fans_around, price
from serve.mesh.finish.simplifying.quadrics import vertex_quadrics

_SHARE: Final = 0.25  # of all edges
_PROGRESS: Final = (
    0.01  # of the faces that are still too many: a pass that gets rid of fewer has looked at too few edges
)


class Simplified(NamedTuple):
    """The mesh that is left.

    Attributes:
        positions: (v, 3) float32, in the given units and frame.
        faces: (f, 3) int32, turned as the given ones.
        origin: (v,) int32, the given vertex that each stems from: of those merged into it, one near its place.
    """

    positions: NDArray[np.float32]
    faces: NDArray[np.int32]
    origin: NDArray[np.int32]


def simplify(positions: NDArray[np.float32], faces: NDArray[np.int32], target_faces: int) -> Simplified:
    """Fewer triangles of the same topology: as many pieces, handles, holes and borders as before.

    The same mesh gives the same bytes. Faces that follow each other should be near each other, as a decoder leaves
    them: with a million in random order it takes three times as long.

    Args:
        positions: (V, 3) float32, finite, each in a face.
        faces: (F, 3) int32, a manifold with borders or without, every edge run through once each way by its faces.
        target_faces: How many faces there may be. If fewer are given, all stay as they are. More are left where pieces,
            borders or the right way up of a face would be lost.
    """
    count = len(positions)
    if len(faces) <= target_faces:
        return Simplified(positions, faces, np.arange(count, dtype=np.int32))
    low = positions.min(axis=0).astype(np.float64)
    span = float((positions.max(axis=0) - low).max())
    dense = ((positions - low) / span).astype(np.float32)

    # One more vertex, which has no place: with it every border edge is a face's, and the surface is closed.
    border = border_edges(faces, count)
    beyond = np.insert(border[:, [1, 0]], 2, count, axis=1)
    left, faces = len(faces), np.concatenate([faces, beyond.astype(np.int32)])
    points = np.concatenate([dense, np.zeros((1, 3), np.float32)])
    quadrics = vertex_quadrics(points, faces[:left], border)
    origin = np.arange(count + 1, dtype=np.int32)
    on_border = np.zeros(count + 1, np.bool_)
    on_border[border[:, :2]] = True
    levels = np.empty(faces.shape, np.int16)
    stale = np.ones(count + 1, np.bool_)

    widen = 1
    while left > target_faces:
        surplus = left - target_faces
        counts = price(faces, points, quadrics, on_border, stale, levels)
        up_to = np.cumsum(counts)
        # A collapse takes two faces along.
        wanted = widen * min(_SHARE * up_to[-1], 0.5 * surplus)
        highest = min(int(np.searchsorted(up_to, wanted)), LEVELS - 1)
        corners = cheapest(levels, highest, int(up_to[highest]))
        starts, fans = fans_around(faces, len(points))
        gone, into, stale = collapse(
            corners, surplus, faces, starts, fans, on_border, origin, dense, points, quadrics, levels
        )
        vertices, kept = compact(into, faces, levels, stale, on_border, origin, points, quadrics)
        left, faces, levels = left - gone, faces[:kept], levels[:kept]
        stale, on_border, origin = stale[:vertices], on_border[:vertices], origin[:vertices]
        points, quadrics = points[:vertices], quadrics[:vertices]
        slow = gone < _PROGRESS * surplus
        if slow and wanted >= up_to[-1]:
            break
        widen = 2 * widen if slow else 1
    placed = (points[:-1] * np.float64(span) + low).astype(np.float32)
    return Simplified(placed, faces[:left].copy(), origin[:-1].copy())
