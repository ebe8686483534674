"""What is left of an object when the network is done with it: its mesh is finished, looked at and stored.

Knows the processor's threads, neither HTTP nor which network is at work.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from textwrap import shorten
from time import perf_counter
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from serve import __version__
from serve.contract import (
    Artefact,
    Box,
    ErrorDetail,
    Format,
    Mask,
    MeshStats,
    ObjectResult,
    Options,
    Pose,
    TextureFormat,
)
from serve.engine import Made, Missed, Rest, logged_defect
from serve.errors import Gen3DError
from serve.images import Photo
from serve.mesh.export import File, compact_file, object_file, splats_file
from serve.mesh.measure import component_count, is_closed, weld
from serve.mesh.meshes import PhotoCamera, Placement, WebMesh
from serve.mesh.render import four_sides
from serve.mesh.textures import Textures, encode_textures
from serve.progress import ProgressReport
from serve.resize import resize_mask, size_within
from serve.segment.draw import LONGEST, Drawn, mask_png
from serve.storage import Folder

GENERATOR: Final = f"Gen3D {__version__}"
_AT_ONCE: Final = 2  # objects being finished: the engine makes hardly more meanwhile, and each holds its dense mesh

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Kept:
    """What is kept of an object for the results of the whole job.

    Attributes:
        result: Its part of the manifest.
        mesh: As it was stored, with the next three: its pictures, its place in the scene and the camera that took the
            photo; None where there is none, or the object failed.
        drawn: Its mask in small, as large ones would pile up; None where the object failed.
        row: Its caption and its picture, (h, w, 3) sRGB, for the contact sheet.
        seconds: By stage.
    """

    result: ObjectResult
    mesh: WebMesh | None
    textures: Textures | None
    placement: Placement | None
    camera: PhotoCamera | None
    drawn: Drawn | None
    row: tuple[str, NDArray[np.uint8] | None]
    seconds: dict[str, float]


def finish_all(
    objects: Iterator[Rest],
    photo: Photo,
    boxes: Sequence[Box],
    options: Options,
    output: Folder,
    report: ProgressReport,
) -> Iterator[Kept]:
    """Finishes objects while the next are made; each one's files are stored the moment it is done.

    Yields:
        One for each object, in their order.

    Raises:
        Gen3DError: The folder takes nothing any more, or the work is no longer wanted; what had not begun does not.
    """
    return beside(objects, partial(_finish, photo, boxes, options, output, report), _AT_ONCE)


def beside(items: Iterator[Item], work: Callable[[Item], Result], at_once: int) -> Iterator[Result]:
    """The results of the work on each item, in their order, done on other threads while the next items are fetched.

    Nothing is left running when this ends, however it does: what had begun is waited for, the rest is dropped.

    Args:
        items: Are fetched on the caller's thread.
        work: Sees the context variables of the caller.
        at_once: How many items are worked on, and at most how many more wait for it.
    """
    threads = ThreadPoolExecutor(at_once, "finish")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(threads.submit(copy_context().run, work, item))
            while waiting and (waiting[0].done() or len(waiting) > 2 * at_once):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)


def _finish(
    photo: Photo, boxes: Sequence[Box], options: Options, output: Folder, report: ProgressReport, rest: Rest
) -> Kept:
    outcome = rest()
    began = perf_counter()
    box = boxes[outcome.index]
    report.tell("store", outcome.index)
    kept = _keep(outcome, box, photo, options, output)
    report.tell_stored(outcome.index)
    spent: dict[str, float] = dict(outcome.seconds.items())
    spent["store"] = perf_counter() - began
    result = kept.result.model_copy(update={"seconds": round(sum(spent.values()), 4)})
    return replace(kept, result=result, seconds=spent)


def _keep(outcome: Made | Missed, box: Box, photo: Photo, options: Options, output: Folder) -> Kept:
    if isinstance(outcome, Missed):
        return _keep_failure(outcome, box)
    try:
        return _keep_object(outcome, box, photo, options, output)
    except Gen3DError:  # the folder takes nothing any more, from this object or another
        raise
    except Exception as error:  # noqa: BLE001 - one object's defect must not cost the others; it is logged in full
        return _keep_failure(Missed(outcome.index, logged_defect(outcome.index, error), outcome.seconds), box)


def _keep_object(made: Made, box: Box, photo: Photo, options: Options, output: Folder) -> Kept:
    name, segmentation, mesh, placement = f"object-{made.index}", made.segmentation, made.mesh, made.placement
    mask = mask_png(segmentation.mask, segmentation.box, (photo.width, photo.height))
    textures = None if mesh is None else encode_textures(mesh, _texture_format(options))
    artefacts = [
        store(output, file.name, file.data, file.media_type) for file in _files(made, name, options.formats, textures)
    ]
    result = ObjectResult(
        index=made.index,
        label=box.label,
        status="succeeded",
        requested_box=box,
        box=Box.model_validate(segmentation.box),
        mask=Mask(
            artefact=store(output, f"{name}.mask.png", mask, "image/png"),
            pixels=int(np.count_nonzero(segmentation.mask)),
            box_fill=round(float(segmentation.mask.mean()), 4),
            confidence=round(segmentation.confidence, 4),
        ),
        artefacts=tuple(artefacts),
        pose=Pose(
            rotation=placement.rotation,
            scale=placement.scale,
            translation=placement.translation,
            depth_is_guess=made.depth_is_guess,
        ),
        mesh=None if mesh is None else _stats(mesh),
        cleaned=made.cleaned,
        silhouette_iou=None if made.agreement is None else round(made.agreement.iou, 4),
        mask_coverage=None if made.agreement is None else round(made.agreement.coverage, 4),
        seconds=0.0,  # what is yet to come counts too
        warnings=made.warnings,
    )
    caption = _caption(made.index, box)
    height, width = segmentation.mask.shape
    small = resize_mask(segmentation.mask, *size_within(width, height, LONGEST))
    return Kept(
        result,
        mesh,
        textures,
        placement,
        made.camera,
        Drawn(segmentation.box, caption, small),
        (f"{caption}: splats alone", None) if mesh is None else (caption, four_sides(mesh)),
        {},
    )


def _texture_format(options: Options) -> TextureFormat:
    return options.texture_format or ("png" if options.quality == "high" else "jpeg")


def _files(made: Made, name: str, formats: Sequence[Format], textures: Textures | None) -> Iterator[File]:
    """The object's files, each once; beside the GLB for everyone the one for the page."""
    for wanted in dict.fromkeys(formats):
        if wanted == "splats" and made.splats is not None:
            yield splats_file(made.splats, name)
        elif wanted != "splats" and made.mesh is not None:
            yield object_file(made.mesh, name, wanted, generator=GENERATOR, textures=textures)
            if wanted == "glb":
                yield compact_file(made.mesh, name, generator=GENERATOR, textures=textures)
        else:
            raise RuntimeError(f"the reconstructor left out what {wanted} is made of")


