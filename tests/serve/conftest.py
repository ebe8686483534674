"""Gen3D's own servers for the tests, and an engine to order."""

import io
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import httpx
import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray
from PIL import Image
from skimage import data
from trimesh import creation

from serve import s3 as s3_module
from serve.app import create_app
from serve.contract import Format, Quality
from serve.engine import Engine
from serve.errors import Gen3DError
from serve.logs import configure_logging
from serve.mesh.meshes import DenseMesh, PerspectiveCamera, Placement
from serve.reconstruct import Detail, Fineness, PhotoReconstructor, Reconstruction
from serve.segment import PixelBox, Segmentation
from serve.settings import read_settings

if TYPE_CHECKING:
    from tests.conftest import LocalS3 as LocalS3


@pytest.fixture
def s3_environment(s3: "LocalS3", monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`serve.s3` in this process talks to the local S3 server, as its restricted user."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    s3_module._make_s3_client.cache_clear()
    yield
    s3_module._make_s3_client.cache_clear()


# Gen3D's own server.


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        http: Calls it.
        read_log: What it has logged so far.
    """

    http: httpx.Client
    read_log: Callable[[], str]

    def log(self, job_id: str | None = None) -> list[dict[str, Any]]:
        """What it has logged so far, every line of which is a JSON object; of one job, where its id is given."""
        lines = [json.loads(line) for line in self.read_log().splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if job_id in (None, line.get("job_id"))]

    def metrics(self, job_id: str) -> dict[str, Any]:
        """The one line with this job's metrics, which comes just before its answer."""
        (line,) = [line for line in self.log(job_id) if "_aws" in line]
        return line

    def wait_for_log(self, job_id: str, **fields: object) -> None:
        """Returns once the job has logged a line that holds these fields."""
        wait_until(lambda: any(fields.items() <= line.items() for line in self.log(job_id)))


@dataclass(frozen=True)
class ServerProcess(Server):
    """A `gen3d serve` of its own.

    Attributes:
        process: The process.
        stderr: What it has written to standard error so far.
    """

    process: "subprocess.Popen[bytes]"
    stderr: Callable[[], str]


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(3000):
        if is_so():
            return
        time.sleep(0.01)
    pytest.fail("It never came about.")


@contextmanager
def _serving(folder: Path, **environment: str) -> Iterator[ServerProcess]:
    """`gen3d serve` with these variables. It must end well, with no traceback in its log and no warning."""
    out, err = folder / "stdout", folder / "stderr"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "gen3d", "serve", "--port", "0"],
            env={**os.environ, **environment},
            stdout=stdout,
            stderr=stderr,
        )
    try:
        wait_until(lambda: err.read_bytes().endswith(b"\n") or process.poll() is not None)
        listens = re.search(r"listens on (http://\S+)", err.read_text())
        assert listens, err.read_text()
        with httpx.Client(base_url=listens[1], timeout=60) as http:
            server = ServerProcess(http, out.read_text, process, err.read_text)
            wait_until(lambda: http.get("/ping").status_code == 200)
            yield server
        if process.poll() is None:  # else the test has ended it, and seen how
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert len(server.stderr().splitlines()) == 1
        assert not [line for line in server.log() if "exception" in line]
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """`start_server(GEN3D_…="…")` starts a `gen3d serve` for this test alone."""
    with ExitStack() as running:
        yield lambda **environment: running.enter_context(_serving(tmp_path, **environment))


@pytest.fixture(scope="session")
def storage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `server` may write in, besides the S3 server's `users/`."""
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, s3: "LocalS3", storage_folder: Path) -> Iterator[ServerProcess]:
    """The `gen3d serve` that most tests share. It takes bodies of 2,000,000 bytes and photos on S3 of 1,000,000."""
    environment = {
        **s3.environment,
        "GEN3D_MAX_BODY_BYTES": "2000000",
        "GEN3D_MAX_IMAGE_BYTES": "1000000",
        "GEN3D_OUTPUT_PREFIXES": f"{storage_folder.as_uri()}/,s3://{s3.bucket}/users/",
    }
    with _serving(tmp_path_factory.mktemp("server"), **environment) as running:
        yield running


@contextmanager
def _serving_in_thread(load: Callable[[], Engine], settings: dict[str, object]) -> Iterator[Server]:
    log = io.StringIO()
    root = logging.getLogger()
    before = root.handlers, root.level
    configure_logging(log)
    uvicorn_server = uvicorn.Server(
        uvicorn.Config(create_app(load, read_settings(**settings)), log_config=None, access_log=False)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=uvicorn_server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
                yield Server(http, log.getvalue)
        finally:
            uvicorn_server.should_exit = True
            thread.join()
            root.handlers = before[0]
            root.setLevel(before[1])


@pytest.fixture
def serve_engine() -> Iterator[Callable[..., Server]]:
    """`serve_engine(load, queue_size=…)` serves an engine of the test's own, from a thread of this process."""
    with ExitStack() as running:
        yield lambda load, **settings: running.enter_context(_serving_in_thread(load, settings))


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A photo of a cup, 300 × 200 pixels, as a JPEG file. The cup lies in the box [38, 6, 240, 195]."""
    file = io.BytesIO()
    Image.fromarray(data.coffee()).resize((300, 200)).save(file, "JPEG")
    return file.getvalue()


# An engine to order: it stands for the networks on a GPU.


class OvalSegmenter:
    """Finds an oval in every box; an error among its orders is raised for the box whose turn it is."""

    name = "ovals"

    def __init__(self, orders: Sequence[Exception | None]) -> None:
        self._orders = iter(orders)
        self.photos = 0

    def on(self, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox]) -> Callable[[PixelBox], Segmentation]:
        self.photos += 1

        def segment(box: PixelBox) -> Segmentation:
            order = next(self._orders, None)
            if order is not None:
                raise order
            y, x = np.mgrid[-1 : 1 : (box.y_max - box.y_min) * 1j, -1 : 1 : (box.x_max - box.x_min) * 1j]
            return Segmentation(box, x**2 + y**2 < 1, 1.0)

        return segment


class BallReconstructor:
    """Makes dense balls with coloured vertices, in some steps each, for a perspective camera.

    A refusal among its orders is yielded instead of the ball whose turn it is, any other error is raised.

    Attributes:
        groups: How many masks it was given each time.
        wishes: What was wished of each photo.
    """

    name = "balls"
    units = "1 unit is 1 metre"
    formats: tuple[Format, ...] = get_args(Format)
    details: Mapping[Quality, Fineness] = dict.fromkeys(get_args(Quality), Fineness(1000, 64))

    def __init__(self, orders: Sequence[Exception | None], objects_at_once: int, steps: int) -> None:
        self._orders = iter(orders)
        self.objects_at_once = objects_at_once
        self.steps = steps
        self.groups: list[int] = []
        self.wishes: list[Detail] = []

    def on(self, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox], detail: Detail, seed: int) -> PhotoReconstructor:
        self.wishes.append(detail)
        height, width = pixels.shape[:2]
        camera = PerspectiveCamera((0.0, 0.0, 0.0), 0.4, width / height)
        return _Balls(self, camera, height, detail)

    def order(self) -> Exception | None:
        return next(self._orders, None)


class _Balls:
    def __init__(self, to: BallReconstructor, camera: PerspectiveCamera, height: int, detail: Detail) -> None:
        self._to, self._height, self._detail = to, height, detail
        self.camera = camera
        self._aspect = camera.aspect

    def make(
        self, masks: Sequence[Segmentation], step: Callable[[int, int, int], None]
    ) -> Iterator[Reconstruction | Gen3DError]:
        self._to.groups.append(len(masks))
        for which, found in enumerate(masks):
            for done in range(self._to.steps):
                step(which, done + 1, self._to.steps)
            order = self._to.order()
            if isinstance(order, Gen3DError):
                yield order
            elif order is not None:
                raise order
            else:
                yield self._ball(found.box)

    def _ball(self, box: PixelBox) -> Reconstruction:
        """Far enough away to look round, and as high as the box."""
        ball = creation.icosphere(subdivisions=3)
        normals = np.asarray(ball.vertices, dtype=np.float32)
        colours = ((normals + 1) * 127.5).astype(np.uint8)
        mesh = DenseMesh(normals, np.asarray(ball.faces, dtype=np.int32), colours)
        far = 20.0
        half = np.tan(0.2) * far  # the height that the camera sees above its axis, at the ball
        pixel = 2 * half / self._height
        x = (box.x_min + box.x_max) / 2 * pixel - half * self._aspect
        y = half - (box.y_min + box.y_max) / 2 * pixel
        placement = Placement((0.0, 0.0, 0.0, 1.0), (box.y_max - box.y_min) / 2 * pixel, (x, y, -far))
        return Reconstruction(
            mesh if self._detail.mesh else None,
            b"ply\n" if self._detail.splats else None,
            placement,
            depth_is_guess=False,
        )


@pytest.fixture
def balls() -> Callable[..., Engine]:
    """`balls(masks=[…], objects=[…], objects_at_once=1, steps=0)` is an engine that follows these orders."""

    def make(
        masks: Sequence[Exception | None] = (),
        objects: Sequence[Exception | None] = (),
        objects_at_once: int = 1,
        steps: int = 0,
    ) -> Engine:
        made = BallReconstructor(objects, objects_at_once, steps)
        return Engine("balls", OvalSegmenter(masks), made, preview=False, weights="none")

    return make
