"""What is to be seen in an atlas, found in other ways than those that made it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


def doubled_areas(points: Floats, faces: Indices) -> Floats:
    """(F,) twice the signed area of triangles in the plane, positive from x towards y."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    return np.asarray((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])


def texels_covered(points: Floats, faces: Indices, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The texels whose centres lie inside a triangle, flat indices, and the triangle: a pair for each."""
    texels, owners = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for face, x, y in _boxes(points - 0.5, faces, size):
        inside = np.ones(len(x), np.bool_)
        for k in range(3):
            inside &= _outward(points, faces[face], k, x + 0.5, y + 0.5) < 0
        texels.append((y * size + x)[inside])
        owners.append(face[inside])
    return np.concatenate(texels), np.concatenate(owners)


def charts_touching(points: Floats, faces: Indices, chart: Indices, size: int) -> Indices:
    """(size, size) the chart that touches each texel's square, -1 for none. It must not be two."""
    owner = np.full((size, size), -1, np.int32)
    for face, x, y in _boxes(points, faces, size):
        touched = np.ones(len(x), np.bool_)
        for k in range(3):
            corners = [_outward(points, faces[face], k, x + i, y + j) for i in (0, 1) for j in (0, 1)]
            touched &= np.min(corners, axis=0) <= 0
        own = chart[face[touched]]
        there = owner[y[touched], x[touched]]
        assert ((there < 0) | (there == own)).all()
        owner[y[touched], x[touched]] = own
        assert (owner[y[touched], x[touched]] == own).all()
    return owner


def least_gap(owner: Indices, enough: int) -> int:
    """How many free texels lie between any two charts, up to `enough`; beside and aslant alike."""
    for gap in range(enough):
        for down in range(gap + 2):
            for right in range(-gap - 1, gap + 2):
                if max(down, abs(right)) == gap + 1 and _meet(owner, down, right):
                    return gap
    return enough


def overlapping(points: Floats, faces: Indices, slack: float) -> list[tuple[int, int]]:
    """The pairs of triangles that cannot be parted by a line, but for `slack`. Looks at every pair."""
    corners = points[faces]
    parted = np.zeros((len(faces), len(faces)), np.bool_)
    for k in range(3):
        along = corners[:, (k + 1) % 3] - corners[:, k]
        length = np.linalg.norm(along, axis=1, keepdims=True)
        normal = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.where(length > 0, length, 1)
        reach = np.einsum("fi,gci->fgc", normal, corners)
        own = reach[np.arange(len(faces)), np.arange(len(faces))]
        parted |= reach.min(axis=2) >= own.max(axis=1)[:, None] - slack
        parted |= reach.max(axis=2) <= own.min(axis=1)[:, None] + slack
    together = ~(parted | parted.T)
    np.fill_diagonal(together, False)
    return [(int(a), int(b)) for a, b in np.argwhere(together)]


def _meet(owner: Indices, down: int, right: int) -> bool:
    """Whether two charts are so far apart somewhere."""
    height, width = owner.shape
    here = owner[: height - down, max(0, -right) : width - max(0, right)]
    there = owner[down:, max(0, right) : width - max(0, -right)]
    return bool(((here >= 0) & (there >= 0) & (here != there)).any())


def _boxes(
    points: Floats, faces: Indices, size: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Every face with every x and y in its bounding box, a few million at once."""
    corners = points[faces]
    first = np.clip(np.floor(corners.min(axis=1)), 0, size - 1).astype(np.int64)
    last = np.clip(np.floor(corners.max(axis=1)), 0, size - 1).astype(np.int64)
    spans = last - first + 1
    counts = spans.prod(axis=1)
    batch = np.cumsum(counts) // 2_000_000
    for number in np.unique(batch):
        here = np.flatnonzero(batch == number)
        face = np.repeat(here, counts[here])
        start = np.repeat(np.cumsum(counts[here]) - counts[here], counts[here])
        row, column = np.divmod(np.arange(len(face)) - start, spans[face, 0])
        yield face, first[face, 0] + column, first[face, 1] + row


def _outward(points: Floats, faces: Indices, k: int, x: NDArray[np.number[Any]], y: NDArray[np.number[Any]]) -> Floats:
    """How far places lie beyond the k-th side of triangles, whichever way these run; times that side's length."""
    a, b, c = (points[faces[:, (k + i) % 3]] for i in range(3))
    side = (b - a)[:, 0] * (y - a[:, 1]) - (b - a)[:, 1] * (x - a[:, 0])
    inner = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    return np.asarray(-side * np.where(inner < 0, -1, 1))
