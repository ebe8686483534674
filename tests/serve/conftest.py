"""Servers for the tests: a real S3 one, that checks signatures and policies, and Gen3D's own."""

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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import httpx
import pytest
import uvicorn
from PIL import Image
from skimage import data

from serve import s3 as s3_module
from serve.app import create_app
from serve.engine import Engine
from serve.logs import configure_logging
from serve.settings import read_settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION: Final = "eu-central-1"


@dataclass(frozen=True)
class LocalS3:
    """A running server.

    Attributes:
        endpoint: Its address.
        bucket: A bucket in it.
        client: A client that may do everything.
        environment: What a process needs to act as a user who may read and write the bucket below `users/`,
            list it, and nothing else.
    """

    endpoint: str
    bucket: str
    client: "S3Client"
    environment: dict[str, str]


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalS3]:
    """The local S3 server, one for each worker of the test run."""
    folder = tmp_path_factory.mktemp("s3")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    # Of the own environment only what Python needs: no AWS profile, no Docker, no settings of the server's.
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "AUTH": "true",
        "SERVICES": "s3,iam,sts",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "DOCKER_HOST": f"unix://{folder}/no-docker",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        _wait_until_ready(process, endpoint, log)
        yield _set_up(endpoint)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def s3_environment(s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`serve.s3` in this process talks to the local S3 server, as its restricted user."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    s3_module._make_s3_client.cache_clear()
    yield
    s3_module._make_s3_client.cache_clear()


def _wait_until_ready(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{endpoint}/_ministack/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"The S3 server did not start:\n{log.read_text()}")


def _set_up(endpoint: str) -> LocalS3:
    # The server takes its root key with any secret; a user's it checks.
    root: dict[str, Any] = {
        "endpoint_url": endpoint,
        "region_name": REGION,
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    client = boto3.client("s3", **root)
    client.create_bucket(Bucket="gen3d-photos", CreateBucketConfiguration={"LocationConstraint": REGION})
    iam = boto3.client("iam", **root)
    iam.create_user(UserName="server")
    statements = [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": "arn:aws:s3:::gen3d-photos/users/*",
        },
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::gen3d-photos"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="server", PolicyName="jobs", PolicyDocument=policy)
    key = iam.create_access_key(UserName="server")["AccessKey"]
    return LocalS3(
        endpoint=endpoint,
        bucket="gen3d-photos",
        client=client,
        environment={
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )


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
def server(tmp_path_factory: pytest.TempPathFactory, s3: LocalS3, storage_folder: Path) -> Iterator[ServerProcess]:
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
