"""The engine: a photo and boxes → objects, one after another. Knows neither HTTP nor S3 nor which network it runs."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from serve.boxes import place_box
from serve.contract import Box, Cleaned, Options, Stage, Warned
from serve.errors import EngineBrokenError, Gen3DError, StoppedError
from serve.mesh.meshes import DenseMesh, PhotoCamera, PlacedMesh, Placement, WebMesh
from serve.mesh.render import silhouette
from serve.reconstruct import Detail, PhotoReconstructor, Reconstruction, Reconstructor
from serve.resize import resize_mask, size_within
from serve.segment import PixelBox, Segmentation, Segmenter

_LEAST_FILL, _MOST_FILL = 0.30, 0.98  # of the box; beyond these the mask is seldom what was meant
_SURE = 0.85  # confidence
_ALIKE = 0.9  # silhouette IoU
_CHECK_SIDE = 512  # pixels on the longer side of the silhouette self-check

Result = TypeVar("Result")
log = logging.getLogger(__name__)
# The stage, the object's index, and the steps done and in all of a stage that has steps, else None.
Watch = Callable[[Stage, int, tuple[int, int] | None], None]


class Agreement(NamedTuple):
    """How far a silhouette and a mask agree: intersection over union, and the share of the mask that is covered."""

    iou: float
    coverage: float


@dataclass(frozen=True)
class Made:
    """An object that succeeded.

    Attributes:
        index: The place of its box in the request.
        mesh: In the object's own frame; None where none was wished.
        cleaned: What was mended on the dense mesh; None where the reconstructor made the finished one.
        splats: See `Reconstruction`, as the next two.
        camera: The photo's camera, in the scene.
        agreement: Of the mesh's silhouette, from the photo's camera, with the mask; None where there is no mesh.
        seconds: By stage. Of what objects made at once share, the first bears the most.
    """

    index: int
    segmentation: Segmentation
    mesh: WebMesh | None
    cleaned: Cleaned | None
    splats: bytes | None
    placement: Placement
    depth_is_guess: bool
    camera: PhotoCamera
    agreement: Agreement | None
    warnings: tuple[Warned, ...]
    seconds: dict[Stage, float]


@dataclass(frozen=True)
class Missed:
    """An object that failed, and why. The others are not touched by it."""

    index: int
    error: Gen3DError
    seconds: dict[Stage, float]


# What is left of the work on an object when the network is done with it. Any thread may call it, once.
Rest = Callable[[], Made | Missed]


class Engine:
    """A segmenter and a reconstructor, ready to work.

    Attributes:
        name: What `GEN3D_ENGINE` calls it.
        preview: Whether the shapes are previews rather than reconstructions.
        weights: The revision of the weights, None where there are none.
        diagnose: What an unexpected exception means, where the engine knows: the error of the object that met it, or an
            `EngineBrokenError`.
    """

    def __init__(
        self,
        name: str,
        segmenter: Segmenter,
        reconstructor: Reconstructor,
        *,
        preview: bool,
        weights: str | None,
        diagnose: Callable[[Exception], Gen3DError | None] = lambda _: None,
    ) -> None:
        self.name = name
        self.segmenter = segmenter
        self.reconstructor = reconstructor
        self.preview = preview
        self.weights = weights
        self.diagnose = diagnose

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
        return Detail(
            quality=options.quality,
            faces=options.faces or usual.faces,
            texture_size=options.texture_size or usual.texture_size,
            mesh=options.scene or any(wanted != "splats" for wanted in options.formats),
            splats="splats" in options.formats,
            normal_map=options.normal_map,
        )

    def run(self, pixels: NDArray[np.uint8], boxes: Sequence[Box], options: Options, watch: Watch) -> Iterator[Rest]:
        """Makes the objects in the order of their boxes, each handed over as soon as the network is done with it.

        What is left, finishing the mesh and looking at it, needs the processor alone: whoever takes the objects may
        have it done on threads of their own while the next object is made. Where the reconstructor takes several masks
        at once, these are all found before it begins.

        Args:
            pixels: (H, W, 3) sRGB, upright.
            boxes: In pixels of the photo.
            options: See the contract.
            watch: Called as each stage of each object begins, and after every step of it where it has steps, on the
                thread that does the work. A `StoppedError` it raises stops the run, or the rest of an object.

        Raises:
            EngineBrokenError: The engine is of no more use to anybody.
        """
        job = _PhotoJob(self, pixels, boxes, options, watch)
        group: list[_Masked | Missed] = []
        for index in range(len(boxes)):
            group.append(job.find(index))
            masked = sum(isinstance(member, _Masked) for member in group)
            if masked in (0, self.reconstructor.objects_at_once):
                yield from job.make(group)
                group = []
        yield from job.make(group)


class _PhotoJob:
    """The work on one photo. What its objects share is done when the first of them needs it, or never."""

    def __init__(
        self, engine: Engine, pixels: NDArray[np.uint8], boxes: Sequence[Box], options: Options, watch: Watch
    ) -> None:
        self._engine, self._pixels, self._seed, self._watch = engine, pixels, options.seed, watch
        self._detail = engine.detail(options)
        height, width = pixels.shape[:2]
        self._placed = [_try_place(box, width, height) for box in boxes]
        self._usable = [box for box, _ in self._placed if isinstance(box, PixelBox)]
        self._seen: dict[PixelBox, int] = {}

    @cached_property
    def _to_mask(self) -> Callable[[PixelBox], Segmentation]:
        return self._shared(self._engine.segmenter.on, self._pixels, self._usable)

    @cached_property
    def _reconstructor(self) -> PhotoReconstructor:
        return self._shared(self._engine.reconstructor.on, self._pixels, self._usable, self._detail, self._seed)

    def _shared(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """What the work for all objects returns; its errors are those of the whole job."""
        try:
            return work(*arguments)
        except Gen3DError:
            raise
        except Exception as error:
            if meant := self._engine.diagnose(error):
                raise meant from error
            raise

    def _attempt(self, index: int, work: Callable[..., Result], *arguments: Any) -> Result | Gen3DError:
        """What the work for one object returns, or why this object, and no other, has failed."""
        try:
            return work(*arguments)
        except (EngineBrokenError, StoppedError):
            raise
        except Gen3DError as refusal:
            return refusal
        except Exception as error:  # noqa: BLE001 - one object's defect must not cost the others; it is logged in full
            return self._failure(index, error)

    def _outcome(self, index: int, made: Reconstruction | Exception) -> Reconstruction | Gen3DError:
        return made if isinstance(made, Reconstruction | Gen3DError) else self._failure(index, made)

    def _failure(self, index: int, error: Exception) -> Gen3DError:
        """What an unexpected exception means for an object."""
        meant = self._engine.diagnose(error)
        if isinstance(meant, EngineBrokenError):
            raise meant from error
        return meant or logged_defect(index, error)

    def find(self, index: int) -> "_Masked | Missed":
        """The mask of one object."""
        box, warnings = self._placed[index]
        if isinstance(box, Gen3DError):
            return Missed(index, box, {})
        if self._seen.setdefault(box, index) != index:
            message = f"The box is the same as that of object {self._seen[box]}."
            warnings = (*warnings, Warned(code="box_repeated", message=message))
        stopwatch = _Stopwatch(index, self._watch)
        stopwatch.begin("segment")
        found = self._attempt(index, self._to_mask, box)
        seconds = stopwatch.stop()
        if isinstance(found, Gen3DError):
            return Missed(index, found, seconds)
        return _Masked(index, found, warnings, stopwatch)

    def make(self, group: Sequence["_Masked | Missed"]) -> Iterator[Rest]:
        """Has the network make a group of objects, in their order."""
        made_of_each = self._make_each([member for member in group if isinstance(member, _Masked)])
        for member in group:
            if isinstance(member, Missed):
                yield partial(_as_it_is, member)
                continue
            member.stopwatch.begin("reconstruct")
            made = next(made_of_each)
            member.stopwatch.stop()
            yield partial(self._finish, member, made)

    def _finish(self, member: "_Masked", made: Reconstruction | Gen3DError) -> Made | Missed:
        """The rest of one object."""
        if isinstance(made, Gen3DError):
            return Missed(member.index, made, member.stopwatch.stop())
        mesh = cleaned = agreement = None
        if made.mesh is not None:
            member.stopwatch.begin("finish")
            finished = self._attempt(member.index, self._web_mesh, member.segmentation, made.mesh, made.placement)
            if isinstance(finished, Gen3DError):
                return Missed(member.index, finished, member.stopwatch.stop())
            mesh, cleaned, agreement = finished
        doubts = _doubts(member.segmentation, agreement if self._engine.preview else None)
        return Made(
            member.index,
            member.segmentation,
            mesh,
            cleaned,
            made.splats,
            made.placement,
            made.depth_is_guess,
            self._reconstructor.camera,
            agreement,
            (*member.warnings, *doubts, *made.warnings),
            member.stopwatch.stop(),
        )

    def _web_mesh(
        self, found: Segmentation, mesh: DenseMesh | WebMesh, placement: Placement
    ) -> tuple[WebMesh, Cleaned | None, Agreement]:
        """The mesh as it leaves, and how well it agrees with the mask."""
        if not isinstance(mesh, DenseMesh):
            return mesh, None, self._agree(found, mesh, placement)
        # Imported here: it needs Numba, which an engine that makes finished meshes does without.
        from serve.mesh.finish import finish

        detail = self._detail
        web, cleaned = finish(mesh, detail.faces, detail.texture_size, normal_map=detail.normal_map)
        return web, cleaned, self._agree(found, web, placement)

    def _make_each(self, masked: Sequence["_Masked"]) -> Iterator[Reconstruction | Gen3DError]:
        """One outcome for each mask: an error that ends the making is that of every object still owed."""

        def step(which: int, done: int, of: int) -> None:
            self._watch("reconstruct", masked[which].index, (done, of))

        photo = self._reconstructor
        owed = len(masked)
        try:
            for made in photo.make([member.segmentation for member in masked], step):
                owed -= 1
                yield self._outcome(masked[-owed - 1].index, made)
            if owed:
                raise RuntimeError(f"the reconstructor left out {owed} of {len(masked)} masks")
        except (EngineBrokenError, StoppedError):
            raise
        except Gen3DError as refusal:
            yield from [refusal] * owed
        except Exception as error:  # noqa: BLE001 - one group's defect must not cost the others; it is logged in full
            yield from [self._failure(masked[-owed].index, error)] * owed

    def _agree(self, found: Segmentation, mesh: WebMesh, placement: Placement) -> Agreement:
        """How well the mesh, seen from the photo's camera, covers the mask it was made from."""
        mask = found.mask
        width, height = size_within(mask.shape[1], mask.shape[0], _CHECK_SIDE)
        photo_size = (self._pixels.shape[1], self._pixels.shape[0])
        placed = PlacedMesh("", mesh, placement)
        seen = silhouette(placed, self._reconstructor.camera, photo_size, found.box, (width, height))
        mask = resize_mask(mask, width, height)
        both, either, own = (int(np.count_nonzero(each)) for each in (seen & mask, seen | mask, mask))
        return Agreement(iou=both / max(1, either), coverage=both / max(1, own))


@dataclass(frozen=True)
class _Masked:
    """An object whose mask is found and of which nothing else is made yet."""

    index: int
    segmentation: Segmentation
    warnings: tuple[Warned, ...]
    stopwatch: "_Stopwatch"


def _as_it_is(missed: Missed) -> Missed:
    return missed


def logged_defect(index: int, error: Exception) -> Gen3DError:
    """The error of an object that met an unexpected exception, which is logged."""
    log.error("object %d met a defect", index, exc_info=error)
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
        self._watch(stage, self._index, None)

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


def _doubts(segmentation: Segmentation, agreement: Agreement | None) -> list[Warned]:
    """What a person should look at before trusting an object.

    Args:
        agreement: Where it ought to be good: of a preview, which has the mask's outline. A reconstruction goes on
            behind what hides a part of it.
    """
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
    if agreement is not None and agreement.iou < _ALIKE:
        doubts["silhouette_differs"] = (
            f"The mesh covers the mask with an IoU of {agreement.iou:.2f} only: the object may be too small in the"
            " photo."
        )
    return [Warned(code=code, message=message) for code, message in doubts.items()]
