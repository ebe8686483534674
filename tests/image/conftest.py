"""The images, really built, and containers of them that reach no network.

Run by `make test-image` and, for the target sam3d, by `make test-image-sam3d`.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import lack
from tests.image.containers import DOCKER, HARDENED, ROOT, Container, Image, docker

MEASURED = pytest.StashKey[list[dict[str, Any]]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what was measured of the images that were built in this run."""
    for report in terminalreporter.config.stash.get(MEASURED, []):
        terminalreporter.section(f"the image {report['image']}")
        terminalreporter.write_line(json.dumps(report, indent=2))


@pytest.fixture(scope="session")
def build(pytestconfig: pytest.Config) -> Iterator[Callable[..., Image]]:
    """`build("preview")` builds an image as `gen3d image build` does, with more flags of `docker build`'s if given.

    Without a Docker engine the test is skipped on a laptop; in CI (where the variable CI is `true`) it fails.
    """
    if shutil.which(DOCKER) is None or subprocess.run([DOCKER, "info"], capture_output=True, check=False).returncode:
        lack("no Docker engine answers: container/engine.sh runs a command with one")
    reports: list[dict[str, Any]] = []

    def build_image(target: str, *flags: str) -> Image:
        began = time.monotonic()
        command = [sys.executable, "-m", "gen3d", "image", "build", target, "--", *flags]
        built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stdout + built.stderr
        seconds = time.monotonic() - began
        name = f"gen3d:{target}"
        (inspected,) = json.loads(docker("image", "inspect", name))
        lines = docker("history", "--no-trunc", "--human=false", "--format", "{{json .}}", name).splitlines()
        layers = [{**layer, "Size": int(layer["Size"])} for layer in map(json.loads, lines)]
        report: dict[str, Any] = {
            "image": name,
            "base": inspected["Config"]["Labels"]["org.opencontainers.image.base.name"],
            "megabytes": round(inspected["Size"] / 1e6, 1),
            "megabytes_by_layer": {x["CreatedBy"] or "base": round(x["Size"] / 1e6, 1) for x in layers if x["Size"]},
            "seconds_to_build": round(seconds, 1),
        }
        reports.append(report)
        return Image(name, inspected["Config"], layers, report)

    yield build_image
    for report in reports:
        file = ROOT / "out" / f"{report['image'].replace(':', '-')}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(report, indent=2) + "\n")
        pytestconfig.stash.setdefault(MEASURED, []).append(report)


@pytest.fixture(scope="session")
def image(build: Callable[..., Image]) -> Image:
    """The image `gen3d:preview`."""
    return build("preview")


@pytest.fixture
def serve_image(image: Image) -> Iterator[Callable[..., Container]]:
    """`serve_image("--user", "1:1", GEN3D_PORT="80")` starts a container for this test alone."""
    with ExitStack() as running:
        yield lambda *flags, **environment: running.enter_context(image.serve(*flags, **environment))


@pytest.fixture(scope="session")
def hardened(image: Image) -> Iterator[Container]:
    """A ready server with everything taken away that a careful operator takes away; it stays for all tests."""
    began = time.monotonic()
    with image.serve(*HARDENED, "--memory=1g", "--memory-swap=1g", "--pids-limit=100") as container:
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
