"""One job: a request becomes files in a folder and a manifest. Knows neither HTTP nor which network is at work."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from textwrap import shorten

import numpy as np
from numpy.typing import NDArray

from serve import __version__
from serve.contract import (
    Artefact,
    Box,
    Camera,
    EngineInfo,
    ErrorDetail,
    Format,
    ImageInfo,
    Manifest,
    Mask,
    MeshStats,
    ObjectResult,
    Options,
    Orthographic,
    Perspective,
    Pose,
    Stage,
)
from serve.engine import Engine, Made, Missed, logged_defect
from serve.errors import Gen3DError, StoppedError
from serve.images import Photo
from serve.mesh.export import File, object_file, splats_file
from serve.mesh.gltf import CAMERA_NODE, scene_glb
from serve.mesh.measure import component_count, is_closed, weld
from serve.mesh.meshes import Mesh, OrthographicCamera, PhotoCamera, PlacedMesh, WebMesh
from serve.mesh.render import contact_sheet, four_sides
from serve.progress import ProgressReport
from serve.reconstruct import Reconstruction
from serve.resize import resize_mask, size_within
from serve.segment.draw import LONGEST, Drawn, mask_png, overlay, png, thumbnail
from serve.storage import Folder

GENERATOR = f"Gen3D {__version__}"
MANIFEST, SCENE = "manifest.json", "scene.glb"


@dataclass
class _Results:
    """What a running job has made so far."""

    objects: list[ObjectResult] = field(default_factory=list)
    camera: PhotoCamera | None = None
    placed: list[PlacedMesh] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)
    rows: list[tuple[str, NDArray[np.uint8] | None]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def add_seconds(self, seconds: dict[Stage, float]) -> None:
        for stage, spent in seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


def run_job(
    engine: Engine,
    job_id: str,
    read: Callable[[], Photo],
    boxes: Sequence[Box],
    options: Options,
    output: Folder,
    report: ProgressReport,
) -> Manifest:
    """Does a whole job; each object's files are stored the moment it is done.

    Args:
        engine: What does the work.
        job_id: The job's name.
        read: Fetches and decodes the photo.
        boxes: What to reconstruct, at least one.
        options: See the contract.
        output: Takes the artefacts and the manifest.
        report: Is told where the work is.

    Raises:
        Gen3DError: The job as a whole cannot be done; what was stored stays. A box that fails raises nothing.
    """
    try:
        engine.detail(options)
        report.expect(preview=engine.preview)
        report.tell("decode")
        began = time.perf_counter()
        photo = read()
        results = _Results(seconds={"decode": time.perf_counter() - began})
        for outcome in engine.run(photo.pixels, boxes, options, report.tell):
            began = time.perf_counter()
            report.tell("store", outcome.index)
            box = boxes[outcome.index]
            result = _keep(outcome, box, photo, options, output, results)
            spent = time.perf_counter() - began
            results.objects.append(result.model_copy(update={"seconds": round(result.seconds + spent, 4)}))
            results.add_seconds({**outcome.seconds, "store": spent})
        report.tell("store")
        manifest = _keep_job(engine, job_id, photo, options, output, results)
    except StoppedError as stopped:
        if stopped.code != "cancelled":  # nobody is left to be told
            report.tell_failed()
        raise
    except Exception:
        report.tell_failed()
        raise
    report.tell("done")
    return manifest


def _keep(
    outcome: Made | Missed, box: Box, photo: Photo, options: Options, output: Folder, results: _Results
) -> ObjectResult:
    if isinstance(outcome, Missed):
        return _keep_failure(outcome, box, results)
    try:
        return _keep_object(outcome, box, photo, options, output, results)
    except Gen3DError:  # the folder takes nothing any more, from this object or another
        raise
    except Exception as error:  # noqa: BLE001 - one object's defect must not cost the others; it is logged in full
        return _keep_failure(Missed(outcome.index, logged_defect(outcome.index, error), outcome.seconds), box, results)


def _keep_object(
    made: Made, box: Box, photo: Photo, options: Options, output: Folder, results: _Results
) -> ObjectResult:
    name = f"object-{made.index}"
    segmentation, mesh, placement = made.segmentation, made.reconstruction.mesh, made.reconstruction.placement
    mask = mask_png(segmentation.mask, segmentation.box, (photo.width, photo.height))
    artefacts = []
    for wanted in dict.fromkeys(options.formats):
        file = _file(made.reconstruction, name, wanted)
        artefacts.append(_store(output, file.name, file.data, file.media_type))
    caption, sides = _caption(made.index, box), None
    if mesh is None:
        caption = f"{caption}: splats alone"
    else:
        sides = four_sides(mesh)
    result = ObjectResult(
        index=made.index,
        label=box.label,
        status="succeeded",
        requested_box=box,
        box=Box.model_validate(segmentation.box),
        mask=Mask(
            artefact=_store(output, f"{name}.mask.png", mask, "image/png"),
            pixels=int(np.count_nonzero(segmentation.mask)),
            box_fill=round(float(segmentation.mask.mean()), 4),
            confidence=round(segmentation.confidence, 4),
        ),
        artefacts=tuple(artefacts),
        pose=Pose(
            rotation=placement.rotation,
            scale=placement.scale,
            translation=placement.translation,
            depth_is_guess=made.reconstruction.depth_is_guess,
        ),
        mesh=None if mesh is None else _stats(mesh),
        silhouette_iou=None if made.agreement is None else round(made.agreement.iou, 4),
        mask_coverage=None if made.agreement is None else round(made.agreement.coverage, 4),
        seconds=sum(made.seconds.values()),
        warnings=made.warnings,
    )
    results.camera = made.camera
    if mesh is not None:
        results.placed.append(PlacedMesh(_node_name(made.index, box, results.placed), mesh, placement))
    # Full masks of large photos would pile up.
    height, width = segmentation.mask.shape
    small = resize_mask(segmentation.mask, *size_within(width, height, LONGEST))
    results.drawn.append(Drawn(segmentation.box, _caption(made.index, box), small))
    results.rows.append((caption, sides))
    return result


def _file(made: Reconstruction, name: str, wanted: Format) -> File:
    if wanted == "splats":
        if made.splats is not None:
            return splats_file(made.splats, name)
    elif made.mesh is not None:
        return object_file(made.mesh, name, wanted, generator=GENERATOR)
    raise RuntimeError(f"the reconstructor left out what {wanted} is made of")


def _keep_failure(missed: Missed, box: Box, results: _Results) -> ObjectResult:
    error = missed.error
    results.rows.append((f"{_caption(missed.index, box)}: failed ({error.code})", None))
    return ObjectResult(
        index=missed.index,
        label=box.label,
        status="failed",
        requested_box=box,
        seconds=sum(missed.seconds.values()),
        error=ErrorDetail(code=error.code, message=error.message, details=error.details),
    )


def _keep_job(
    engine: Engine, job_id: str, photo: Photo, options: Options, output: Folder, results: _Results
) -> Manifest:
    """Stores the scene and the pictures of the whole job, then the manifest."""
    began = time.perf_counter()
    masks = overlay(photo.pixels, results.drawn)
    artefacts = [
        _store(output, "masks.png", png(masks), "image/png"),
        _store(output, "thumbnail.jpg", thumbnail(masks), "image/jpeg"),
        _store(output, "preview.png", png(contact_sheet(results.rows)), "image/png"),
    ]
    if options.scene and results.placed:
        scene = scene_glb(results.placed, results.camera, generator=GENERATOR)
        artefacts.insert(0, _store(output, SCENE, scene, "model/gltf-binary"))
    results.add_seconds({"store": time.perf_counter() - began})
    succeeded = sum(result.status == "succeeded" for result in results.objects)
    manifest = Manifest(
        job_id=job_id,
        output_uri=output.uri,
        status="failed" if not succeeded else "partial" if succeeded < len(results.objects) else "succeeded",
        engine=EngineInfo(
            name=engine.name,
            preview=engine.preview,
            segmenter=engine.segmenter.name,
            reconstructor=engine.reconstructor.name,
            weights=engine.weights,
            version=__version__,
        ),
        image=ImageInfo(width=photo.width, height=photo.height, format=photo.format),
        options=options,
        units=engine.reconstructor.units,
        camera=None if results.camera is None else _camera(results.camera),
        objects=tuple(results.objects),
        artefacts=tuple(artefacts),
        timings={stage: round(seconds, 4) for stage, seconds in results.seconds.items()},
        warnings=photo.warnings,
        created_at=datetime.now(UTC),
    )
    output.put(MANIFEST, manifest_json(manifest), "application/json")
    return manifest


def manifest_json(manifest: Manifest) -> bytes:
    """The manifest as it is stored and sent: fields that hold nothing are left out."""
    return manifest.model_dump_json(indent=2, exclude_none=True).encode() + b"\n"


def _store(output: Folder, name: str, data: bytes, media_type: str) -> Artefact:
    uri = output.put(name, data, media_type)
    digest = hashlib.sha256(data).hexdigest()
    return Artefact(name=name, media_type=media_type, bytes=len(data), sha256=digest, uri=uri)


def _node_name(index: int, box: Box, earlier: Sequence[PlacedMesh]) -> str:
    """The label where it is nobody else's in the scene."""
    taken = {CAMERA_NODE, *(placed.name for placed in earlier)}
    name = box.label or f"object-{index}"
    return name if name not in taken else f"{name} (object-{index})"


def _caption(index: int, box: Box) -> str:
    return f"object {index}" + (f": {shorten(box.label, 40, placeholder=' …')}" if box.label else "")


def _camera(camera: PhotoCamera) -> Camera:
    if isinstance(camera, OrthographicCamera):
        return Orthographic(type="orthographic", position=camera.position, width=camera.width, height=camera.height)
    return Perspective(type="perspective", position=camera.position, yfov=camera.yfov, aspect_ratio=camera.aspect)


def _stats(mesh: Mesh) -> MeshStats:
    welded = weld(mesh.positions, mesh.faces)
    low, high = mesh.positions.min(axis=0).tolist(), mesh.positions.max(axis=0).tolist()
    return MeshStats(
        vertices=len(mesh.positions),
        triangles=len(mesh.faces),
        components=component_count(welded),
        closed=is_closed(welded),
        minimum=(low[0], low[1], low[2]),
        maximum=(high[0], high[1], high[2]),
        texture=(mesh.texture.shape[1], mesh.texture.shape[0]) if isinstance(mesh, WebMesh) else None,
    )
