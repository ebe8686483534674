"""Dense meshes such as a network's decoder gives: marching cubes at 256³, with a colour at every vertex. Knows no road.

`thin` has plates, rods and rings of a few voxels; `multi` many bodies and crumbs; `blob` one rough body of a million
faces. All are closed, and the same on every call.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from serve.mesh.meshes import DenseMesh

SIDE: Final = 256

Field = NDArray[np.floating[Any]]


def dense_mesh(name: str, side: int = SIDE) -> DenseMesh:
    """One of `MESHES`, within [-0.5, 0.5]³, y up.

    Args:
        name: Which.
        side: Voxels along each side.
    """
    axis = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    grid = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    field = MESHES[name](*grid)
    # Nothing reaches the border, so that every body is closed.
    field[[0, -1]] = field[:, [0, -1]] = field[:, :, [0, -1]] = 1.0
    vertices, faces, _, _ = marching_cubes(field, 0.0, spacing=(1 / (side - 1),) * 3)
    positions = (vertices - 0.5).astype(np.float32)
    return DenseMesh(positions, np.ascontiguousarray(faces, dtype=np.int32), colours_at(positions))


def colours_at(points: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """(N, 3) points → (N, 3) sRGB: broad shades, veins of eight voxels, a grain of two or three, and sharp spots."""
    x, y, z = (points[:, axis].astype(np.float32) for axis in range(3))
    veins = (
        np.sin(70 * x + 9 * np.sin(11 * y)) * np.sin(64 * y + 7 * np.sin(13 * z)) * np.sin(58 * z + 8 * np.sin(9 * x))
    )
    grain = np.sin(310 * x + 3 * np.sin(17 * z)) * np.sin(290 * y) * np.sin(330 * z + 2 * np.sin(19 * x))
    spots = np.sin(23 * x + 1) * np.sin(21 * y + 2) * np.sin(25 * z + 3) > 0.35
    red = 0.55 + 0.25 * np.sin(5 * x + 2 * y) + 0.15 * veins + 0.12 * grain
    green = 0.45 + 0.25 * np.sin(6 * y - 3 * z) + 0.12 * veins + 0.10 * grain
    blue = 0.40 + 0.25 * np.sin(4 * z + 3 * x) - 0.10 * veins + 0.12 * grain
    colours = np.stack((np.where(spots, 0.85, red), np.where(spots, 0.35, green), np.where(spots, 0.2, blue)), -1)
    return np.asarray(np.clip(255 * colours, 0, 255).round().astype(np.uint8))


def _thin(x: Field, y: Field, z: Field) -> Field:
    """Wavy plates of three and of five voxels, rods, a coil and rings."""
    parts = [
        _box(x, y - 0.01 * np.sin(31 * x) * np.sin(29 * z), z, (0.0, -0.38, 0.0), (0.30, 0.006, 0.30)),
        _box(x, y, z - 0.01 * np.sin(27 * x) * np.sin(33 * y), (0.0, 0.0, -0.26), (0.24, 0.25, 0.010)),
    ]
    for i in range(6):
        across = np.hypot(x - (-0.25 + 0.10 * i), z - 0.05) - 0.010
        parts.append(np.asarray(np.maximum(across, np.abs(y + 0.1) - 0.29)))
    angle = np.arctan2(z, x)
    for turn in range(2):
        middle = 0.12 * (turn + angle / (2 * np.pi)) + 0.12
        parts.append(np.hypot(np.hypot(x, z) - 0.3, y - middle) - 0.012)
    for centre, radius in (((-0.25, 0.33, 0.0), 0.1), ((0.25, 0.33, 0.0), 0.1)):
        off = (x - centre[0], y - centre[1], z - centre[2])
        parts.append(np.hypot(np.hypot(off[0], off[1]) - radius, off[2]) - 0.010)
    return _joined(parts)


def _multi(x: Field, y: Field, z: Field) -> Field:
    """Three bowls within each other, a foot, fifty rough bodies around them and a hundred crumbs."""
    random = np.random.default_rng(5)
    wave = 0.012 * np.sin(9 * np.arctan2(z, x))
    round_ = np.sqrt(x**2 + (1.3 * (y - 0.12)) ** 2 + z**2)
    bowls = [np.maximum(np.abs(round_ - radius - wave) - 0.012, y - 0.14) for radius in (0.38, 0.29, 0.20)]
    field = _joined([*bowls, _box(x, y, z, (0.0, -0.36, 0.0), (0.18, 0.08, 0.18))])
    for radii, rough, reach in ((random.uniform(0.03, 0.06, 50), 0.006, 0.42), (np.full(100, 0.007), 0.0, 0.47)):
        for radius in radii:
            _add_ball(field, (x, y, z), random.uniform(-reach, reach, 3), float(radius), rough)
    return field


def _add_ball(
    field: Field, axes: tuple[Field, Field, Field], centre: NDArray[np.float64], radius: float, rough: float
) -> None:
    """Joins a ball with the field, where it is near; far away the field's sign is what it was."""
    near = [
        slice(*np.searchsorted(axis.ravel(), (at - radius - 0.02, at + radius + 0.02)))
        for axis, at in zip(axes, centre, strict=True)
    ]
    x, y, z = axes[0][near[0]], axes[1][:, near[1]], axes[2][:, :, near[2]]
    ball = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2) - radius
    ball = ball + rough * np.sin(60 * x) * np.sin(60 * y) * np.sin(60 * z)
    within = field[near[0], near[1], near[2]]
    np.minimum(within, ball, out=within)


def _blob(x: Field, y: Field, z: Field) -> Field:
    """A ball under waves of four lengths, seen from its middle in one piece."""
    distance = np.sqrt(x**2 + y**2 + z**2)
    shrink = 0.4 / np.maximum(distance, 0.1)
    x, y, z = x * shrink, y * shrink, z * shrink
    field = distance - 0.40
    for wave, height in ((8.0, 0.060), (21.0, 0.090), (47.0, 0.085), (95.0, 0.040)):
        field = field + height * np.sin(wave * x + 1.7) * np.sin(wave * y + 0.4) * np.sin(wave * z + 2.9)
    return np.asarray(field, dtype=np.float32)


def _box(x: Field, y: Field, z: Field, centre: tuple[float, float, float], half: tuple[float, float, float]) -> Field:
    flat = np.maximum(np.abs(x - centre[0]) - half[0], np.abs(y - centre[1]) - half[1])
    return np.asarray(np.maximum(flat, np.abs(z - centre[2]) - half[2]))


def _joined(parts: list[Field]) -> Field:
    field = np.broadcast_to(parts[0], np.broadcast_shapes(*(part.shape for part in parts))).astype(np.float32)
    for part in parts[1:]:
        np.minimum(field, part, out=field)
    return field


MESHES: Final[Mapping[str, Callable[[Field, Field, Field], Field]]] = {"thin": _thin, "multi": _multi, "blob": _blob}
