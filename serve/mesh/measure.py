"""Triangles → numbers about them. Knows arrays alone."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def shared_points(positions: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The different points among (V, 3) positions, and for every vertex (V,) the index of its point."""
    # As np.unique along an axis has it, in a third of its time, which other threads would spend waiting.
    order = np.lexsort(positions.T[::-1])
    in_order = positions[order]
    is_new = np.concatenate([[True], (in_order[1:] != in_order[:-1]).any(axis=1)])
    point_of = np.empty(len(positions), dtype=np.int64)
    point_of[order] = np.cumsum(is_new) - 1
    return in_order[is_new], point_of


def weld(positions: NDArray[np.float32], faces: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The faces, (F, 3), with vertices at the very same place taken as one, so that seams do not count as gaps."""
    return shared_points(positions)[1][faces]


def is_closed(faces: NDArray[np.int64]) -> bool:
    """Whether every edge has exactly two faces, which run through it in opposite directions."""
    size = int(faces.max()) + 1
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forward = edges[:, 0] * size + edges[:, 1]
    backward = edges[:, 1] * size + edges[:, 0]
    each_once = len(np.unique(forward)) == len(forward)
    return each_once and bool(np.array_equal(np.sort(forward), np.sort(backward)))


def component_count(faces: NDArray[np.int64]) -> int:
    """How many pieces, not joined by any face, the faces form."""
    size = int(faces.max()) + 1
    start, end = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
    links = coo_array((np.ones(len(start)), (start, end)), shape=(size, size))
    _, label = connected_components(links, directed=False)
    return len(np.unique(label[np.unique(faces)]))


def vertex_normals(positions: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """(V, 3) unit normals: the mean of the faces around each vertex, weighted by their area (Gouraud's way)."""
    corners = positions[faces]
    scaled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack(
        [np.bincount(faces.ravel(), np.repeat(scaled[:, axis], 3), len(positions)) for axis in range(3)],
        axis=1,
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.where(length > 0, length, 1), (0.0, 0.0, 1.0))
