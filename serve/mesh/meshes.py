"""The meshes that people get, their places and the photo's camera. Knows not how they were made or where they go."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.uint32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class DenseMesh:
    """What a network decodes: triangles in the object's own frame, as `WebMesh`, with a colour at every vertex.

    Nothing is promised of it but the shapes: positions may be no numbers, triangles may be degenerate, cross each other
    or miss.

    Attributes:
        positions: (V, 3) float32.
        faces: (F, 3) int32, counter-clockwise seen from outside, each index from 0 to V - 1.
        colours: (V, 3) uint8 sRGB, the base colour.
    """

    positions: Floats
    faces: NDArray[np.int32]
    colours: Pixels


@dataclass(frozen=True)
class WebMesh:
    """Triangles in the object's own frame: glTF's axes (x right, y up, z to the viewer), the origin in its middle.

    Attributes:
        positions: (V, 3) float32, in units of that frame.
        normals: (V, 3) float32, unit length, pointing outward.
        uvs: (V, 2) float32 in [0, 1], the origin in the texture's upper left corner (glTF's convention).
        faces: (F, 3) uint32, counter-clockwise seen from outside.
        texture: (h, w, 3) uint8 sRGB, the base colour.
        normal_map: (h, w, 3) uint8, unit normals in tangent space as glTF has them (x right, y up, z outward; -1…1 as
            0…255), or None.
        tangents: (V, 4) float32, x y z along +u and the sign of the bitangent, where there is a normal map, else None.
    """

    positions: Floats
    normals: Floats
    uvs: Floats
    faces: Indices
    texture: Pixels
    normal_map: Pixels | None = None
    tangents: Floats | None = None


@dataclass(frozen=True)
class Placement:
    """Where an object's own frame stands in the scene: rotate, scale, then translate.

    Attributes:
        rotation: A unit quaternion, x y z w (glTF's order).
        scale: Scene units per unit of the object's frame, the same along all three axes.
        translation: In scene units; x right, y up, z to the viewer.
    """

    rotation: tuple[float, float, float, float]
    scale: float
    translation: tuple[float, float, float]


@dataclass(frozen=True)
class OrthographicCamera:
    """A camera at `position` that looks along -z with y up and sees `width` × `height` scene units at any distance."""

    position: tuple[float, float, float]
    width: float
    height: float


@dataclass(frozen=True)
class PerspectiveCamera:
    """A pinhole camera that looks along -z with y up; its principal point is the middle of the photo.

    Attributes:
        position: Of the pinhole, in scene units.
        yfov: The angle between the photo's upper and lower edge, in radians.
        aspect: The width that it sees over the height.
    """

    position: tuple[float, float, float]
    yfov: float
    aspect: float


PhotoCamera = OrthographicCamera | PerspectiveCamera


@dataclass(frozen=True)
class PlacedMesh:
    """A named mesh in its place in the scene."""

    name: str
    mesh: WebMesh
    placement: Placement
