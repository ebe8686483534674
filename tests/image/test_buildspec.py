"""buildspec.yml does what it says: its commands run as CodeBuild runs them, with a Docker engine and a local ECR."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.image.containers import DOCKER, docker
from tests.infra.cloud import DOCKER_MANIFEST, LocalECR, local_ecr
from tests.infra.copies import ROOT, copy_checkout

pytestmark = pytest.mark.timeout(1200)

SPEC: dict[str, Any] = yaml.safe_load((ROOT / "buildspec.yml").read_text())
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def script(exported: str) -> str:
    """The spec as one script for one shell: a command that fails ends it, and `finally` comes in any case.

    Args:
        exported: The file for the exported variables.
    """
    lines = []
    for phase in SPEC["phases"].values():
        assert phase["on-failure"] == "ABORT"
        lines += ["finally() {", *phase.get("finally", []), ":", "}", "trap finally EXIT"]
        for command in phase["commands"]:
            lines += [command, "[ $? -eq 0 ] || exit 1"]
        lines += ["trap - EXIT", "finally"]
    lines += [f'printf "%s" "${name}" > {exported}/{name}' for name in SPEC["env"]["exported-variables"]]
    return "\n".join(lines)


def run_spec(folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs the spec in a folder, in a fresh environment with the spec's variables and these."""
    (folder / ".exported").mkdir()
    client = folder / ".path" / "docker"
    client.parent.mkdir()
    client.symlink_to(shutil.which(DOCKER) or DOCKER)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GEN3D_", "AWS_", "DOCKER"))}
    engine = {name: os.environ[name] for name in ("DOCKER_HOST",) if name in os.environ}
    path = {"PATH": f"{client.parent}{os.pathsep}{os.environ['PATH']}"}
    assert SPEC["env"]["shell"] == "bash"
    return subprocess.run(
        ["bash", "-c", script(".exported")], cwd=folder, capture_output=True, text=True, check=False,
        env={**own, **engine, **path, **SPEC["env"]["variables"], **variables},
    )  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What CodeBuild unpacks of an archive: the checkout without git."""
    folder = tmp_path / "source"
    folder.mkdir()
    copy_checkout(folder)
    return folder


@pytest.fixture
def ecr(build: object, tmp_path: Path) -> Iterator[LocalECR]:
    """Asks for `build` because that one needs a Docker engine too."""
    (tmp_path / "ecr").mkdir()
    with local_ecr(tmp_path / "ecr") as running:
        yield running


def test_the_image_is_built_tried_out_and_pushed(source: Path, ecr: LocalECR) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    containers = docker("ps", "--all", "--quiet")
    given = {"GEN3D_TARGETS": "preview", "GEN3D_PORT": str(port), "GEN3D_REVISION": COMMIT}
    done = run_spec(source, **given, **ecr.environment, GEN3D_REPOSITORY=ecr.repository)
    assert done.returncode == 0, done.stdout + done.stderr
    (there,) = ecr.client.describe_images(repositoryName=ecr.name)["imageDetails"]
    assert there["imageTags"] == [f"preview-{COMMIT}"]
    assert there["imageManifestMediaType"] == DOCKER_MANIFEST
    out = source / SPEC["artifacts"]["base-directory"]
    artifacts = [file for pattern in SPEC["artifacts"]["files"] for file in out.glob(pattern)]
    assert [file.name for file in artifacts] == ["images.json", "image-preview.cdx.json"]
    written = json.loads((out / "images.json").read_text())
    assert written == {"preview": f"{ecr.repository}@{there['imageDigest']}"}
    assert json.loads((source / ".exported" / "GEN3D_IMAGES").read_text()) == written
    assert (out / "tried-out.glb").read_bytes().startswith(b"glTF")
    assert docker("ps", "--all", "--quiet") == containers


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"GEN3D_REPOSITORY": ""}, "Set the variable GEN3D_REPOSITORY of the project."),
        ({"GEN3D_REVISION": ""}, "The source is no git checkout - set GEN3D_REVISION to its commit."),
        ({"DOCKER_HOST": "unix:///nowhere"}, "No Docker engine answers - is the project privileged?"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_made(source: Path, lacking: dict[str, str], said: str) -> None:
    given = {"GEN3D_REPOSITORY": "127.0.0.1:9/gen3d", "GEN3D_REVISION": COMMIT, **lacking}
    done = run_spec(source, **given)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == said
    assert not (source / ".venv").exists()
