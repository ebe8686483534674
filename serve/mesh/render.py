"""Pictures of a mesh: its silhouette from the photo's camera, and contact sheets for people. Knows no files."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from serve.mesh.meshes import OrthographicCamera, PhotoCamera, PlacedMesh, WebMesh
from serve.mesh.raster import Fragments, rasterise
from serve.mesh.sample import sample_texture
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
    """What the mesh covers in the photo. Triangles that reach behind a perspective camera are left out.

    Args:
        photo_size: Width and height in pixels.
        window: x_min, y_min, x_max, y_max: the part of the photo to look at, in pixels.
        size: Width and height of the result in pixels.

    Returns:
        (h, w) booleans: the window at that size.
    """
    x_min, y_min, x_max, y_max = window
    in_photo, nearness = project(to_scene(placed), camera, photo_size)
    width, height = size
    points = (in_photo - (x_min, y_min)) * (width / (x_max - x_min), height / (y_max - y_min))
    faces = placed.mesh.faces.astype(np.int64)
    if not isinstance(camera, OrthographicCamera):
        faces = faces[np.isfinite(nearness)[faces].all(axis=1)]
    seen = rasterise(points, nearness, faces, width, height)
    picture = np.zeros(width * height, dtype=bool)
    picture[seen.pixel] = True
    return picture.reshape(height, width)


def project(
    in_scene: NDArray[np.float64], camera: PhotoCamera, photo_size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where points of the scene, (V, 3), lie in the photo: (V, 2) pixels, x right, y down; and (V,) how near they are.

    Nearness grows towards the viewer, linearly on the photo: it is z, or for a perspective camera the inverse of the
    distance along its axis. Points that are not in front of such a camera are nowhere: not a number.
    """
    if isinstance(camera, OrthographicCamera):
        x = ((in_scene[:, 0] - camera.position[0]) / camera.width + 0.5) * photo_size[0]
        y = (0.5 - (in_scene[:, 1] - camera.position[1]) / camera.height) * photo_size[1]
        return np.column_stack([x, y]), in_scene[:, 2]
    seen = in_scene - camera.position
    distance = np.where(seen[:, 2] < 0, -seen[:, 2], np.nan)
    half_height = np.tan(camera.yfov / 2) * distance
    x = (seen[:, 0] / (half_height * camera.aspect) + 1) / 2 * photo_size[0]
    y = (1 - seen[:, 1] / half_height) / 2 * photo_size[1]
    return np.column_stack([x, y]), 1 / distance


def to_scene(placed: PlacedMesh) -> NDArray[np.float64]:
    """(V, 3) the mesh's vertices in the scene: rotated, scaled, then moved."""
    turned = Rotation.from_quat(placed.placement.rotation).apply(placed.mesh.positions.astype(np.float64))
    return np.asarray(turned * placed.placement.scale + placed.placement.translation)


def four_sides(mesh: WebMesh) -> NDArray[np.uint8]:
    """(TILE, 4 TILE, 3) sRGB: the mesh from its front, right, back and left, lit from the upper left."""
    return np.hstack([_view(mesh, np.radians(turn)) for _, turn in SIDES])


def contact_sheet(rows: Sequence[tuple[str, NDArray[np.uint8] | None]]) -> NDArray[np.uint8]:
    """A captioned sheet of `four_sides` pictures; where a row has none, its caption is to say why.

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


def _view(mesh: WebMesh, turn: float) -> NDArray[np.uint8]:
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

    colour = sample_texture(mesh.texture, _between(mesh.uvs, faces, seen))
    normal = _between(mesh.normals @ rotation.T.astype(np.float32), faces, seen)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    light = 0.55 + 0.45 * np.clip(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    picture = np.full((side * side, 3), _BACKGROUND, dtype=np.float32)
    picture[seen.pixel] = colour * light[:, None]
    small = resize(picture.reshape(side, side, 3), TILE, TILE)
    return np.asarray(np.clip(small + 0.5, 0, 255), dtype=np.uint8)


def _between(values: NDArray[np.float32], faces: NDArray[np.int64], seen: Fragments) -> NDArray[np.float32]:
    """(V, k) values of vertices → (N, k) at the pixels that are seen."""
    corners, weights = faces[seen.face], seen.weights.astype(np.float32)
    return np.asarray(sum(weights[:, [corner]] * values[corners[:, corner]] for corner in range(3)))
