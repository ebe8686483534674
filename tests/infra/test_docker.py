"""Engines with containerd's image store, whose push would send OCI manifests, are asked for Docker's.

A script stands for the client of such an engine and answers as that one is documented to: none can be had as a package.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.docker import Docker
from infra.image_push import push_image
from serve.errors import Gen3DError
from tests.infra.cloud import DOCKER_MANIFEST, OCI_MANIFEST

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gen3d-prod"
CONTAINERD = [["driver-type", "io.containerd.snapshotter.v1"]]
CLIENT = """#!/bin/bash
echo "$@" >> "$0.calls"
case "$1" in
    info) cat "$0.info" ;;
    image) cat "$0.image" ;;
    build) while [ "$1" != --iidfile ]; do shift; done; echo sha256:0 > "$2" ;;
esac
"""


@pytest.fixture
def make_client(tmp_path: Path) -> Callable[..., Docker]:
    """`make_client(driver_status, **image)` is a client, with what its engine says of itself and of its image."""

    def make(driver_status: list[list[str]], **image: Any) -> Docker:
        client = tmp_path / "docker"
        client.write_text(CLIENT)
        client.chmod(0o755)
        (tmp_path / "docker.info").write_text(json.dumps({"DriverStatus": driver_status}))
        labels = {"org.opencontainers.image.revision": COMMIT}
        found = {"Id": "sha256:0", "Size": 1, "Architecture": "amd64", "Config": {"Labels": labels}, **image}
        (tmp_path / "docker.image").write_text(json.dumps([found]))
        return Docker(str(client))

    return make


def builds(folder: Path) -> list[str]:
    return [call for call in (folder / "docker.calls").read_text().splitlines() if call.startswith("build ")]


def test_containerds_store_gets_dockers_media_types(make_client: Callable[..., Docker], tmp_path: Path) -> None:
    make_client(CONTAINERD).build_image(tmp_path, "gen3d:preview")
    (build,) = builds(tmp_path)
    assert "--tag gen3d:preview --output type=image,oci-mediatypes=false --iidfile" in build


def test_other_stores_know_no_such_output_and_need_none(make_client: Callable[..., Docker], tmp_path: Path) -> None:
    make_client([["Backing Filesystem", "extfs"]]).build_image(tmp_path, "gen3d:preview")
    (build,) = builds(tmp_path)
    assert "--output" not in build


def push(docker: Docker, checkout: Path) -> None:
    push_image(lambda: docker, checkout, "gen3d:preview", "preview", REPOSITORY, COMMIT, print)


def test_an_image_with_an_oci_manifest_is_refused_before_it_is_sent(
    make_client: Callable[..., Docker], tmp_path: Path
) -> None:
    docker = make_client(CONTAINERD, Descriptor={"mediaType": OCI_MANIFEST})
    with pytest.raises(Gen3DError, match="Docker Desktop: Settings, General") as raised:
        push(docker, tmp_path)
    assert raised.value.code == "image_unsuitable"


def test_one_with_dockers_manifest_is_not(
    make_client: Callable[..., Docker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "nobody")  # what comes after it: AWS
    docker = make_client(CONTAINERD, Descriptor={"mediaType": DOCKER_MANIFEST})
    with pytest.raises(Gen3DError, match="There are no usable AWS credentials here"):
        push(docker, tmp_path)
