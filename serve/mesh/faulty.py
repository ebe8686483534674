"""A small dense mesh with every fault that finishing looks for, so that nothing of it is left untried.

It knows no fault's cure.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from serve.mesh.meshes import DenseMesh

_ROUND, _ACROSS, _SHEET = 96, 48, 8  # vertices around the ring, around its tube, and along a side of the sheet

_Points = NDArray[np.float64]
_Faces = NDArray[np.int64]

_CRUMB: Final = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


def faulty_mesh() -> DenseMesh:
    """Two rings, a third within one that nobody sees, an open sheet, a crumb, and faces as they ought not to be."""
    above = np.array([0, 0, 1.5])
    ring, sound, unseen = _ring(0.3), _ring(0.3) + above, _ring(0.15) + above
    of_ring = _grid(_ROUND, _ACROSS, wraps=True)
    flat = of_ring[60]
    sound[flat[1]] = (sound[flat[0]] + sound[flat[2]]) / 2  # one face without area among good ones
    across, along = np.meshgrid(np.linspace(2, 3, _SHEET), np.linspace(0, 1, _SHEET))
    sheet = np.stack([across, along, 0.1 * np.sin(5 * across)], axis=-1).reshape(-1, 3)
    crumb = np.concatenate([np.zeros((1, 3)), np.eye(3)]) * 1e-3 + (0, 0, 3)
    odd = np.array([[1.3, 0, 0.6], [np.nan, 0, 0], ring[40], ring[40] + (0, 0, 0.3), ring[40] + (0.1, 0, 0.3)])
    parts = [ring, sound, unseen, sheet, crumb, odd]
    of_sound, of_unseen, of_sheet, of_crumb, of_odd = np.cumsum([len(part) for part in parts[:-1]])
    strange = [
        [of_ring[0, 0], of_ring[0, 1], of_odd],  # the third face of an edge
        [0, 1, of_odd + 1],  # with a corner that is nowhere
        [of_odd + 2, of_odd + 3, of_odd + 4],  # one that touches the ring in a vertex
        of_ring[7],  # one that is there twice
        of_ring[9, ::-1],  # and once more, turned round
        [3, 3, 4],  # with two corners in one
    ]
    faces = [
        np.delete(of_ring, (200, 201), axis=0),  # a small hole
        of_ring[:, ::-1] + of_sound,  # inside out
        of_ring + of_unseen,
        _grid(_SHEET, _SHEET, wraps=False) + of_sheet,
        _CRUMB + of_crumb,
        np.array(strange),
    ]
    positions = np.concatenate(parts).astype(np.float32)
    colours = (np.arange(positions.size) % 256).astype(np.uint8).reshape(-1, 3)
    return DenseMesh(positions, np.concatenate(faces).astype(np.int32), colours)


def _ring(tube: float) -> _Points:
    """Of radius 1, as a grid of _ROUND × _ACROSS points."""
    around, across = np.meshgrid(
        np.linspace(0, 2 * np.pi, _ROUND, endpoint=False),
        np.linspace(0, 2 * np.pi, _ACROSS, endpoint=False),
        indexing="ij",
    )
    reach = 1 + tube * np.cos(across)
    return np.stack([reach * np.cos(around), reach * np.sin(around), tube * np.sin(across)], axis=-1).reshape(-1, 3)


def _grid(rows: int, columns: int, *, wraps: bool) -> _Faces:
    """Two triangles for each cell of a grid of points; where it wraps, also between its last and its first."""
    index = np.arange(rows * columns).reshape(rows, columns)
    if wraps:
        index = np.pad(index, ((0, 1), (0, 1)), mode="wrap")
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    return np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)
