"""How near a finished mesh is to the dense one it was made of, as one number for each question. Knows no pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.closest import ClosestPoints
from benchmarks.glb_reader import Opened
from serve.mesh.raster import Fragments, rasterise
from serve.mesh.sample import sample_texture

_BACKGROUND: Final = 245.0  # sRGB grey
_ROUNDING: Final = 1e-12  # squared: what colours between vertices may differ by when nothing differs
# From the corners of a cube that stands askew, so that no view runs along an axis.
_TURNS: Final = (0.3, 0.2)  # radians about y, then about x
_LIGHT: Final = np.array([-0.35, 0.65, 0.68])  # in the viewer's frame

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """One file against the reference.

    Attributes:
        chamfer: The mean distance between the surfaces, over samples of either, in 10⁻⁴ of the reference's diagonal.
        hausdorff: The largest such distance, in the same unit.
        colour_psnr: Of the colours of samples against those at the closest point of the other, in dB; None: equal.
        rendered_psnr: Of pictures from eight sides, where either mesh is seen, in dB; None: equal.
        boundary_edges: Edges with one face, with vertices at the same place taken as one.
        non_manifold_edges: Edges with more than two.
        faces: How many.
    """

    chamfer: float
    hausdorff: float
    colour_psnr: float | None
    rendered_psnr: float | None
    boundary_edges: int
    non_manifold_edges: int
    faces: int


class Judge:
    """Compares files with a reference, of which it prepares once what every comparison needs.

    Args:
        reference: The mesh to come near to.
        samples: How many points to take from either surface.
        pixels: The sides of the pictures.
    """

    def __init__(self, reference: Opened, samples: int, pixels: int) -> None:
        lowest, highest = reference.positions.min(axis=0), reference.positions.max(axis=0)
        self._reference, self._samples, self._pixels = reference, samples, pixels
        self._closest = ClosestPoints(reference.positions, reference.faces)
        self._taken = _samples(reference, samples)
        self._diagonal = float(np.linalg.norm(highest - lowest))
        self._middle, self._views = (lowest + highest) / 2, _views()
        self._pictures = self._rendered(reference)

    def judge(self, made: Opened) -> Quality:
        """Measures one file."""
        there, squared_there = _compare(self._reference, self._taken, made, ClosestPoints(made.positions, made.faces))
        back, squared_back = _compare(made, _samples(made, self._samples), self._reference, self._closest)
        boundary, non_manifold = edges(made.welded)
        return Quality(
            chamfer=float((there.mean() + back.mean()) / 2 / self._diagonal * 1e4),
            hausdorff=float(max(there.max(), back.max()) / self._diagonal * 1e4),
            colour_psnr=psnr((squared_there + squared_back) / 2),
            rendered_psnr=psnr(_difference(self._pictures, self._rendered(made))),
            boundary_edges=boundary,
            non_manifold_edges=non_manifold,
            faces=len(made.faces),
        )

    def covered(self, made: Opened) -> float:
        """The share of the pixels covered by the reference, from all sides, that another mesh covers too."""
        pairs = list(zip(self._pictures, self._rendered(made), strict=True))
        both = sum(np.count_nonzero(first.seen & second.seen) for first, second in pairs)
        return both / sum(np.count_nonzero(first.seen) for first, _ in pairs)

    def farthest(self, made: Opened) -> float:
        """The largest distance from samples of the reference to another mesh, in 10⁻⁴ of the reference's diagonal."""
        _, _, distance = ClosestPoints(made.positions, made.faces).query(_points(self._reference, self._taken))
        return float(distance.max() / self._diagonal * 1e4)

    def _rendered(self, mesh: Opened) -> "list[_Picture]":
        return [_render(mesh, view, self._middle, self._diagonal, self._pixels) for view in self._views]


def psnr(squared: float) -> float | None:
    """The ratio of peak to noise in dB for a mean squared error of 8-bit colours; None where they are equal."""
    return None if squared < _ROUNDING else float(10 * np.log10(255**2 / squared))


def edges(faces: NDArray[np.int64]) -> tuple[int, int]:
    """How many edges have one face, and how many have more than two. Faces with a corner twice do not count."""
    a, b, c = faces.T
    whole = faces[(a != b) & (b != c) & (c != a)]
    ends = np.sort(np.concatenate([whole[:, [0, 1]], whole[:, [1, 2]], whole[:, [2, 0]]]), axis=1)
    _, counts = np.unique(ends[:, 0] * (int(faces.max()) + 1) + ends[:, 1], return_counts=True)
    return int(np.count_nonzero(counts == 1)), int(np.count_nonzero(counts > 2))


@dataclass(frozen=True)
class _Samples:
    face: NDArray[np.int64]
    weights: Points


def _samples(mesh: Opened, count: int) -> _Samples:
    """Points spread evenly over the surface: one in each share of the area, in the faces' order; always the same."""
    corners = mesh.positions[mesh.faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    random = np.random.default_rng(0)
    ends = np.cumsum(area)
    face = np.searchsorted(ends, (np.arange(count) + random.random(count)) / count * ends[-1], side="right")
    return _Samples(np.minimum(face, len(area) - 1), random.dirichlet((1, 1, 1), count))


def _points(mesh: Opened, taken: _Samples) -> Points:
    return _mixed(mesh.positions, mesh.faces[taken.face], taken.weights)


def _mixed(values: NDArray[Any], corners: NDArray[np.int64], weights: Points) -> Points:
    return np.asarray(sum(weights[:, [corner]] * values[corners[:, corner]] for corner in range(3)), np.float64)


def _colours(mesh: Opened, face: NDArray[np.int64], weights: Points) -> Points:
    """(N, 3), 0…255: the texture between its texels, or the vertices' colours."""
    corners = mesh.faces[face]
    if mesh.texture is not None and mesh.uvs is not None:
        return sample_texture(mesh.texture, _mixed(mesh.uvs, corners, weights)).astype(np.float64)
    if mesh.colours is None:
        raise ValueError("a mesh without colours")
    return _mixed(mesh.colours, corners, weights)


def _compare(mesh: Opened, taken: _Samples, other: Opened, closest: ClosestPoints) -> tuple[Points, float]:
    """Distances of a mesh's samples to another, and the mean squared difference of their colours."""
    face, weights, distance = closest.query(_points(mesh, taken))
    difference = _colours(mesh, taken.face, taken.weights) - _colours(other, face, weights)
    return distance, float((difference**2).mean())


@dataclass(frozen=True)
class _Picture:
    """A rendered view.

    Attributes:
        seen: (N,) where the mesh is.
        colour: (N, 3), 0…255.
    """

    seen: NDArray[np.bool_]
    colour: Points


def _views() -> Sequence[Points]:
    """Eight (3, 3) rotations from the mesh's frame to the viewer's: x right, y up, z to the viewer."""
    turn, tilt = _TURNS
    askew = _about(0, tilt) @ _about(1, turn)
    corner = np.arctan(1 / np.sqrt(2))
    around = [np.pi / 4 + quarter * np.pi / 2 for quarter in range(4)]
    return [_about(0, up) @ _about(1, side) @ askew for up in (corner, -corner) for side in around]


def _about(axis: int, angle: float) -> Points:
    one, two = (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[[one, two], [one, two]] = np.cos(angle)
    rotation[one, two], rotation[two, one] = -np.sin(angle), np.sin(angle)
    return rotation


def _render(mesh: Opened, rotation: Points, middle: NDArray[Any], diagonal: float, pixels: int) -> _Picture:
    """The mesh, softly lit, in parallel projection; its colour at each pixel's centre, without smoothing."""
    seen_from_here = (mesh.positions.astype(np.float64) - middle) @ rotation.T
    points = (seen_from_here[:, :2] * (1, -1) / diagonal + 0.5) * pixels
    seen = rasterise(points, seen_from_here[:, 2], mesh.faces, pixels, pixels)
    normal = _mixed(mesh.normals, mesh.faces[seen.face], seen.weights) @ rotation.T
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    light = 0.55 + 0.45 * np.clip(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    return _on_background(seen, _colours(mesh, seen.face, seen.weights) * light[:, None], pixels)


def _on_background(seen: Fragments, colour: Points, pixels: int) -> _Picture:
    covered, picture = np.zeros(pixels**2, np.bool_), np.full((pixels**2, 3), _BACKGROUND)
    covered[seen.pixel], picture[seen.pixel] = True, colour
    return _Picture(covered, picture)


def _difference(first: Sequence[_Picture], second: Sequence[_Picture]) -> float:
    """The mean squared difference where either mesh is seen, over all views."""
    squared, count = 0.0, 0
    for one, other in zip(first, second, strict=True):
        either = one.seen | other.seen
        squared += float(((one.colour[either] - other.colour[either]) ** 2).sum())
        count += 3 * int(either.sum())
    return squared / count
