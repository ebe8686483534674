"""One job: a request becomes files in a folder and a manifest. Knows neither HTTP nor which network is at work."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from serve import __version__
from serve.contract import (
    Box,
    Camera,
    EngineInfo,
    ImageInfo,
    Manifest,
    ObjectResult,
    Options,
    Orthographic,
    Perspective,
)
from serve.engine import Engine
from serve.errors import StoppedError
from serve.finishing import GENERATOR, Kept, finish_all, store
from serve.images import Photo
from serve.mesh.export import load_writers
from serve.mesh.gltf import CAMERA_NODE, scene_glb
from serve.mesh.meshes import OrthographicCamera, PhotoCamera, PlacedMesh
from serve.mesh.render import contact_sheet
from serve.mesh.textures import Textures
from serve.progress import ProgressReport
from serve.segment.draw import Drawn, overlay, png, thumbnail
from serve.storage import Folder

MANIFEST, SCENE = "manifest.json", "scene.glb"


@dataclass
class _Results:
    """What a running job has made so far."""

    objects: list[ObjectResult] = field(default_factory=list)
    camera: PhotoCamera | None = None
    placed: list[PlacedMesh] = field(default_factory=list)
    textures: list[Textures] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)
    rows: list[tuple[str, NDArray[np.uint8] | None]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, kept: Kept, box: Box) -> None:
        """Takes the next object."""
        self.objects.append(kept.result)
        self.rows.append(kept.row)
        self.add_seconds(kept.seconds)
        if kept.drawn is not None:
            self.drawn.append(kept.drawn)
        self.camera = kept.camera or self.camera
        if kept.mesh is not None and kept.textures is not None and kept.placement is not None:
            self.textures.append(kept.textures)
            self.placed.append(PlacedMesh(_node_name(kept.result.index, box, self.placed), kept.mesh, kept.placement))

    def add_seconds(self, seconds: Mapping[str, float]) -> None:
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
        load_writers(options.formats)
        objects = engine.run(photo.pixels, boxes, options, report.tell)
        for kept in finish_all(objects, photo, boxes, options, output, report):
            results.add(kept, boxes[kept.result.index])
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


def _keep_job(
    engine: Engine, job_id: str, photo: Photo, options: Options, output: Folder, results: _Results
) -> Manifest:
    """Stores the scene and the pictures of the whole job, then the manifest."""
    began = time.perf_counter()
    masks = overlay(photo.pixels, results.drawn)
    artefacts = [
        store(output, "masks.png", png(masks), "image/png"),
        store(output, "thumbnail.jpg", thumbnail(masks), "image/jpeg"),
        store(output, "preview.png", png(contact_sheet(results.rows)), "image/png"),
    ]
    if options.scene and results.placed:
        scene = scene_glb(results.placed, results.camera, generator=GENERATOR, textures=results.textures)
        artefacts.insert(0, store(output, SCENE, scene, "model/gltf-binary"))
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


def _node_name(index: int, box: Box, earlier: Sequence[PlacedMesh]) -> str:
    """The label where it is nobody else's in the scene."""
    taken = {CAMERA_NODE, *(placed.name for placed in earlier)}
    name = box.label or f"object-{index}"
    return name if name not in taken else f"{name} (object-{index})"


def _camera(camera: PhotoCamera) -> Camera:
    if isinstance(camera, OrthographicCamera):
        return Orthographic(type="orthographic", position=camera.position, width=camera.width, height=camera.height)
    return Perspective(type="perspective", position=camera.position, yfov=camera.yfov, aspect_ratio=camera.aspect)
