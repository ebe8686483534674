"""From a photo and a mask to a textured mesh and its place in the scene.

Scenes have glTF's axes: x right, y up, z to the viewer, the origin in the middle of the photo. One unit is one metre,
taking the photo's longer side to be a metre long.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serve.contract import Format, Quality, Warned
from serve.mesh.textured import PhotoCamera, Placement, TexturedMesh
from serve.segment import PixelBox, Segmentation


@dataclass(frozen=True)
class Detail:
    """How fine a mesh is wished: about how many triangles, and the texture's longer side at most, in pixels."""

    faces: int
    texture_size: int


@dataclass(frozen=True)
class Reconstruction:
    """A mesh in its own frame, where that frame stands in the scene, and what is worth knowing about both."""

    mesh: TexturedMesh
    placement: Placement
    depth_is_guess: bool
    warnings: tuple[Warned, ...] = ()


class Reconstructor(Protocol):
    """Makes meshes. `on` does once what all objects of a photo share, and returns what turns a mask into a mesh."""

    name: str
    units: str
    formats: tuple[Format, ...]
    details: Mapping[Quality, Detail]

    def camera(self, width: int, height: int) -> PhotoCamera:
        """The camera that took a photo of this many pixels, in the scene."""
        ...

    def on(
        self, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox]
    ) -> Callable[[Segmentation, Detail, int], Reconstruction]:
        """Takes a photo, (H, W, 3) sRGB, and all its boxes. What it returns takes a mask, the detail and a seed.

        It raises Gen3DError `reconstruction_failed`.
        """
        ...
