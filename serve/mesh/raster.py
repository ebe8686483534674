"""Triangles on a grid of pixels: which one is seen where. Knows neither cameras nor colours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FRAGMENTS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Fragments:
    """The pixels on which triangles are seen.

    Attributes:
        pixel: (N,) flat indices into the (height, width) grid, each at most once.
        face: (N,) the row of `faces` that is nearest there.
        weights: (N, 3) barycentric weights of that face's corners at the pixel's centre.
    """

    pixel: NDArray[np.int64]
    face: NDArray[np.int64]
    weights: NDArray[np.float64]


def rasterise(
    points: NDArray[np.float64],
    nearness: NDArray[np.float64],
    faces: NDArray[np.int64],
    width: int,
    height: int,
) -> Fragments:
    """The nearest triangle at every pixel centre. Triangles seen from behind are left out: bodies are closed.

    Args:
        points: (V, 2) pixels, x right, y down; a pixel's centre lies half a pixel into it.
        nearness: (V,) larger is nearer to the viewer; linear on the screen (an orthographic view).
        faces: (F, 3), counter-clockwise as seen on the screen where they face the viewer.
    """
    corners = points[faces]
    side_b, side_c = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    doubled = side_b[:, 0] * side_c[:, 1] - side_b[:, 1] * side_c[:, 0]
    first = np.clip(np.ceil(corners.min(axis=1) - 0.5), 0, (width, height)).astype(np.int64)
    last = np.clip(np.floor(corners.max(axis=1) - 0.5), -1, (width - 1, height - 1)).astype(np.int64)
    spans = np.maximum(last - first + 1, 0)
    counts = spans[:, 0] * spans[:, 1]
    drawn = np.flatnonzero((doubled < 0) & (counts > 0))  # y runs down: counter-clockwise is a negative area

    nearest = np.full(width * height, -np.inf)
    owner = np.full(width * height, -1, dtype=np.int64)
    owner_weights = np.zeros((width * height, 3))
    batch = np.cumsum(counts[drawn]) // _FRAGMENTS_AT_ONCE
    for number in np.unique(batch):
        here = drawn[batch == number]
        face = np.repeat(here, counts[here])
        start = np.repeat(np.cumsum(counts[here]) - counts[here], counts[here])
        row, column = np.divmod(np.arange(len(face)) - start, spans[face, 0])
        x, y = first[face, 0] + column, first[face, 1] + row
        dx, dy = x + 0.5 - corners[face, 0, 0], y + 0.5 - corners[face, 0, 1]
        weight_b = (dx * side_c[face, 1] - dy * side_c[face, 0]) / doubled[face]
        weight_c = (dy * side_b[face, 0] - dx * side_b[face, 1]) / doubled[face]
        inside = (weight_b >= 0) & (weight_c >= 0) & (weight_b + weight_c <= 1)
        face, pixel = face[inside], (y * width + x)[inside]
        weights = np.stack([1 - weight_b - weight_c, weight_b, weight_c], axis=1)[inside]
        depth = np.einsum("ni,ni->n", weights, nearness[faces[face]])
        order = np.argsort(depth, kind="stable")  # the nearest is written last and stays
        front = np.full(width * height, -1, dtype=np.int64)
        front[pixel[order]] = order
        front = front[front >= 0]
        front = front[depth[front] > nearest[pixel[front]]]
        nearest[pixel[front]] = depth[front]
        owner[pixel[front]] = face[front]
        owner_weights[pixel[front]] = weights[front]
    seen = np.flatnonzero(owner >= 0)
    return Fragments(seen, owner[seen], owner_weights[seen])
