"""From a photo and masks to meshes or splats and their places in the scene.

Scenes have glTF's axes: x right, y up, z to the viewer. The photo's camera stands in them and looks along -z. What one
unit of length is, each reconstructor's `units` says.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serve.contract import Format, Quality, Warned
from serve.mesh.meshes import DenseMesh, PhotoCamera, Placement, WebMesh
from serve.segment import PixelBox, Segmentation


@dataclass(frozen=True)
class Fineness:
    """What a quality means for a mesh: about how many triangles, and the texture's longer side at most, in pixels."""

    faces: int
    texture_size: int


@dataclass(frozen=True)
class Detail:
    """What is wished of every object of a job.

    Attributes:
        quality: How much work may go into it.
        faces: About how many triangles a mesh has.
        texture_size: Its texture's longer side at most, in pixels.
        mesh: Whether the mesh is of use: a mesh format or the scene was asked for.
        splats: Whether the format `splats` was asked for.
        normal_map: Whether a mesh made of a denser one is to have a picture of what it lost.
    """

    quality: Quality
    faces: int
    texture_size: int
    mesh: bool
    splats: bool
    normal_map: bool = False


@dataclass(frozen=True)
class Reconstruction:
    """What was made of one mask.

    Attributes:
        mesh: In the object's own frame, finished or still to be; None where none was wished.
        splats: A PLY file of 3D Gaussians, in the object's own frame too; None where none were wished.
        placement: Where that frame stands in the scene.
        depth_is_guess: Whether the z of the placement's translation is guessed rather than measured.
        warnings: What is worth knowing about all this.
    """

    mesh: DenseMesh | WebMesh | None
    splats: bytes | None
    placement: Placement
    depth_is_guess: bool
    warnings: tuple[Warned, ...] = ()


class PhotoReconstructor(Protocol):
    """Makes the objects of one photo."""

    @property
    def camera(self) -> PhotoCamera:
        """The camera that took the photo, in the scene."""
        ...

    def make(
        self, masks: Sequence[Segmentation], step: Callable[[int, int, int], None]
    ) -> Iterator[Reconstruction | Exception]:
        """The objects of the masks in their order, each as soon as it is done, or why there is none.

        Args:
            masks: At most as many as `Reconstructor.objects_at_once`.
            step: Told after each step, where the work has steps: which of the masks, steps done, steps in all. What it
                raises (`StoppedError`, where the work is no longer wanted) must be let through.

        Yields:
            A Gen3DError for an object that cannot be made: `no_depth`, `reconstruction_failed`. Any other exception is
            a defect that this object met; one that is raised instead is that of all objects still owed.

        Raises:
            EngineBrokenError: The engine is of no more use to anybody.
        """
        ...


class Reconstructor(Protocol):
    """Makes meshes and splats. `on` does once what all objects of a photo share.

    Attributes:
        name: What people know it by.
        units: What one unit of length in its scenes is, in words.
        formats: What it can make.
        details: What each quality means where the request does not say.
        objects_at_once: How many masks `make` is given at most; 1 is one by one.
    """

    name: str
    units: str
    formats: tuple[Format, ...]
    details: Mapping[Quality, Fineness]
    objects_at_once: int

    def on(self, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox], detail: Detail, seed: int) -> PhotoReconstructor:
        """Takes a photo, (H, W, 3) sRGB, all its boxes, at least one, what is wished, and a seed for what is drawn."""
        ...
