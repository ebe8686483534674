"""The images and containers of a Docker engine, as the tests look at them."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent.parent
DOCKER = os.environ.get("DOCKER", "docker")
# What a careful operator takes away from a container, in any memory.
HARDENED: Final = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--user=12345:12345",
)
CLIENT = (Path(__file__).parent / "client.py").read_text()


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
        report: What is measured of it, for a file in `out`.
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

    def run(self, *command: str, flags: Sequence[str] = ()) -> str:
        """What a command, with its arguments, prints in a container of its own."""
        program, *arguments = command
        return docker("run", "--rm", "--network", "none", *flags, "--entrypoint", program, self.name, *arguments)

    def packages(self) -> dict[str, str]:
        """The version of every Python package that is installed in it."""
        look = (
            "import importlib.metadata, json;"
            " print(json.dumps({found.name: found.version for found in importlib.metadata.distributions()}))"
        )
        found: dict[str, str] = json.loads(self.run("python", "-c", look))
        return {canonicalize_name(name): version for name, version in found.items()}


def packages_under_the_gpl(image: Image) -> dict[str, str]:
    """What packages say of their licence that names the GPL or the AGPL; the LGPL lets its library be exchanged."""
    look = (
        "import importlib.metadata, json; print(json.dumps({found.name: [found.metadata.get('License', ''),"
        " found.metadata.get('License-Expression', ''), *found.metadata.get_all('Classifier', [])]"
        " for found in importlib.metadata.distributions()}))"
    )
    licences = {}
    for name, words in json.loads(image.run("python", "-c", look)).items():
        # Of a licence in full, its title; of libraries in a wheel, what follows tells.
        said = " ".join(word[:200] for word in words if not word.startswith("Topic"))
        if re.search(r"\bA?GPL|Affero|(?<!Lesser )General Public License", re.sub(r"LGPL\S*", "", said), re.IGNORECASE):
            licences[name] = said
    return licences


def listed_packages(target: str) -> dict[str, str]:
    """The version of every package in the list of what is in the image of a target."""
    bill: dict[str, Any] = json.loads((ROOT / "out" / f"image-{target}.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    return {canonicalize_name(component["name"]): component["version"] for component in bill["components"]}


def pins(lock: Path) -> dict[str, str]:
    """The version of every package in a lock, as it holds in an image: for Python 3.11 on Linux."""
    image = {"python_version": "3.11", "python_full_version": "3.11.14", "sys_platform": "linux"}
    lines = re.findall(r"^([\w.-]+==.*?) \\$", lock.read_text(), re.MULTILINE)
    wanted = [wish for wish in map(Requirement, lines) if wish.marker is None or wish.marker.evaluate(image)]
    return {canonicalize_name(wish.name): str(wish.specifier).removeprefix("==") for wish in wanted}


def docker(*arguments: str) -> str:
    done = subprocess.run([DOCKER, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout
