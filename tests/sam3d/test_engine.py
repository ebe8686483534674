"""The engine sam3d from end to end, as its users run it: the command, and the server over HTTP."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from plyfile import PlyData
from skimage import data

from serve.contract import Manifest, Perspective
from serve.engines import load_engine
from serve.errors import Gen3DError
from serve.settings import Settings

pytestmark = pytest.mark.timeout(300)  # the first of them may have to compile the kernels of finishing

CUP, SPOON = [170, 12, 410, 240], [325, 232, 408, 330]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "coffee.png"
    Image.fromarray(data.coffee()).save(path)
    return path


@pytest.fixture(scope="module")
def environment(weights: Path) -> dict[str, str]:
    return {**os.environ, "GEN3D_ENGINE": "sam3d", "GEN3D_WEIGHTS": str(weights), "GEN3D_DEVICE": "cpu"}


def names(index: int) -> set[str]:
    return {f"object-{index}.{ending}" for ending in ("glb", "web.glb", "splats.ply", "mask.png")}


def test_the_command_reconstructs(
    photo: Path, tmp_path: Path, environment: dict[str, str], validate_glb: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "gen3d", "reconstruct", str(photo), "--box", ",".join(map(str, CUP)), "--label", "cup",
        "--box", ",".join(map(str, SPOON)), "--format", "glb", "--format", "splats", "--quality", "draft",
        "-o", str(out),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "object 2 of 2: shaping, step 5 of 6" in done.stderr
    assert {"manifest.json", "scene.glb", "masks.png", "preview.png", "thumbnail.jpg"} | names(0) | names(1) == {
        file.name for file in out.iterdir()
    }
    manifest = Manifest.model_validate_json((out / "manifest.json").read_bytes())
    assert (manifest.engine.name, manifest.engine.preview) == ("sam3d", False)
    assert manifest.engine.weights is not None
    assert "sam-3d-objects@2e73555" in manifest.engine.weights
    assert isinstance(manifest.camera, Perspective)
    for made in manifest.objects:
        assert made.status == "succeeded"
        assert made.mask is not None
        assert made.mesh is not None
        assert made.mesh.triangles <= 10_000
        assert made.mesh.texture == (1024, 1024)
        assert made.cleaned is not None
        assert made.silhouette_iou is not None
        assert made.pose is not None
        assert not made.pose.depth_is_guess
    validate_glb(out / "scene.glb", out / "object-0.glb")
    splats = PlyData.read(out / "object-0.splats.ply")["vertex"]
    assert len(splats) > 1000
    assert np.isfinite(splats["x"]).all()


@contextmanager
def serving(folder: Path, environment: dict[str, str]) -> Iterator[tuple[httpx.Client, Path]]:
    log, errors = folder / "stdout", folder / "stderr"
    command = [sys.executable, "-m", "gen3d", "serve", "--port", "0"]
    with log.open("wb") as stdout, errors.open("wb") as stderr:
        process = subprocess.Popen(command, env=environment, stdout=stdout, stderr=stderr)
    try:
        while not (listens := re.search(r"listens on (http://\S+)", errors.read_text())):
            assert process.poll() is None, errors.read_text()
            time.sleep(0.02)
        with httpx.Client(base_url=listens[1], timeout=100) as http:
            while (ping := http.get("/ping")).status_code != 200:
                assert ping.json()["error"]["code"] == "loading", ping.text
                time.sleep(0.05)
            yield http, log
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_the_server_reconstructs(
    photo: Path, tmp_path: Path, environment: dict[str, str], validate_glb: Callable[..., Any]
) -> None:
    with serving(tmp_path, environment) as (http, log):
        boxes = [CUP, SPOON, [700, 0, 900, 90]]
        answer = http.post(
            "/invocations",
            headers={"Accept": "application/zip"},
            files={"image": photo.read_bytes()},
            data={
                "boxes": json.dumps(boxes),
                "options": json.dumps({"quality": "draft", "formats": ["glb", "splats", "obj", "usdz"], "seed": 7}),
            },
        )
        assert answer.status_code == 200, answer.text
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            archive.extractall(tmp_path / "made")
        again = http.post(
            "/invocations",
            headers={"Accept": "application/json", "Content-Type": "image/png"}
            | {
                "X-Amzn-SageMaker-Custom-Attributes": json.dumps(
                    {"boxes": [SPOON], "options": {"quality": "draft", "seed": 7}}
                )
            },
            content=photo.read_bytes(),
        )
    made = tmp_path / "made"
    manifest = Manifest.model_validate_json((made / "manifest.json").read_bytes())
    assert [one.status for one in manifest.objects] == ["succeeded", "succeeded", "failed"]
    assert manifest.status == "partial"
    assert manifest.objects[2].error is not None
    assert manifest.objects[2].error.code == "box_outside_image"
    validate_glb(made / "scene.glb", made / "object-0.glb", made / "object-1.glb")
    assert PlyData.read(made / "object-1.splats.ply")["vertex"]["x"].size
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"segment", "reconstruct", "finish", "store", "done"} <= {line.get("stage") for line in lines}
    # One seed gives the same object in another job, with other neighbours.
    alone = Manifest.model_validate_json(again.content).objects[0]
    (among,) = [file for file in manifest.objects[1].artefacts if file.name.endswith("-1.glb")]
    (own,) = [file for file in alone.artefacts if file.name.endswith("-0.glb")]
    assert alone.pose == manifest.objects[1].pose
    assert own.bytes == among.bytes


def test_the_repacked_bundle_serves_too(photo: Path, tmp_path: Path, repacked: Any) -> None:
    engine = load_engine(Settings(engine="sam3d", weights=repacked.folder, device="cpu", objects_at_once=2))
    from serve.contract import Box, Options

    objects = engine.run(
        np.asarray(Image.open(photo)),
        [Box.model_validate(CUP), Box.model_validate(SPOON)],
        Options(quality="draft"),
        lambda *_: None,
    )
    assert [type(rest()).__name__ for rest in objects] == ["Made", "Made"]


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there may be a GPU here")
def test_without_a_gpu_the_engine_refuses_to_start(weights: Path) -> None:
    with pytest.raises(Gen3DError, match=r"no_gpu: .*GEN3D_DEVICE=cpu"):
        load_engine(Settings(engine="sam3d", weights=weights))
