"""Closed shapes with seams in their UVs.

Their picture's colour at (u, v) is (255 u, 255 v, 64): a picture turned or mirrored gives itself away.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serve.mesh.meshes import WebMesh

Grid = NDArray[np.float64]


@pytest.fixture(scope="session", params=["sphere", "torus", "cube"])
def mesh(request: pytest.FixtureRequest) -> WebMesh:
    """Each of the shapes in turn."""
    made: WebMesh = request.getfixturevalue(request.param)
    return made


@pytest.fixture(scope="session")
def embossed(torus: WebMesh) -> WebMesh:
    """The torus with waves in its normal map. Half of its tangents say that their chart is mirrored."""
    count, (height, width, _) = len(torus.positions), torus.texture.shape
    around = 2 * np.pi * torus.uvs[:, 0]
    signs = np.where(np.arange(count) % 2, 1, -1)
    tangents = np.stack((-np.sin(around), np.zeros(count), -np.cos(around), signs), -1)
    y, x = np.mgrid[:height, :width]
    waves = np.stack((0.5 * np.sin(x / 5), 0.5 * np.cos(y / 7), np.ones((height, width))), -1)
    waves /= np.linalg.norm(waves, axis=-1, keepdims=True)
    normal_map = np.rint(255 * (waves + 1) / 2).astype(np.uint8)
    return replace(torus, normal_map=normal_map, tangents=tangents.astype(np.float32))


@pytest.fixture(scope="session")
def sphere() -> WebMesh:
    """Radius 1, 480 triangles; one seam, and as many vertices at each pole as there are meridians."""
    rows, columns = 13, 21
    v, u = _unit_grid(rows, columns)
    normals = np.stack(
        (
            np.sin(np.pi * v) * np.cos(2 * np.pi * u),
            np.cos(np.pi * v),
            -np.sin(np.pi * v) * np.sin(2 * np.pi * u),
        ),
        -1,
    )
    normals[:, -1] = normals[:, 0]
    normals[0], normals[-1] = (0, 1, 0), (0, -1, 0)
    return _textured(normals, normals, np.stack((u, v), -1))


@pytest.fixture(scope="session")
def torus(torus_of: Callable[[int, int], WebMesh]) -> WebMesh:
    """1200 triangles, lying flat: seams both ways round."""
    return torus_of(21, 31)


@pytest.fixture(scope="session")
def torus_of() -> Callable[[int, int], WebMesh]:
    """`torus_of(rows, columns)` has rows × columns vertices; radii 1 and 0.3."""

    def make(rows: int, columns: int) -> WebMesh:
        v, u = _unit_grid(rows, columns)
        around, across = 2 * np.pi * u, -2 * np.pi * v
        normals = np.stack((np.cos(across) * np.cos(around), np.sin(across), -np.cos(across) * np.sin(around)), -1)
        positions = 0.3 * normals + np.stack((np.cos(around), np.zeros_like(u), -np.sin(around)), -1)
        for grid in (positions, normals):
            grid[-1], grid[:, -1] = grid[0], grid[:, 0]
            grid[-1, -1] = grid[0, 0]
        return _textured(positions, normals, np.stack((u, v), -1))

    return make


@pytest.fixture(scope="session")
def cube() -> WebMesh:
    """Side 1, 12 triangles, 24 vertices: each side has its own normals and its own sixth of the picture."""
    x, y, z = np.eye(3)
    v, u = _unit_grid(2, 2)
    sides = []
    for index, (normal, right) in enumerate(((z, x), (x, -z), (-z, -x), (-x, z), (y, x), (-y, x))):
        up = np.cross(normal, right)
        positions = 0.5 * normal + (u - 0.5)[..., None] * right + (0.5 - v)[..., None] * up
        uvs = np.stack(((index % 3 + u) / 3, (index // 3 + v) / 2), -1)
        sides.append(_textured(positions, np.broadcast_to(normal, (2, 2, 3)), uvs))
    return WebMesh(
        positions=np.concatenate([side.positions for side in sides]),
        normals=np.concatenate([side.normals for side in sides]),
        uvs=np.concatenate([side.uvs for side in sides]),
        faces=np.concatenate([side.faces + np.uint32(4 * index) for index, side in enumerate(sides)]),
        texture=sides[0].texture,
    )


def _unit_grid(rows: int, columns: int) -> tuple[Grid, Grid]:
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return v, u


def _textured(positions: Grid, normals: Grid, uvs: Grid) -> WebMesh:
    """Grids (rows, columns, …) as a mesh: seen from outside, rows go down and columns to the right."""
    rows, columns = positions.shape[:2]
    corner = np.arange(rows * columns).reshape(rows, columns)
    upper = np.stack((corner[:-1, :-1], corner[1:, 1:], corner[:-1, 1:]), -1).reshape(-1, 3)
    lower = np.stack((corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:]), -1).reshape(-1, 3)
    faces = np.concatenate((upper, lower))
    points = positions.reshape(-1, 3).astype(np.float32)
    a, b, c = points[faces].swapaxes(0, 1)
    has_area = (a != b).any(1) & (b != c).any(1) & (c != a).any(1)  # not so where a row is a pole
    return WebMesh(
        positions=points,
        normals=normals.reshape(-1, 3).astype(np.float32),
        uvs=uvs.reshape(-1, 2).astype(np.float32),
        faces=faces[has_area].astype(np.uint32),
        texture=_picture(64, 128),
    )


def _picture(height: int, width: int) -> NDArray[np.uint8]:
    picture: NDArray[Any] = np.full((height, width, 3), 64.0)
    picture[..., 0] = 255 * (np.arange(width) + 0.5) / width
    picture[..., 1] = (255 * (np.arange(height) + 0.5) / height)[:, None]
    return picture.round().astype(np.uint8)
