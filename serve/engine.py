"""The engine: a photo and boxes → objects, one at a time. Knows neither HTTP nor S3 nor which network it runs."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serve.boxes import place_box
from serve.contract import Box, Options, Stage, Warned
from serve.errors import EngineBrokenError, Gen3DError, StoppedError
from serve.mesh.render import silhouette
from serve.mesh.textured import PhotoCamera, PlacedMesh
from serve.reconstruct import Detail, Reconstruction, Reconstructor
from serve.resize import resize_mask, size_within
from serve.segment import PixelBox, Segmentation, Segmenter

_LEAST_FILL, _MOST_FILL = 0.30, 0.98  # of the box; beyond these the mask is seldom what was meant
_SURE = 0.85  # confidence
_ALIKE = 0.9  # silhouette IoU
_CHECK_SIDE = 512  # pixels on the longer side of the silhouette self-check

log = logging.getLogger(__name__)
Watch = Callable[[Stage, int], None]


@dataclass(frozen=True)
class Made:
    """An object that succeeded.

    Attributes:
        index: The place of its box in the request.
        silhouette_iou: Intersection over union of the mesh's silhouette, from the photo's camera, and the mask.
        seconds: By stage.
    """

    index: int
    segmentation: Segmentation
    reconstruction: Reconstruction
    silhouette_iou: float
    warnings: tuple[Warned, ...]
    seconds: dict[Stage, float]


@dataclass(frozen=True)
class Missed:
    """An object that failed, and why. The others are not touched by it."""

    index: int
    error: Gen3DError
    seconds: dict[Stage, float]


class Engine:
    """A segmenter and a reconstructor, ready to work.

    Attributes:
        name: What `GEN3D_ENGINE` calls it.
        preview: Whether the shapes are previews rather than reconstructions.
        weights: The revision of the weights, None where there are none.
    """

    def __init__(
        self,
        name: str,
        segmenter: Segmenter,
        reconstructor: Reconstructor,
        *,
        preview: bool,
        weights: str | None,
    ) -> None:
        self.name = name
        self.segmenter = segmenter
        self.reconstructor = reconstructor
        self.preview = preview
        self.weights = weights

    def detail(self, options: Options) -> Detail:
        """How fine the meshes of a request are to be.

        Raises:
            Gen3DError: `format_unsupported`, where the engine cannot make one of the formats.
        """
        possible = self.reconstructor.formats
        for wanted in options.formats:
            if wanted not in possible:
                message = f"The {self.name} engine cannot make '{wanted}'; it makes {', '.join(possible)}."
                raise Gen3DError("format_unsupported", message, formats=list(possible))
        usual = self.reconstructor.details[options.quality]
        return Detail(options.faces or usual.faces, options.texture_size or usual.texture_size)

    def run(
        self, pixels: NDArray[np.uint8], boxes: Sequence[Box], options: Options, watch: Watch
    ) -> Iterator[Made | Missed]:
        """Makes the objects in the order of their boxes, each handed over as soon as it is done.

        Args:
            pixels: (H, W, 3) sRGB, upright.
            boxes: In pixels of the photo.
            options: See the contract.
            watch: Called as each stage of each object begins; an exception it raises stops the run.

        Raises:
            EngineBrokenError: The engine is of no more use to anybody.
        """
        detail = self.detail(options)
        height, width = pixels.shape[:2]
        placed = [_try_place(box, width, height) for box in boxes]
        usable = [box for box, _ in placed if isinstance(box, PixelBox)]
        to_mask = self.segmenter.on(pixels)
        to_mesh = self.reconstructor.on(pixels, usable)
        camera = self.reconstructor.camera(width, height)
        seen: dict[PixelBox, int] = {}

        def make(box: PixelBox, begin: Callable[[Stage], None]) -> tuple[Segmentation, Reconstruction, float]:
            begin("segment")
            segmentation = to_mask(box)
            begin("reconstruct")
            made = to_mesh(segmentation, detail, options.seed)
            begin("finish")
            return segmentation, made, _silhouette_iou(segmentation, made, camera, (width, height))

        for index, (box, warnings) in enumerate(placed):
            if isinstance(box, Gen3DError):
                yield Missed(index, box, {})
                continue
            if seen.setdefault(box, index) != index:
                message = f"The box is the same as that of object {seen[box]}."
                warnings = (*warnings, Warned(code="box_repeated", message=message))
            stopwatch = _Stopwatch(index, watch)
            error = None
            try:
                segmentation, made, agreement = make(box, stopwatch.begin)
            except (EngineBrokenError, StoppedError):
                raise
            except Gen3DError as refusal:
                error = refusal
            except Exception:  # noqa: BLE001 - one object's defect must not cost the others; it is logged in full
                error = logged_defect(index)
            seconds = stopwatch.stop()
            if error is not None:
                yield Missed(index, error, seconds)
            else:
                warnings = (*warnings, *_doubts(segmentation, agreement), *made.warnings)
                yield Made(index, segmentation, made, agreement, warnings, seconds)


def logged_defect(index: int) -> Gen3DError:
    """The error of an object that met an unexpected exception, which is logged; to be called in its handler."""
    log.exception("object %d met a defect", index)
    return Gen3DError("internal_error", "There is a defect in how this object was made; the server's log has it.")


class _Stopwatch:
    """Seconds by stage of one object, announcing each stage as it begins."""

    def __init__(self, index: int, watch: Watch) -> None:
        self._index, self._watch = index, watch
        self._seconds: dict[Stage, float] = {}
        self._stage: Stage | None = None
        self._since = 0.0

    def begin(self, stage: Stage) -> None:
        self.stop()
        self._stage, self._since = stage, time.perf_counter()
        self._watch(stage, self._index)

    def stop(self) -> dict[Stage, float]:
        if self._stage is not None:
            self._seconds[self._stage] = time.perf_counter() - self._since
            self._stage = None
        return self._seconds


def _try_place(box: Box, width: int, height: int) -> tuple[PixelBox | Gen3DError, tuple[Warned, ...]]:
    try:
        return place_box(box, width, height)
    except Gen3DError as error:
        return error, ()


def _doubts(segmentation: Segmentation, agreement: float) -> list[Warned]:
    """What a person should look at before trusting an object."""
    fill, sure = float(segmentation.mask.mean()), segmentation.confidence
    doubts = {}
    if fill < _LEAST_FILL:
        doubts["mask_fills_little"] = (
            f"The mask fills only {fill:.0%} of its box: draw the box closer if it missed the object."
        )
    if fill > _MOST_FILL:
        doubts["mask_fills_box"] = (
            f"The mask fills {fill:.0%} of its box: leave a little room if it holds background too."
        )
    if sure < _SURE:
        doubts["mask_unsure"] = (
            f"The mask's confidence is {sure:.2f}: look at masks.png, and draw another box if it is wrong."
        )
    if agreement < _ALIKE:
        doubts["silhouette_differs"] = (
            f"The mesh covers the mask with an IoU of {agreement:.2f} only: the object may be too small in the photo."
        )
    return [Warned(code=code, message=message) for code, message in doubts.items()]


def _silhouette_iou(
    segmentation: Segmentation, made: Reconstruction, camera: PhotoCamera, photo_size: tuple[int, int]
) -> float:
    """How well the mesh, seen from the photo's camera, covers the mask it was made from."""
    mask = segmentation.mask
    width, height = size_within(mask.shape[1], mask.shape[0], _CHECK_SIDE)
    seen = silhouette(PlacedMesh("", made.mesh, made.placement), camera, photo_size, segmentation.box, (width, height))
    mask = resize_mask(mask, width, height)
    either = int(np.count_nonzero(seen | mask))
    return int(np.count_nonzero(seen & mask)) / max(1, either)
