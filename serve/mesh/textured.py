"""The mesh that people get: triangles, normals, UVs and one picture. Knows not how it was made or where it goes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.uint32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class TexturedMesh:
    """Triangles in the object's own frame: glTF's axes (x right, y up, z to the viewer), the origin in its middle.

    Attributes:
        positions: (V, 3) float32, metres.
        normals: (V, 3) float32, unit length, pointing outward.
        uvs: (V, 2) float32 in [0, 1], the origin in the texture's upper left corner (glTF's convention).
        faces: (F, 3) uint32, counter-clockwise seen from outside.
        texture: (h, w, 3) uint8 sRGB, the base colour.
    """

    positions: Floats
    normals: Floats
    uvs: Floats
    faces: Indices
    texture: Pixels


@dataclass(frozen=True)
class Placement:
    """Where an object's own frame stands in the scene: rotate, scale, then translate.

    Attributes:
        rotation: A unit quaternion, x y z w (glTF's order).
        scale: Scene units per unit of the object's frame.
        translation: In scene units; x right, y up, z to the viewer.
    """

    rotation: tuple[float, float, float, float]
    scale: float
    translation: tuple[float, float, float]


@dataclass(frozen=True)
class PhotoCamera:
    """An orthographic camera at `position` that looks along -z with y up and sees `width` × `height` scene units."""

    position: tuple[float, float, float]
    width: float
    height: float


@dataclass(frozen=True)
class PlacedMesh:
    """A named mesh in its place in the scene."""

    name: str
    mesh: TexturedMesh
    placement: Placement
