import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image
from skimage import data

from serve.contract import Box, Manifest, Options, Orthographic, Perspective, Progress
from serve.engine import Engine
from serve.engines import load_engine
from serve.errors import Gen3DError, StoppedError
from serve.images import Photo, read_photo
from serve.job import run_job
from serve.mesh.export import File, object_file
from serve.mesh.meshes import WebMesh
from serve.progress import ProgressReport
from serve.segment import PixelBox, Segmentation
from serve.settings import Settings
from serve.storage import LocalFolder, MemoryFolder
from tests.serve.conftest import wait_until

CUP = Box(x_min=170, y_min=12, x_max=410, y_max=240, label="cup")
SKY = Box(x_min=0, y_min=0, x_max=9, y_max=0)


def coffee() -> Photo:
    file = io.BytesIO()
    Image.fromarray(data.coffee()).save(file, "PNG")
    return read_photo(file.getvalue(), max_pixels=10**6)


DRAFT = Options(quality="draft")


def do(
    folder: Path, *boxes: Box, options: Options = DRAFT, engine: Engine | None = None
) -> tuple[Manifest, list[Progress]]:
    seen: list[Progress] = []
    report = ProgressReport("job-1", len(boxes), LocalFolder(folder), seen.append)
    output = LocalFolder(folder / "output")
    return run_job(engine or load_engine(Settings()), "job-1", coffee, boxes, options, output, report), seen


def test_it_stores_what_the_manifest_says(tmp_path: Path, validate_glb: Callable[..., list[dict[str, Any]]]) -> None:
    manifest, _ = do(tmp_path, CUP, SKY, options=Options(quality="draft", formats=("glb", "obj", "stl", "ply", "usdz")))
    output = tmp_path / "output"
    made, missed = manifest.objects
    assert manifest.status == "partial"
    assert (made.status, missed.status) == ("succeeded", "failed")
    assert made.mask is not None
    artefacts = [*manifest.artefacts, *made.artefacts, made.mask.artefact]
    assert sorted(file.name for file in output.iterdir()) == sorted(
        ["manifest.json", *(artefact.name for artefact in artefacts)]
    )
    for artefact in artefacts:
        content = (output / artefact.name).read_bytes()
        assert artefact.bytes == len(content)
        assert artefact.sha256 == hashlib.sha256(content).hexdigest()
        assert artefact.uri == (output / artefact.name).as_uri()
    assert Manifest.model_validate_json((output / "manifest.json").read_bytes()) == manifest
    validate_glb(output / "object-0.glb", output / "scene.glb")


def test_the_scene_has_a_named_node_for_each_object_where_the_photo_shows_it(tmp_path: Path) -> None:
    manifest, _ = do(tmp_path, CUP, Box(x_min=325, y_min=232, x_max=408, y_max=330))
    scene = trimesh.load_scene(tmp_path / "output" / "scene.glb")
    assert {"cup", "object-1"} <= set(scene.graph.nodes)
    for name, result in zip(("cup", "object-1"), manifest.objects, strict=True):
        transform, _ = scene.graph[name]
        assert result.pose is not None
        assert transform[:3, 3] == pytest.approx(result.pose.translation, abs=1e-6)
        assert result.box is not None
        middle = (result.box.x_min + result.box.x_max) / 2
        assert transform[0, 3] == pytest.approx((middle - 300) / 600, abs=0.03)


def test_every_node_of_the_scene_has_a_name_of_its_own(tmp_path: Path) -> None:
    camera = CUP.model_copy(update={"label": "photo_camera"})
    do(tmp_path, CUP, CUP, camera)
    names = trimesh.load_scene(tmp_path / "output" / "scene.glb").graph.nodes_geometry
    assert sorted(names) == ["cup", "cup (object-1)", "photo_camera (object-2)"]


