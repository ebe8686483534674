"""`gen3d image build` with a Docker engine."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.image.containers import DOCKER, docker
from tests.infra.copies import commit_all, copy_checkout

if TYPE_CHECKING:
    from tests.image.containers import Image

pytestmark = pytest.mark.timeout(1200)  # the first test builds the image

NAME = "gen3d-test-build:preview"
Build = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy_checkout(tmp_path)
    return tmp_path


@pytest.fixture
def image_build(image: "Image", checkout: Path) -> Iterator[Build]:
    """`image_build(*arguments)` runs `gen3d image build` in a copy of the checkout, whose layers `image` has."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-W", "error", "-m", "gen3d", "image", "build", "--tag", NAME, *arguments]
        return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)

    yield run
    subprocess.run([DOCKER, "image", "rm", NAME], capture_output=True, check=False)


def labels() -> dict[str, str]:
    labels: dict[str, str] = json.loads(docker("image", "inspect", NAME))[0]["Config"]["Labels"]
    return labels


def test_it_says_what_was_made_and_where(image_build: Build, checkout: Path) -> None:
    commit = commit_all(checkout)
    done = image_build()
    assert done.returncode == 0, done.stderr
    made, inventory = done.stdout.splitlines()
    assert re.fullmatch(rf"{NAME}: \d+\.\d MB, sha256:[0-9a-f]{{64}}", made)
    assert inventory == f"{checkout / 'out' / 'image-preview.cdx.json'}: what is in it"
    assert json.loads((checkout / "out" / "image-preview.cdx.json").read_text())["bomFormat"] == "CycloneDX"
    assert labels()["org.opencontainers.image.revision"] == commit


def test_a_copy_says_the_commit_that_it_is_given_or_none(image_build: Build) -> None:
    assert image_build("--revision", "0" * 40).returncode == 0
    assert labels()["org.opencontainers.image.revision"] == "0" * 40
    assert image_build().returncode == 0
    assert "org.opencontainers.image.revision" not in labels()


def test_flags_go_on_to_docker(image_build: Build) -> None:
    done = image_build("preview", "--", "--label", "someone=else")
    assert done.returncode == 0, done.stderr
    assert labels()["someone"] == "else"


def test_what_docker_says_of_a_failed_build_is_shown(image_build: Build) -> None:
    done = image_build("preview", "--", "--build-arg", "BASE=127.0.0.1:9/absent")
    assert (done.returncode, done.stdout) == (1, "")
    assert "127.0.0.1:9/absent" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "gen3d: build_failed: The image could not be built; Docker says why, above."
    )
    assert "Traceback" not in done.stderr
