"""Dense meshes with one thing about them, and what `clean` promises of any."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from trimesh import Trimesh, creation

from serve.mesh.meshes import DenseMesh


def dense(positions: ArrayLike, faces: ArrayLike) -> DenseMesh:
    """With a colour of its own at every vertex."""
    places = np.asarray(positions, dtype=np.float32).reshape(-1, 3)
    number = np.arange(len(places))
    colours = np.stack((number % 251, number * 7 % 241, number // 251), -1).astype(np.uint8)
    return DenseMesh(places, np.asarray(faces, dtype=np.int32).reshape(-1, 3), colours)


def ball(subdivisions: int = 3, radius: float = 1, at: tuple[float, float, float] = (0, 0, 0)) -> DenseMesh:
    made = creation.icosphere(subdivisions=subdivisions, radius=radius)
    return dense(made.vertices + np.asarray(at), made.faces)


def grid(rows: int, columns: int) -> DenseMesh:
    """A flat sheet with a corner at every whole number."""
    corner = np.arange(rows * columns).reshape(rows, columns)
    upper = np.stack((corner[:-1, :-1], corner[1:, 1:], corner[:-1, 1:]), -1).reshape(-1, 3)
    lower = np.stack((corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:]), -1).reshape(-1, 3)
    y, x = np.divmod(np.arange(rows * columns), columns)
    return dense(np.stack((x, y, np.zeros_like(x)), -1), np.concatenate((upper, lower)))


def shell_with_mouth(width: float) -> DenseMesh:
    """A hollow ball of radius 1 whose wall, a tenth thick, has a hole of that radius from the outside to the inside."""
    angles = np.concatenate((np.linspace(width, np.pi, 40), np.linspace(np.pi, width / 0.9, 40)))
    radii = np.repeat((1.0, 0.9), 40)
    profile = np.stack((radii * np.sin(angles), radii * np.cos(angles)), -1)[::-1]
    made: Trimesh = creation.revolve(np.concatenate((profile, profile[:1])), sections=64)
    return dense(made.vertices, made.faces)


def with_fin(mesh: DenseMesh, height: float) -> DenseMesh:
    """With a triangle, both sides of it, on one of its edges."""
    a, b, _ = mesh.faces[0]
    tip = mesh.positions[[a]] * np.float32(1 + height)
    count = len(mesh.positions)
    fin = np.array([[a, b, count], [b, a, count]], dtype=np.int32)
    return dense(np.concatenate((mesh.positions, tip)), np.concatenate((mesh.faces, fin)))


def corner_on_an_edge(at: float = 0) -> DenseMesh:
    """A closed body; its corner 2 lies on the edge from 0 to 1, so that face 0 has no area."""
    positions = np.array([[0, 0, 0], [2, 0, 0], [1, 0, 0], [1, 1, 1], [1, 1, -1], [1, -1, 0]]) + at
    return dense(positions, [[0, 1, 2], [0, 3, 1], [2, 1, 4], [0, 2, 4], [0, 4, 5], [4, 1, 5], [0, 5, 3], [5, 1, 3]])


def cubes(solid: NDArray[np.bool_]) -> tuple[NDArray[np.float64], list[list[int]]]:
    """The sides of unit cubes that are there where their neighbour is not: positions and faces."""
    number: dict[tuple[int, ...], int] = {}
    faces = []
    filled = np.pad(solid, 1)
    for cube in np.argwhere(filled):
        for axis in range(3):
            for step in (-1, 1):
                beside = cube.copy()
                beside[axis] += step
                if filled[tuple(beside)]:
                    continue
                ring = []
                for right, up in ((0, 0), (1, 0), (1, 1), (0, 1)):
                    corner = cube.copy()
                    corner[axis] += step > 0
                    corner[(axis + 1) % 3] += right
                    corner[(axis + 2) % 3] += up
                    ring.append(number.setdefault(tuple(corner.tolist()), len(number)))
                a, b, c, d = ring[::step]
                faces += [[a, b, c], [a, c, d]]
    return np.array(list(number), dtype=np.float64), faces


def joined(*meshes: DenseMesh) -> DenseMesh:
    starts = np.cumsum([0, *(len(mesh.positions) for mesh in meshes)])
    return DenseMesh(
        np.concatenate([mesh.positions for mesh in meshes]),
        np.concatenate([mesh.faces + np.int32(start) for mesh, start in zip(meshes, starts, strict=False)]),
        np.concatenate([mesh.colours for mesh in meshes]),
    )


def inside_out(mesh: DenseMesh) -> DenseMesh:
    return replace(mesh, faces=np.ascontiguousarray(mesh.faces[:, ::-1]))


def scaled(mesh: DenseMesh, factor: float) -> DenseMesh:
    return replace(mesh, positions=mesh.positions * np.float32(factor))


def nothing_has_area(mesh: DenseMesh) -> bool:
    """Whether every face, in numbers without rounding, is a line, a point or nowhere, or exactly so close to it."""
    a, b, c = mesh.positions[mesh.faces].astype(np.float64).swapaxes(0, 1)
    with np.errstate(invalid="ignore"):
        longest = np.max([np.linalg.norm(side, axis=1) for side in (b - a, c - b, a - c)], axis=0)
        twice = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        largest = np.abs(mesh.positions[np.isfinite(mesh.positions)]).max(initial=0).astype(np.float64)
        return not (twice > 4 * longest * largest * 2.0**-23).any()


def assert_as_promised(mesh: DenseMesh) -> None:
    positions, faces = mesh.positions, mesh.faces
    assert [array.dtype for array in (positions, faces, mesh.colours)] == [np.float32, np.int32, np.uint8]
    assert positions.shape == mesh.colours.shape
    assert np.isfinite(positions).all()
    assert np.array_equal(np.unique(faces), np.arange(len(positions))), "every vertex has a face"
    assert len(np.unique(np.sort(faces, axis=1), axis=0)) == len(faces), "no two faces have the same corners"
    a, b, c = positions[faces].astype(np.float64).swapaxes(0, 1)
    longest = np.max([np.linalg.norm(side, axis=1) for side in (b - a, c - b, a - c)], axis=0)
    heights = np.linalg.norm(np.cross(b - a, c - a), axis=1) / longest
    assert (heights > np.abs(positions).max() * 2.0**-24).all(), "every face has an area"
    halves = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert len(np.unique(halves, axis=0)) == len(halves), "a face runs through an edge in either direction, no second"
    after: dict[int, dict[int, int]] = {}
    for corners in faces.tolist():
        for vertex, start, end in zip(corners, corners[1:] + corners[:1], corners[2:] + corners[:2], strict=True):
            after.setdefault(vertex, {})[start] = end
    for fan in after.values():
        begins = [corner for corner in fan if corner not in set(fan.values())]
        at, met = (begins or list(fan))[0], 0
        while at in fan and met < len(fan):
            at, met = fan[at], met + 1
        assert met == len(fan), "the faces around a vertex form one fan"


def assert_same(one: DenseMesh, other: DenseMesh) -> None:
    assert np.array_equal(one.positions, other.positions)
    assert np.array_equal(one.faces, other.faces)
    assert np.array_equal(one.colours, other.colours)


def shared(mesh: DenseMesh) -> NDArray[np.int64]:
    """The faces over one vertex for each place, less those that name one twice."""
    faces = np.unique(mesh.positions, axis=0, return_inverse=True)[1].reshape(-1)[mesh.faces]
    return np.asarray(faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)], dtype=np.int64)


def borders(mesh: DenseMesh) -> int:
    """How many edges have one face."""
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
    return int(np.count_nonzero(np.unique(edges, axis=0, return_counts=True)[1] == 1))


def volume(mesh: DenseMesh) -> float:
    a, b, c = mesh.positions[mesh.faces].astype(np.float64).swapaxes(0, 1)
    return float((a * np.cross(b, c)).sum() / 6)