def test_pictures_are_made_for_people(tmp_path: Path) -> None:
    do(tmp_path, CUP)
    with Image.open(tmp_path / "output" / "object-0.mask.png") as mask:
        assert (mask.mode, mask.size) == ("L", (600, 400))
        assert set(np.unique(np.asarray(mask))) == {0, 255}
    with Image.open(tmp_path / "output" / "masks.png") as masks:
        assert masks.size == (600, 400)
    with Image.open(tmp_path / "output" / "preview.png") as preview:
        assert preview.width == 1024


def test_progress_only_grows_and_ends_at_a_hundred(tmp_path: Path) -> None:
    _, seen = do(tmp_path, CUP, SKY)
    percents = [progress.percent for progress in seen]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert [progress.stage for progress in seen][:5] == ["decode", "segment", "reconstruct", "finish", "store"]
    assert Progress.model_validate_json((tmp_path / "progress.json").read_bytes()) == seen[-1]


def test_an_object_is_stored_while_the_next_is_in_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = load_engine(Settings())
    find = engine.segmenter.on

    def patient(*photo: Any) -> Callable[[PixelBox], Segmentation]:
        def segment(box: PixelBox) -> Segmentation:
            if box.x_min:  # the second
                wait_until((tmp_path / "output" / "object-0.glb").exists)
            return genuine(box)

        genuine = find(*photo)
        return segment

    monkeypatch.setattr(engine.segmenter, "on", patient)
    manifest, _ = do(tmp_path, CUP.model_copy(update={"x_min": 0.0}), CUP, engine=engine)
    assert manifest.status == "succeeded"


def test_what_stops_one_object_stops_the_job(tmp_path: Path) -> None:
    def watch(progress: Progress) -> None:
        if (progress.stage, progress.object) == ("store", 0):
            raise StoppedError("cancelled", "The job was cancelled.")

    report, output = ProgressReport("job-1", 8, LocalFolder(tmp_path), watch), LocalFolder(tmp_path / "output")
    with pytest.raises(StoppedError):
        run_job(load_engine(Settings()), "job-1", coffee, [CUP] * 8, DRAFT, output, report)
    assert not (tmp_path / "output" / "object-0.glb").exists()
    assert not (tmp_path / "output" / "object-7.glb").exists()
    assert not (tmp_path / "output" / "manifest.json").exists()


def test_a_photo_that_cannot_be_read_fails_the_job(tmp_path: Path) -> None:
    report = ProgressReport("job-1", 1, LocalFolder(tmp_path))

    def unreadable() -> Photo:
        return read_photo(b"", max_pixels=10)

    with pytest.raises(Gen3DError) as caught:
        run_job(load_engine(Settings()), "job-1", unreadable, [CUP], Options(), MemoryFolder(), report)
    assert caught.value.code == "image_empty"
    assert json.loads((tmp_path / "progress.json").read_bytes())["stage"] == "failed"


def test_an_object_that_cannot_be_written_as_asked_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    genuine = object_file

    def failing(mesh: WebMesh, name: str, *rest: Any, **more: Any) -> File:
        if name == "object-0":
            raise ZeroDivisionError("in an exporter")
        return genuine(mesh, name, *rest, **more)

    monkeypatch.setattr("serve.finishing.object_file", failing)
    manifest, _ = do(tmp_path, CUP, CUP)
    assert [result.status for result in manifest.objects] == ["failed", "succeeded"]
    assert manifest.objects[0].error is not None
    assert manifest.objects[0].error.code == "internal_error"
    assert "ZeroDivisionError: in an exporter" in caplog.text


def test_when_every_object_failed_there_is_still_a_manifest_and_pictures(tmp_path: Path) -> None:
    manifest, _ = do(tmp_path, SKY)
    assert manifest.status == "failed"
    assert manifest.camera is None
    assert {file.name for file in (tmp_path / "output").iterdir()} == {
        "manifest.json",
        "masks.png",
        "preview.png",
        "thumbnail.jpg",
    }


