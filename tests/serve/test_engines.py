"""The engine `sam3d` where something is missing: it never becomes ready, and no other stands in for it."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from PIL import Image

from model_loader.catalog import bundle_files, revisions
from model_loader.manifest import BundleFile, WeightsManifest, write_manifest
from serve.engines import load_engine
from serve.errors import Gen3DError
from serve.settings import Settings


@contextmanager
def serving(**environment: str) -> Iterator[httpx.Client]:
    """`gen3d serve`, ready or not."""
    command = [sys.executable, "-W", "error", "-m", "gen3d", "serve", "--port", "0"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "GEN3D_ENGINE": "sam3d", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        listens = re.search(r"http://\S+", process.stderr.readline())
        assert listens is not None
        with httpx.Client(base_url=listens[0]) as http:
            while http.get("/ping").json()["error"]["code"] == "loading":
                time.sleep(0.02)
            yield http
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def listed_weights(tmp_path: Path) -> Path:
    """A folder with every file of the weights, as far as their names go."""
    files = []
    for published in bundle_files("sam2"):
        path = tmp_path / published.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content := published.path.encode())
        digest = hashlib.sha256(content).hexdigest()
        files.append(
            BundleFile(path=published.path, bytes=len(content), sha256=digest, repository=published.repository.name)
        )
    manifest = WeightsManifest(
        form="published", segmenter="sam2", revisions=revisions(bundle_files("sam2")), files=tuple(files)
    )
    write_manifest(tmp_path, manifest)
    return tmp_path


def test_without_weights_it_never_becomes_ready_and_says_what_fetches_them(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    with serving(GEN3D_WEIGHTS=str(folder)) as http:
        for _ in range(2):  # for good
            answer = http.get("/ping")
            assert answer.status_code == 503
            error = answer.json()["error"]
            assert error["code"] == "engine_failed"
            assert error["details"] == {"cause": "weights_missing"}
            assert f"There is no folder '{folder}'" in error["message"]
            assert f"gen3d weights fetch --to {folder}" in error["message"]
        refused = http.post("/invocations", json={"image_base64": "", "boxes": [[0, 0, 9, 9]]})
        assert refused.status_code == 503
        assert refused.json()["error"] == error


def test_half_a_bundle_is_told_file_by_file(listed_weights: Path) -> None:
    (listed_weights / "sam-3d-objects" / "slat_generator.ckpt").unlink()
    with serving(GEN3D_WEIGHTS=str(listed_weights)) as http:
        message = http.get("/ping").json()["error"]["message"]
    assert "sam-3d-objects/slat_generator.ckpt" in message
    assert "gen3d weights fetch --to" in message


def test_the_command_says_it_in_one_line_and_makes_nothing(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64)).save(photo)
    environment = {**os.environ, "GEN3D_ENGINE": "sam3d", "GEN3D_WEIGHTS": str(tmp_path / "none")}
    command = [
        sys.executable,
        "-m",
        "gen3d",
        "reconstruct",
        str(photo),
        "--box",
        "8,8,56,56",
        "-o",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("gen3d: weights_missing: ")
    assert len(done.stderr.splitlines()) == 1
    assert not list((tmp_path / "out").iterdir()), "no preview in its stead"


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed here")
def test_without_its_packages_it_says_which_is_missing(listed_weights: Path) -> None:
    with pytest.raises(Gen3DError, match=r"package_missing: .*'torch'.*make setup-sam3d"):
        load_engine(Settings(engine="sam3d", weights=listed_weights))


def test_hashes_are_checked_on_request(listed_weights: Path) -> None:
    damaged = listed_weights / "moge" / "model.pt"
    damaged.write_bytes(damaged.read_bytes()[::-1])
    with pytest.raises(Gen3DError, match=r"weights_damaged: .*moge/model\.pt"):
        load_engine(Settings(engine="sam3d", weights=listed_weights, check_weights=True))
