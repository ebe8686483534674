"""A mask's outlines → a graded triangulation of what they enclose. Knows the plane only.

Triangles are small at the rim and in thin parts, where the solid will curve, and large in the middle.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

import cv2
import numpy as np
import pythoncdt as cdt
from numpy.typing import NDArray

from serve.reconstruct.inflation.distance import distance_to_background
from serve.reconstruct.inflation.outline import Polygon, resample, smooth

Points = NDArray[np.float64]
Indices = NDArray[np.int64]

# Where the distance to the rim rises more slowly than this, its nearest rim points lie more than 90 degrees apart
# (the slope is the cosine of half that angle): the place is on the medial axis.
_MEDIAL_SLOPE = 0.7
_RIM_SHARE = 0.55  # edge length on the rim over edge length in the middle
_RIM_DETAIL = 0.5  # edge length on the rim over the local half-width, at most
_BAND_RATIO = 1.3  # edge length of one band of inner points over the next
_SMOOTHING_ROUNDS = 3
_COUNT_TOLERANCE, _COUNT_TRIES = 0.02, 8


@dataclass(frozen=True)
class PlanarMesh:
    """A triangulated region of the plane.

    Attributes:
        points: (V, 2) pixels, x to the right, y down.
        triangles: (T, 3), each running from the x axis towards the y axis (clockwise on the screen).
        on_rim: (V,) whether a point lies on the region's boundary. Edges between two such points lie on it too.
    """

    points: Points
    triangles: Indices
    on_rim: NDArray[np.bool_]


class _CrossingEdgesError(Exception):
    """Rim edges cross, so that no triangulation holds them all."""


def triangulate(outlines: list[Polygon], mask: NDArray[np.bool_], triangle_count: int) -> PlanarMesh:
    """Triangulates the region inside `outlines` with about `triangle_count` triangles.

    Every part of the region is kept and gets triangles of its own width, so that a mask of many thin parts can
    take more than was wished.

    Args:
        outlines: From `outline.outlines(mask)`.
        mask: (H, W), which they enclose.
        triangle_count: The wish.
    """
    distance = distance_to_background(mask)
    half_widths = _half_widths(outlines, distance)
    smoothed = [smooth(outline) for outline in outlines]
    spacing = float(np.sqrt(4 * np.count_nonzero(mask) / triangle_count))
    # The count falls with the spacing by some power between 1 (rims) and 2 (areas), which each try shows better.
    power = 1.7
    excess = _predicted_count(smoothed, half_widths, distance, spacing) / triangle_count
    for _ in range(_COUNT_TRIES):
        if abs(excess - 1) < _COUNT_TOLERANCE:
            break
        change = excess ** (1 / power)
        spacing *= change
        before, excess = excess, _predicted_count(smoothed, half_widths, distance, spacing) / triangle_count
        power = float(np.clip(np.log(before / excess) / np.log(change), 0.7, 2.5))

    inner = _inner_points(distance, spacing)
    closer = (_rims(smoothed, half_widths, spacing, closeness) for closeness in (1, 0.5, 0.25))
    for rims in chain(closer, [outlines]):
        try:
            points, triangles = _relaxed_delaunay(rims, inner)
        except _CrossingEdgesError:
            continue  # chords of a coarse rim cross where a part is thin and bent: follow it more closely
        return _split_chords(points, triangles)
    raise AssertionError("outlines by marching squares do not cross")


def _predicted_count(
    smoothed: list[Polygon], half_widths: list[NDArray[np.float64]], distance: NDArray[np.float32], spacing: float
) -> int:
    """How many triangles this spacing gives, by Euler's formula: two for each inner point, one for each on the rim."""
    on_rim = sum(len(rim) for rim in _rims(smoothed, half_widths, spacing))
    return 2 * len(_inner_points(distance, spacing)) + on_rim