def test_the_same_request_gives_the_same_bytes(tmp_path: Path) -> None:
    once, _ = do(tmp_path / "a", CUP, options=Options(quality="draft", formats=("glb", "usdz", "obj", "ply", "stl")))
    again, _ = do(tmp_path / "b", CUP, options=Options(quality="draft", formats=("glb", "usdz", "obj", "ply", "stl")))
    assert [a.sha256 for a in once.objects[0].artefacts] == [b.sha256 for b in again.objects[0].artefacts]


def test_the_manifest_has_the_camera_that_took_the_photo(tmp_path: Path, balls: Callable[..., Engine]) -> None:
    inflated, _ = do(tmp_path / "a", CUP)
    assert isinstance(inflated.camera, Orthographic)
    assert (inflated.camera.width, inflated.camera.height) == pytest.approx((1, 2 / 3))
    made, _ = do(tmp_path / "b", CUP, engine=balls())
    assert isinstance(made.camera, Perspective)
    assert (made.camera.yfov, made.camera.aspect_ratio) == pytest.approx((0.4, 1.5))


def test_a_dense_mesh_goes_all_the_way(
    tmp_path: Path, balls: Callable[..., Engine], validate_glb: Callable[..., list[dict[str, Any]]]
) -> None:
    options = Options(formats=("glb", "obj", "stl", "ply", "usdz", "splats"))
    manifest, _ = do(tmp_path, CUP, SKY, options=options, engine=balls())
    made = manifest.objects[0]
    assert made.mesh is not None
    assert (made.mesh.texture, made.mesh.closed) == ((64, 64), True)
    assert 900 <= made.mesh.triangles <= 1000
    assert made.silhouette_iou is not None
    names = [artefact.name for artefact in made.artefacts]
    endings = ("glb", "web.glb", "obj.zip", "stl", "ply", "usdz", "splats.ply")
    assert names == [f"object-0.{ending}" for ending in endings]
    output = tmp_path / "output"
    assert (output / "object-0.splats.ply").read_bytes() == b"ply\n"
    validate_glb(output / "object-0.glb", output / "scene.glb")


def test_where_splats_alone_are_asked_for_no_mesh_is_made(tmp_path: Path, balls: Callable[..., Engine]) -> None:
    manifest, _ = do(tmp_path, CUP, options=Options(formats=("splats",), scene=False), engine=balls())
    (made,) = manifest.objects
    assert manifest.status == "succeeded"
    assert (made.mesh, made.silhouette_iou) == (None, None)
    assert made.pose is not None
    assert manifest.camera is not None
    assert {file.name for file in (tmp_path / "output").iterdir()} == {
        "manifest.json", "masks.png", "preview.png", "thumbnail.jpg", "object-0.mask.png", "object-0.splats.ply",
    }  # fmt: skip


def test_splats_and_a_scene_need_the_mesh_too(tmp_path: Path, balls: Callable[..., Engine]) -> None:
    manifest, _ = do(tmp_path, CUP, options=Options(formats=("splats",)), engine=balls())
    assert manifest.objects[0].mesh is not None
    assert [artefact.name for artefact in manifest.objects[0].artefacts] == ["object-0.splats.ply"]
    assert (tmp_path / "output" / "scene.glb").exists()


def test_progress_tells_of_every_step(tmp_path: Path, balls: Callable[..., Engine]) -> None:
    _, seen = do(tmp_path, CUP, CUP, SKY, CUP, engine=balls(steps=5, objects_at_once=2))
    steps = [(progress.object, progress.step, progress.steps) for progress in seen if progress.step is not None]
    assert steps == [(index, done, 5) for index in (0, 1, 3) for done in range(1, 6)]
    percents = [progress.percent for progress in seen]
    assert percents == sorted(percents)


def test_what_the_reconstructor_left_out_is_not_passed_over(
    tmp_path: Path, balls: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = balls()
    without = engine.detail(Options(formats=("splats",), scene=False))
    monkeypatch.setattr(engine, "detail", lambda _: without)
    manifest, _ = do(tmp_path, CUP, options=Options(formats=("glb",)), engine=engine)
    assert manifest.objects[0].error is not None
    assert manifest.objects[0].error.code == "internal_error"
    assert "left out what glb is made of" in caplog.text
