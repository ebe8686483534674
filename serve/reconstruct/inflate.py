"""The preview engine's reconstructor: a mask is blown up into a closed, round solid that wears the photo.

It knows the outline alone: depth and the far side are invented. Thickness follows the outline's local width.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from serve.contract import Format, Quality, Warned
from serve.errors import Gen3DError
from serve.mesh.measure import vertex_normals
from serve.mesh.meshes import OrthographicCamera, Placement, WebMesh
from serve.reconstruct import Detail, Fineness, PhotoReconstructor, Reconstruction
from serve.reconstruct.inflation.height import ROUNDNESS, half_thickness
from serve.reconstruct.inflation.outline import drop_hairs, outlines
from serve.reconstruct.inflation.texture import spread_colours
from serve.reconstruct.inflation.triangulate import PlanarMesh, triangulate
from serve.resize import resize, resize_mask, size_within
from serve.segment import PixelBox, Segmentation

FEWEST_FACES = 5_000
MOST_FACES = 60_000
# Masks are found on a far coarser grid; beyond this, a finer outline would cost memory and show nothing more.
_MOST_MASK_PIXELS = 2**24
_TOO_MANY_FACES = 1.15  # over the wish
_WITHIN = 0.9  # of a box's area inside another's, for it to count as lying within
_CAMERA_DISTANCE = 10.0  # metres; without effect on an orthographic picture, but in front of every object


class Inflate:
    """Masks → solids, on any CPU. Deterministic: the seed changes nothing."""

    name = "silhouette inflation"
    units = "1 unit is 1 metre if the photo's longer side is 1 metre; a photo alone does not tell the scale"
    formats: tuple[Format, ...] = ("glb", "obj", "stl", "ply", "usdz")
    details: Mapping[Quality, Fineness] = {
        "draft": Fineness(FEWEST_FACES, 512),
        "standard": Fineness(20_000, 1024),
        "high": Fineness(MOST_FACES, 2048),
    }
    objects_at_once = 1

    def on(
        self,
        pixels: NDArray[np.uint8],
        boxes: Sequence[PixelBox],
        detail: Detail,
        seed: int,  # noqa: ARG002
    ) -> PhotoReconstructor:
        """See `Reconstructor.on`."""
        unit = _metres_per_pixel(pixels.shape[1], pixels.shape[0])
        depths = {box: depth * unit for box, depth in zip(boxes, guess_depths(boxes), strict=True)}
        return _Photo(pixels, depths, detail)


class _Photo:
    """A photo whose objects are to be inflated; `depths` are where their boxes' objects stand, in metres."""

    def __init__(self, pixels: NDArray[np.uint8], depths: Mapping[PixelBox, float], detail: Detail) -> None:
        self._pixels, self._depths, self._detail = pixels, depths, detail
        height, width = pixels.shape[:2]
        self._unit = _metres_per_pixel(width, height)
        # Orthographic: without depth, a perspective camera would distort what it cannot know.
        self.camera = OrthographicCamera((0.0, 0.0, _CAMERA_DISTANCE), width * self._unit, height * self._unit)

    def make(
        self,
        masks: Sequence[Segmentation],
        step: Callable[[int, int, int], None],  # noqa: ARG002
    ) -> Iterator[Reconstruction | Gen3DError]:
        """See `PhotoReconstructor.make`; a mask takes a blink, so no steps are told."""
        for found in masks:
            made: Reconstruction | Gen3DError
            try:
                made = self._inflate(found)
            except Gen3DError as refusal:
                made = refusal
            yield made

    def _inflate(self, found: Segmentation) -> Reconstruction:
        box, unit = found.box, self._unit
        height, width = self._pixels.shape[:2]
        crop = self._pixels[box.y_min : box.y_max, box.x_min : box.x_max]
        mesh, centre, warnings = _solid(crop, found.mask, self._detail, unit)
        x = (box.x_min + centre[0] - width / 2) * unit
        y = (height / 2 - box.y_min - centre[1]) * unit
        placement = Placement((0.0, 0.0, 0.0, 1.0), 1.0, (float(x), float(y), self._depths[box]))
        return Reconstruction(mesh, None, placement, depth_is_guess=True, warnings=warnings)


def guess_depths(boxes: Sequence[PixelBox]) -> list[float]:
    """Where the middle of each object may stand, in pixels towards the viewer: a guess from the boxes alone.

    Things that reach lower in the photo and things that are larger tend to be nearer; a thing whose box lies within
    another's tends to be on or before it. From far to near, each object is put as far before those whose boxes it
    overlaps as round bodies of their width reach, so that it is not hidden in them.
    """
    if not boxes:
        return []
    lowest = max(box.y_max for box in boxes)
    largest = max(_area(box) for box in boxes)
    by_size = sorted(range(len(boxes)), key=lambda i: (-_area(boxes[i]), boxes[i]))
    nearness = [box.y_max / lowest + np.sqrt(_area(box) / largest) for box in boxes]
    for place, inner in enumerate(by_size):
        for outer in by_size[:place]:
            if _shared_area(boxes[inner], boxes[outer]) >= _WITHIN * _area(boxes[inner]):
                nearness[inner] = max(nearness[inner], np.nextafter(nearness[outer], np.inf))
    depths = [0.0] * len(boxes)
    placed: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: (nearness[i], boxes[i])):
        for other in placed:
            step = _half_thickness(boxes[other]) if _shared_area(boxes[index], boxes[other]) else 0.0
            depths[index] = max(depths[index], depths[other] + step)
        placed.append(index)
    return depths


