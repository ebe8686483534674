"""Images are really pushed: by the command, through the Docker engine, to a local ECR that wants its password."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.image.containers import DOCKER, docker
from tests.infra.cloud import DOCKER_MANIFEST, OCI_MANIFEST, LocalECR, local_ecr
from tests.infra.copies import commit_all, copy_checkout

NAME = "gen3d-test-push:small"
Push = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def ecr(build: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalECR]:
    """Asks for `build` because that one needs a Docker engine too."""
    with local_ecr(tmp_path_factory.mktemp("ecr")) as running:
        yield running


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    copy_checkout(folder)
    return folder


@pytest.fixture
def commit(checkout: Path) -> str:
    """A commit of this test's own."""
    (checkout / "commit").write_text(os.urandom(8).hex())
    return commit_all(checkout)


@pytest.fixture
def make_image(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """`make_image(commit, *flags)` makes a small image that says it is of this commit."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")

    def make(commit: str, *flags: str) -> None:
        label = f"org.opencontainers.image.revision={commit}"
        build = [DOCKER, "build", "--quiet", "--tag", NAME, "--label", label, *flags, str(tmp_path)]
        subprocess.run(build, check=True, capture_output=True, env={**os.environ, "DOCKER_BUILDKIT": "1"})

    yield make
    docker("image", "rm", "--force", NAME)


@pytest.fixture
def push(ecr: LocalECR, checkout: Path, tmp_path: Path) -> Push:
    """`push(*arguments, VARIABLE=…)` runs `gen3d image push preview` in the checkout, for a person without a home."""

    def push(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-W", "error", "-m", "gen3d", "image", "push", "preview", "--tag", NAME]
        home = {"HOME": str(tmp_path / "home"), **ecr.environment, **environment}
        return subprocess.run(
            [*command, "--repository", ecr.repository, *arguments],
            cwd=checkout, env={**os.environ, **home}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return push


def test_an_image_gets_there_under_its_commit(
    push: Push, make_image: Callable[..., None], commit: str, ecr: LocalECR, tmp_path: Path
) -> None:
    make_image(commit)
    done = push("--output-file", str(tmp_path / "new" / "images.json"))
    assert done.returncode == 0, done.stderr
    (there,) = ecr.client.describe_images(
        repositoryName=ecr.name, imageIds=[{"imageTag": f"preview-{commit}"}]
    )["imageDetails"]  # fmt: skip
    address = f"{ecr.repository}@{there['imageDigest']}"
    assert done.stdout == f"{address}\n"
    assert json.loads((tmp_path / "new" / "images.json").read_text()) == {"preview": address}
    assert there["imageManifestMediaType"] == DOCKER_MANIFEST


def test_the_address_by_digest_can_be_pulled_with_the_password(
    push: Push, make_image: Callable[..., None], commit: str, ecr: LocalECR, tmp_path: Path
) -> None:
    make_image(commit)
    address = push().stdout.strip()
    docker("image", "rm", "--force", NAME, f"{ecr.repository}:preview-{commit}")
    pull = [DOCKER, "--config", str(tmp_path), "pull", "--quiet", address]
    assert subprocess.run(pull, capture_output=True, check=False).returncode == 1
    password = ecr.client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    (tmp_path / "config.json").write_text(json.dumps({"auths": {ecr.registry: {"auth": password}}}))
    subprocess.run(pull, check=True)
    (pulled,) = json.loads(docker("image", "inspect", address))
    assert pulled["Config"]["Labels"]["org.opencontainers.image.revision"] == commit
    make_image(commit)  # for the fixture to remove


def test_the_engine_may_be_that_of_a_docker_context(
    push: Push, make_image: Callable[..., None], commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image(commit)
    endpoint = docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").strip()
    own = str(tmp_path / "home" / ".docker")
    docker("--config", own, "context", "create", "elsewhere", "--docker", f"host={endpoint}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    done = push(DOCKER_CONTEXT="elsewhere")
    assert done.returncode == 0, done.stderr


def test_nobodys_docker_configuration_learns_the_password(
    push: Push, make_image: Callable[..., None], commit: str, ecr: LocalECR, tmp_path: Path
) -> None:
    own = tmp_path / "home" / ".docker" / "config.json"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    make_image(commit)
    done = push()
    assert done.returncode == 0, done.stderr
    assert own.read_text() == "{}"
    password = ecr.client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    assert password not in done.stdout + done.stderr


def test_a_tag_that_is_there_is_not_pushed_again(
    push: Push, make_image: Callable[..., None], commit: str, ecr: LocalECR, tmp_path: Path
) -> None:
    make_image(commit)
    first = push()
    assert first.returncode == 0, first.stderr
    make_image(commit, "--label", "another=build")
    file = tmp_path / "images.json"
    file.write_text('{"sam3d": "elsewhere@sha256:0"}')
    again = push("--output-file", str(file))
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert "is there already: nothing was pushed." in again.stderr
    assert json.loads(file.read_text()) == {"sam3d": "elsewhere@sha256:0", "preview": first.stdout.strip()}


def test_a_tag_whose_manifest_sagemaker_refuses_is_an_error(
    push: Push, make_image: Callable[..., None], commit: str, ecr: LocalECR
) -> None:
    make_image(commit)
    ecr.put(f"preview-{commit}", OCI_MANIFEST)
    done = push()
    assert (done.returncode, done.stdout) == (1, "")
    assert "gen3d: image_unsuitable: SageMaker would refuse" in done.stderr
    assert f"its manifest is {OCI_MANIFEST}" in done.stderr
    assert (
        f"aws ecr batch-delete-image --repository-name gen3d-test --image-ids imageTag=preview-{commit}" in done.stderr
    )


def test_an_image_of_another_commit_is_refused(
    push: Push, make_image: Callable[..., None], commit: str, ecr: LocalECR
) -> None:
    make_image(f"{commit}-dirty")
    before = ecr.tags()
    done = push()
    assert done.returncode == 1
    assert f"image_unsuitable: '{NAME}' says that it was made of {commit}-dirty, not of {commit}" in done.stderr
    assert ecr.tags() == before


def test_an_image_for_other_machines_is_refused(push: Push, make_image: Callable[..., None], commit: str) -> None:
    make_image(commit, "--platform", "linux/arm64")
    done = push()
    assert done.returncode == 1
    assert f"image_unsuitable: '{NAME}' is for arm64, SageMaker's machines are amd64" in done.stderr


def test_an_image_that_was_not_built_is_said_so(push: Push, commit: str) -> None:
    done = push("--tag", "gen3d-test-push:absent")
    assert done.returncode == 1
    assert "image_not_built: There is no image 'gen3d-test-push:absent' here: gen3d image build preview" in done.stderr


def test_what_the_engine_says_of_a_failed_push_is_shown(
    push: Push, make_image: Callable[..., None], commit: str, ecr: LocalECR
) -> None:
    make_image(commit)
    ecr.client.create_repository(repositoryName="gen3d/other")
    # The API knows the repository; at the registry's address there is none.
    done = push("--repository", "127.0.0.1:9/gen3d/other")
    assert done.returncode == 1
    assert "refused" in done.stderr  # Docker's word
    assert done.stderr.splitlines()[-1].startswith("gen3d: push_failed: '127.0.0.1:9/gen3d/other:preview-")


def test_the_repository_is_looked_for_before_anything_is_sent(
    push: Push, make_image: Callable[..., None], commit: str, ecr: LocalECR
) -> None:
    make_image(commit)
    done = push("--repository", f"{ecr.registry}/absent")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"gen3d: repository_missing: There is no repository '{ecr.registry}/absent'.")


def test_without_credentials_nothing_is_sent(
    push: Push, make_image: Callable[..., None], commit: str, ecr: LocalECR
) -> None:
    make_image(commit)
    done = push(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("gen3d: registry_refused: There are no usable AWS credentials here")