def _half_widths(outlines: list[Polygon], distance: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """For each outline point its distance to the medial axis: half the width there, less at convex corners."""
    slope_y, slope_x = np.gradient(distance)
    medial = (np.hypot(slope_x, slope_y) < _MEDIAL_SLOPE) & (distance > 0)
    away = cv2.distanceTransform((~medial).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return [np.maximum(_sample(away, outline), 1.0) for outline in outlines]


def _sample(field: NDArray[np.float32], points: Points) -> NDArray[np.float64]:
    """The field's value in the pixel that holds each point; points outside take the nearest pixel's."""
    height, width = field.shape
    column = np.clip(points[:, 0].astype(np.int64), 0, width - 1)
    row = np.clip(points[:, 1].astype(np.int64), 0, height - 1)
    return field[row, column].astype(np.float64)


def _rims(
    smoothed: list[Polygon], half_widths: list[NDArray[np.float64]], spacing: float, closeness: float = 1
) -> list[Polygon]:
    """Points on the outlines, at most `spacing` times `_RIM_SHARE` apart and closer where the body is thin."""
    return [
        resample(outline, closeness * np.clip(_RIM_DETAIL * half_width, 0.5, spacing * _RIM_SHARE))
        for outline, half_width in zip(smoothed, half_widths, strict=True)
    ]


def _relaxed_delaunay(rims: list[Polygon], inner: Points) -> tuple[Points, Indices]:
    """A triangulation of rims and inner points, these moved so that the triangles are even.

    Raises:
        _CrossingEdgesError: Two edges of the rims cross.
    """
    edges = _loop_edges([len(rim) for rim in rims])
    rim = np.vstack(rims)
    points, triangles = _constrained_delaunay(rim, edges, inner)
    for _ in range(_SMOOTHING_ROUNDS):
        inner = _neighbours_mean(points, triangles)[len(rim) :]
        points, triangles = _constrained_delaunay(rim, edges, inner)
    return points, triangles


def _inner_points(distance: NDArray[np.float32], spacing: float) -> Points:
    """Points inside, on hexagonal lattices whose spacing grows in bands from the rim to the middle."""
    height, width = distance.shape
    found = []
    finest = spacing * _RIM_SHARE
    bands = np.geomspace(finest, spacing, 2 + int(np.log(1 / _RIM_SHARE) / np.log(_BAND_RATIO)))
    starts = [0.55 * finest, *np.cumsum(bands * 2.5)[:-1], np.inf]
    for step, nearest, farthest in zip(bands, starts, starts[1:], strict=False):
        rows = np.arange(step / 2, height, step * np.sqrt(3) / 2)
        columns = np.arange(step / 2, width, step)
        x, y = np.meshgrid(columns, rows)
        x[1::2] += step / 2
        lattice = np.stack([x.ravel(), y.ravel()], axis=1)
        depth = _sample(distance, lattice) - 0.5  # the outline runs half a pixel before the nearest background
        depth[(lattice[:, 0] >= width) | (lattice[:, 1] >= height)] = -1
        found.append(lattice[(depth > nearest) & (depth <= farthest)])
    return np.vstack(found)


def _loop_edges(counts: list[int]) -> NDArray[np.uintc]:
    """(N, 2) edges that close runs of `counts` points into loops."""
    edges = []
    first = 0
    for count in counts:
        here = np.arange(first, first + count)
        edges.append(np.stack([here, np.roll(here, -1)], axis=1))
        first += count
    return np.vstack(edges).astype(np.uintc)


def _constrained_delaunay(rim: Points, edges: NDArray[np.uintc], inner: Points) -> tuple[Points, Indices]:
    """The constrained Delaunay triangulation of rim and inner points, without what lies outside the rim's loops.

    Raises:
        _CrossingEdgesError: Two edges of the rim cross.
    """
    points = np.vstack([rim, inner])
    mesh = cdt.Triangulation(cdt.VertexInsertionOrder.AUTO, cdt.IntersectingConstraintEdges.NOT_ALLOWED, 0.0)
    mesh.insert_vertices(cast(Any, points))  # arrays are buffers from Python 3.12's types on
    try:
        mesh.insert_edges(cast(Any, edges))
    except RuntimeError as error:
        raise _CrossingEdgesError from error
    mesh.erase_outer_triangles_and_holes()
    return points, mesh.triangles_array()["vertices"].astype(np.int64)


def _neighbours_mean(points: Points, triangles: Indices) -> Points:
    """Each point moved to the mean of its neighbours (a point without any stays)."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    count = np.bincount(pairs[:, 0], minlength=len(points))
    total = np.stack([np.bincount(pairs[:, 0], points[pairs[:, 1], axis], len(points)) for axis in (0, 1)], axis=1)
    return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], points)


def _split_chords(points: Points, triangles: Indices) -> PlanarMesh:
    """Splits every inner edge that joins two rim points, so that a body's front and back meet on the rim alone."""
    used, triangles = np.unique(triangles, return_inverse=True)
    points = points[used]
    triangles = triangles.reshape(-1, 3)

    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    # One number for each edge: finding equal numbers is ten times as fast as finding equal rows.
    numbers = sides.min(axis=1) * len(points) + sides.max(axis=1)
    numbers, side_edge, uses = np.unique(numbers, return_inverse=True, return_counts=True)
    edges = np.column_stack(np.divmod(numbers, len(points)))
    on_rim = np.zeros(len(points), dtype=bool)
    on_rim[edges[uses == 1]] = True

    split = (uses == 2) & on_rim[edges].all(axis=1)
    middle = np.full(len(edges), -1)
    middle[split] = len(points) + np.arange(np.count_nonzero(split))
    points = np.vstack([points, points[edges[split]].mean(axis=1)])
    on_rim = np.concatenate([on_rim, np.zeros(np.count_nonzero(split), dtype=bool)])
    return PlanarMesh(points, _subdivide(triangles, middle[side_edge.reshape(3, -1).T]), on_rim)


def _subdivide(corners: Indices, middles: Indices) -> Indices:
    """Triangles cut at the middles of some of their sides.

    Args:
        corners: (T, 3).
        middles: (T, 3), the new point on the side from corner i to corner i + 1, or -1 where it stays whole.
    """
    cuts = np.count_nonzero(middles >= 0, axis=1)
    done = [corners[cuts == 0]]
    for turn in range(3):
        a, m = np.roll(corners, -turn, axis=1), np.roll(middles, -turn, axis=1)
        # Each cut triangle is met once with its cut sides first; with three cuts every turn looks alike.
        for count, rows in (
            (1, (cuts == 1) & (m[:, 0] >= 0)),
            (2, (cuts == 2) & (m[:, 2] < 0)),
            (3, (cuts == 3) & (turn == 0)),
        ):
            (a0, a1, a2), (m0, m1, m2) = a[rows].T, m[rows].T
            parts = {
                1: ((a0, m0, a2), (m0, a1, a2)),
                2: ((m0, a1, m1), (a0, m0, m1), (a0, m1, a2)),
                3: ((a0, m0, m2), (m0, a1, m1), (m2, m1, a2), (m0, m1, m2)),
            }[count]
            done += [np.stack(part, axis=1) for part in parts]
    return np.concatenate(done)