def _area(box: PixelBox) -> int:
    return (box.x_max - box.x_min) * (box.y_max - box.y_min)


def _shared_area(one: PixelBox, other: PixelBox) -> int:
    across = min(one.x_max, other.x_max) - max(one.x_min, other.x_min)
    down = min(one.y_max, other.y_max) - max(one.y_min, other.y_min)
    return max(0, across) * max(0, down)


def _half_thickness(box: PixelBox) -> float:
    """Of a round body that fills the box."""
    return ROUNDNESS * min(box.x_max - box.x_min, box.y_max - box.y_min) / 2


def _metres_per_pixel(width: int, height: int) -> float:
    return 1 / max(width, height)


def _solid(
    crop: NDArray[np.uint8], mask: NDArray[np.bool_], detail: Detail, unit: float
) -> tuple[WebMesh, NDArray[np.float64], tuple[Warned, ...]]:
    """The mesh of one mask, the point of the crop (x, y in pixels) that is its origin, and warnings."""
    faces = int(np.clip(detail.faces, FEWEST_FACES, MOST_FACES))
    warnings: tuple[Warned, ...] = ()
    if faces != detail.faces:
        message = f"The preview engine makes {FEWEST_FACES} to {MOST_FACES} faces: {detail.faces} became {faces}."
        warnings = (Warned(code="faces_clipped", message=message),)

    working = drop_hairs(_at_most(mask, _MOST_MASK_PIXELS))
    if not working.any():
        message = "The mask is nowhere 3 pixels wide: draw a larger box, or use a larger photo."
        raise Gen3DError("reconstruction_failed", message)
    plane = triangulate(outlines(working), working, faces // 2)
    pixel = np.array([mask.shape[1] / working.shape[1], mask.shape[0] / working.shape[0]])
    in_crop = plane.points * pixel
    centre = (in_crop.min(axis=0) + in_crop.max(axis=0)) / 2

    source, z, triangles = _mirrored(plane, half_thickness(plane) * pixel.mean())
    positions = np.column_stack([in_crop[source] - centre, z]) * (unit, -unit, unit)
    if len(triangles) > _TOO_MANY_FACES * faces:
        message = f"The mask's thin parts take {len(triangles)} faces; {faces} were asked for."
        warnings = (*warnings, Warned(code="faces_exceeded", message=message))
    texture, uvs = _wear(crop, mask, in_crop[source], detail.texture_size)
    mesh = WebMesh(
        positions=positions.astype(np.float32),
        normals=vertex_normals(positions, triangles).astype(np.float32),
        uvs=uvs.astype(np.float32),
        faces=triangles.astype(np.uint32),
        texture=texture,
    )
    return mesh, centre, warnings


def _at_most(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """The mask, made smaller where it has more than this many pixels."""
    longest = max(mask.shape) * np.sqrt(min(1.0, pixels / mask.size))
    return resize_mask(mask, *size_within(mask.shape[1], mask.shape[0], longest))


def _mirrored(
    plane: PlanarMesh, height: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """A closed body from its front half: the plane's point behind each vertex, z, and outward triangles."""
    inner = np.flatnonzero(~plane.on_rim)
    front = np.arange(len(plane.points))
    back = front.copy()
    back[inner] = len(front) + np.arange(len(inner))
    source = np.concatenate([front, inner])
    z = np.concatenate([height, -height[inner]])
    # The plane's triangles turn from x (right) to y (down): clockwise for the viewer, so the front is turned round.
    return source, z, np.concatenate([plane.triangles[:, ::-1], back[plane.triangles]])


def _wear(
    crop: NDArray[np.uint8], mask: NDArray[np.bool_], points: NDArray[np.float64], texture_size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The texture, and where on it each point (x, y in pixels of the crop) lies. Front and back share it, mirrored."""
    height, width = mask.shape
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - 2, 0)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 2, (width, height))
    picture, shape = crop[top:bottom, left:right], mask[top:bottom, left:right]
    size = size_within(picture.shape[1], picture.shape[0], texture_size)
    uvs = (points - (left, top)) / (right - left, bottom - top)
    return spread_colours(resize(picture, *size), resize_mask(shape, *size)), np.clip(uvs, 0, 1)
