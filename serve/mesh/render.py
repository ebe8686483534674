"""Pictures of a mesh: its silhouette from the photo's camera, and contact sheets for people. Knows no files."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from serve.mesh.raster import rasterise
from serve.mesh.sample import sample_texture
from serve.mesh.textured import PhotoCamera, PlacedMesh, TexturedMesh
from serve.resize import resize

TILE = 256  # pixels
SIDES = (("front", 0.0), ("right", 90.0), ("back", 180.0), ("left", 270.0))
_OVERSAMPLING = 1.5
_TILT = np.radians(12)  # the viewer looks down a little, as one does on a thing on a table
_LIGHT = np.array([-0.35, 0.65, 0.68])
_BACKGROUND = (245, 245, 247)
_INK = (60, 60, 67)


def silhouette(
    placed: PlacedMesh,
    camera: PhotoCamera,
    photo_size: tuple[int, int],
    window: tuple[int, int, int, int],
    size: tuple[int, int],
) -> NDArray[np.bool_]:
    """What the mesh covers in the photo.

    Args:
        photo_size: Width and height in pixels.
        window: x_min, y_min, x_max, y_max: the part of the photo to look at, in pixels.
        size: Width and height of the result in pixels.

    Returns:
        (h, w) booleans: the window at that size.
    """
    x_min, y_min, x_max, y_max = window
    in_scene = to_scene(placed)
    x = ((in_scene[:, 0] - camera.position[0]) / camera.width + 0.5) * photo_size[0]
    y = (0.5 - (in_scene[:, 1] - camera.position[1]) / camera.height) * photo_size[1]
    width, height = size
    points = np.column_stack([x - x_min, y - y_min]) * (width / (x_max - x_min), height / (y_max - y_min))
    seen = rasterise(points, in_scene[:, 2], placed.mesh.faces.astype(np.int64), width, height)
    picture = np.zeros(width * height, dtype=bool)
    picture[seen.pixel] = True
    return picture.reshape(height, width)


def to_scene(placed: PlacedMesh) -> NDArray[np.float64]:
    """(V, 3) the mesh's vertices in the scene: rotated, scaled, then moved."""
    turned = Rotation.from_quat(placed.placement.rotation).apply(placed.mesh.positions.astype(np.float64))
    return np.asarray(turned * placed.placement.scale + placed.placement.translation)


def four_sides(mesh: TexturedMesh) -> NDArray[np.uint8]:
    """(TILE, 4 TILE, 3) sRGB: the mesh from its front, right, back and left, lit from the upper left."""
    return np.hstack([_view(mesh, np.radians(turn)) for _, turn in SIDES])


def contact_sheet(rows: Sequence[tuple[str, NDArray[np.uint8] | None]]) -> NDArray[np.uint8]:
    """A captioned sheet of `four_sides` pictures; a row without one says that its object failed.

    Returns:
        (h, w, 3) sRGB.
    """
    head = np.full((28, 4 * TILE, 3), _BACKGROUND, dtype=np.uint8)
    for column, (side, _) in enumerate(SIDES):
        _write(head, side, (column * TILE + TILE // 2 - 18, 19))
    sheet = [head]
    for caption, picture in rows:
        tile = np.full((TILE, 4 * TILE, 3), _BACKGROUND, dtype=np.uint8) if picture is None else picture.copy()
        tile[0] = (215, 215, 220)
        _write(tile, caption, (10, 20))
        sheet.append(tile)
    return np.vstack(sheet)


def _write(picture: NDArray[np.uint8], text: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)


def _view(mesh: TexturedMesh, turn: float) -> NDArray[np.uint8]:
    """(TILE, TILE, 3) sRGB: the mesh turned by `turn` radians about its upright axis."""
    side = round(TILE * _OVERSAMPLING)
    positions = mesh.positions.astype(np.float64)
    middle = (positions.min(axis=0) + positions.max(axis=0)) / 2
    radius = np.linalg.norm(positions - middle, axis=1).max()
    rotation = (Rotation.from_rotvec([_TILT, 0, 0]) * Rotation.from_rotvec([0, -turn, 0])).as_matrix()
    seen_from_here = (positions - middle) @ rotation.T
    scale = 0.46 * side / radius
    points = np.column_stack([side / 2 + seen_from_here[:, 0] * scale, side / 2 - seen_from_here[:, 1] * scale])
    faces = mesh.faces.astype(np.int64)
    seen = rasterise(points, seen_from_here[:, 2], faces, side, side)

    corners, weights = faces[seen.face], seen.weights.astype(np.float32)
    worn = np.column_stack([mesh.uvs, mesh.normals @ rotation.T.astype(np.float32)])  # (V, 5)
    there = sum(weights[:, [corner]] * worn[corners[:, corner]] for corner in range(3))
    uv, normal = np.split(np.asarray(there), [2], axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    light = 0.55 + 0.45 * np.clip(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    picture = np.full((side * side, 3), _BACKGROUND, dtype=np.float32)
    picture[seen.pixel] = sample_texture(mesh.texture, uv) * light[:, None]
    small = resize(picture.reshape(side, side, 3), TILE, TILE)
    return np.asarray(np.clip(small + 0.5, 0, 255), dtype=np.uint8)