def _keep_failure(missed: Missed, box: Box) -> Kept:
    error = missed.error
    result = ObjectResult(
        index=missed.index,
        label=box.label,
        status="failed",
        requested_box=box,
        seconds=0.0,
        error=ErrorDetail(code=error.code, message=error.message, details=error.details),
    )
    return Kept(
        result, None, None, None, None, None, (f"{_caption(missed.index, box)}: failed ({error.code})", None), {}
    )


def store(output: Folder, name: str, data: bytes, media_type: str) -> Artefact:
    """Puts a file into the folder."""
    uri = output.put(name, data, media_type)
    digest = hashlib.sha256(data).hexdigest()
    return Artefact(name=name, media_type=media_type, bytes=len(data), sha256=digest, uri=uri)


def _caption(index: int, box: Box) -> str:
    return f"object {index}" + (f": {shorten(box.label, 40, placeholder=' …')}" if box.label else "")


def _stats(mesh: WebMesh) -> MeshStats:
    welded = weld(mesh.positions, mesh.faces)
    low, high = mesh.positions.min(axis=0).tolist(), mesh.positions.max(axis=0).tolist()
    return MeshStats(
        vertices=len(mesh.positions),
        triangles=len(mesh.faces),
        components=component_count(welded),
        closed=is_closed(welded),
        minimum=(low[0], low[1], low[2]),
        maximum=(high[0], high[1], high[2]),
        texture=(mesh.texture.shape[1], mesh.texture.shape[0]),
    )
