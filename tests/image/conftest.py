"""The image, really built, and containers of it that reach no network. Run by `make test-image`."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent
DOCKER = os.environ.get("DOCKER", "docker")
CLIENT = (Path(__file__).parent / "client.py").read_text()
REPORT = ROOT / "out" / "image.json"
# What a careful operator takes away from a container.
HARDENED: Final = [
    *["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=12345:12345"],
    *["--memory=1g", "--memory-swap=1g", "--pids-limit=100"],
]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what was measured of the image, if any was built in this run."""
    for report in terminalreporter.config.stash.get(MEASURED, []):
        terminalreporter.section("the image")
        terminalreporter.write_line(json.dumps(report, indent=2))


MEASURED = pytest.StashKey[list[dict[str, Any]]]()


@dataclass(frozen=True)
class Container:
    """A running container with no network but its own loopback.

    Attributes:
        id: Docker's name for it.
        image: What it was made from, and its client is.
    """

    id: str
    image: "Image"

    def ask(
        self, method: str, path: str, *, host: str = "127.0.0.1", port: int = 8080, patience: float = 0, **body: Any
    ) -> httpx.Response:
        """One request, from another container that shares its network: its end does not take the client along.

        Args:
            method: HTTP's.
            path: With the leading slash.
            host: The address within the container's network.
            port: The port there.
            patience: How many seconds to ask again while nobody listens or the answer is 503.
            body: What `httpx.Request` makes a body and headers of: `files`, `data`, `headers`, …

        Raises:
            ConnectionError: Nobody listens there.
        """
        request = httpx.Request(method, f"http://{host}:{port}{path}", **body)
        sent = [method, str(request.url), json.dumps(dict(request.headers)), str(patience)]
        client = ["--rm", "--interactive", "--network", f"container:{self.id}", "--entrypoint", "python"]
        command = [DOCKER, "run", *client, self.image.name, "-c", CLIENT, *sent]
        done = subprocess.run(command, input=request.read(), capture_output=True, check=False)
        if b"httpx.ConnectError" in done.stderr:
            raise ConnectionError(f"nobody listens on {host}:{port}")
        assert done.returncode == 0, done.stderr.decode()
        head, _, content = done.stdout.partition(b"\n")
        answer = json.loads(head)
        return httpx.Response(answer["status"], headers=answer["headers"], content=content)

    def wait_until_ready(self, port: int = 8080) -> None:
        """Returns once `/ping` says 200."""
        answer = self.ask("GET", "/ping", port=port, patience=60)
        assert answer.status_code == 200, answer.text

    def run(self, *command: str) -> str:
        """What a command in the container prints."""
        return docker("exec", self.id, *command)

    def log(self) -> str:
        """What the server has logged so far, and said on standard error."""
        done = subprocess.run([DOCKER, "logs", self.id], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def state(self) -> dict[str, Any]:
        """Docker's word on it: `Status`, `ExitCode`, `OOMKilled`, `Health`."""
        state: dict[str, Any] = json.loads(docker("inspect", "--format", "{{json .State}}", self.id))
        return state

    def stop(self, seconds: int) -> None:
        """Sends SIGTERM, and SIGKILL after so many seconds."""
        docker("stop", "--time", str(seconds), self.id)

    def wait_for(self, is_so: Callable[["Container"], bool]) -> None:
        """Returns once that is so of the container."""
        for _ in range(600):
            if is_so(self):
                return
            time.sleep(0.1)
        pytest.fail(f"It never came about: {self.state()}\n{self.log()}")


@dataclass(frozen=True)
class Image:
    """The image as built from the checkout.

    Attributes:
        name: Its tag.
        config: How containers start: `Entrypoint`, `Env`, `Labels` and the rest.
        layers: The commands that made it, the newest first: `CreatedBy` and `Size` in bytes.
        report: What is measured of it, for `out/image.json`.
    """

    name: str
    config: dict[str, Any]
    layers: list[dict[str, Any]]
    report: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def serve(self, *flags: str, **environment: str) -> Iterator[Container]:
        """`docker run IMAGE serve` with these flags and variables, and no network."""
        variables = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
        started = docker("run", "--detach", "--network", "none", *flags, *variables, self.name, "serve")
        container = Container(started.strip(), self)
        try:
            yield container
            assert not container.state()["OOMKilled"]
        finally:
            docker("rm", "--force", container.id)

    def run(self, *command: str) -> str:
        """What a command, with its arguments, prints in a container of its own."""
        program, *arguments = command
        return docker("run", "--rm", "--network", "none", "--entrypoint", program, self.name, *arguments)


def docker(*arguments: str) -> str:
    done = subprocess.run([DOCKER, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def image(pytestconfig: pytest.Config) -> Iterator[Image]:
    """The image `gen3d:preview`, as `make image` builds it now.

    Without a Docker engine the test is skipped on a laptop; in CI (where the variable CI is `true`) it fails.
    """
    if shutil.which(DOCKER) is None or subprocess.run([DOCKER, "info"], capture_output=True, check=False).returncode:
        missing = "no Docker engine answers: container/engine.sh runs a command with one"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    built = subprocess.run(["make", "image"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    name = "gen3d:preview"
    (inspected,) = json.loads(docker("image", "inspect", name))
    lines = docker("history", "--no-trunc", "--human=false", "--format", "{{json .}}", name).splitlines()
    layers = [{**layer, "Size": int(layer["Size"])} for layer in map(json.loads, lines)]
    report: dict[str, Any] = {
        "base": inspected["Config"]["Labels"]["org.opencontainers.image.base.name"],
        "megabytes": round(inspected["Size"] / 1e6, 1),
        "megabytes_by_layer": {x["CreatedBy"] or "base": round(x["Size"] / 1e6, 1) for x in layers if x["Size"]},
    }
    yield Image(name, inspected["Config"], layers, report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    pytestconfig.stash.setdefault(MEASURED, []).append(report)


@pytest.fixture
def serve_image(image: Image) -> Iterator[Callable[..., Container]]:
    """`serve_image("--user", "1:1", GEN3D_PORT="80")` starts a container for this test alone."""
    with ExitStack() as running:
        yield lambda *flags, **environment: running.enter_context(image.serve(*flags, **environment))


@pytest.fixture(scope="session")
def hardened(image: Image) -> Iterator[Container]:
    """A ready server with everything taken away that a careful operator takes away; it stays for all tests."""
    began = time.monotonic()
    with image.serve(*HARDENED) as container:
        container.wait_until_ready()
        image.report["seconds_from_docker_run_to_ping"] = round(time.monotonic() - began, 2)
        yield container


@pytest.fixture(scope="session")
def coffee(photos: Path) -> dict[str, Any]:
    """A job for `Container.ask`: a photo of a cup on a saucer, and a box around each thing."""
    return {
        "files": {"image": ("coffee.jpg", (photos / "coffee.jpg").read_bytes(), "image/jpeg")},
        "data": {"boxes": json.dumps([[75, 12, 484, 394], [325, 232, 408, 330]])},
    }
