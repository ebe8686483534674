"""`gen3d image` as people run it, where no Docker engine is needed; tests/image has the rest."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import lack
from tests.infra.copies import commit_all, copy_checkout

REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gen3d-prod"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def gen3d(folder: Path, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-m", "gen3d", "image", *map(str, arguments)]
    given = {**os.environ, "DOCKER_HOST": "unix:///nonexistent/socket", **environment}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=given)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, without git."""
    folder = tmp_path_factory.mktemp("copy")
    copy_checkout(folder)
    return folder


@pytest.mark.parametrize("action", [["build"], ["push", "preview", "--repository", REPOSITORY, "--revision", COMMIT]])
def test_without_a_docker_client_it_says_what_to_install(copy: Path, action: list[str]) -> None:
    done = gen3d(copy, *action, DOCKER="no-such-client")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("gen3d: docker_unavailable: There is no Docker client 'no-such-client' here")
    assert "https://docs.docker.com/get-docker/" in line


@pytest.mark.parametrize("action", [["build"], ["push", "preview", "--repository", REPOSITORY, "--revision", COMMIT]])
def test_without_an_engine_it_says_what_to_start(copy: Path, action: list[str]) -> None:
    if shutil.which("docker") is None:
        lack("there is no Docker client: container/engine.sh installs one")
    done = gen3d(copy, *action)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("gen3d: docker_unavailable: No Docker engine answers: start Docker.")


def test_outside_a_checkout_it_says_where_to_go(copy: Path, tmp_path: Path) -> None:
    for room in ("gen3d", "infra", "model_loader", "serve"):
        shutil.copytree(copy / room, tmp_path / room)
    done = gen3d(tmp_path, "build")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("gen3d: checkout_missing: Images are built and pushed from a checkout of Gen3D")


def test_within_the_image_it_says_so_too(copy: Path, tmp_path: Path) -> None:
    # The image has no room infra; -S leaves out where this environment finds the checkout's.
    for room in ("gen3d", "model_loader", "serve"):
        shutil.copytree(copy / room, tmp_path / room)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    code = "import sys; sys.path.append(sys.argv.pop(1)); from gen3d.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-S", "-c", code, packages, "image", "build"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("gen3d: checkout_missing:")


def test_a_repository_elsewhere_is_refused_first(copy: Path) -> None:
    done = gen3d(copy, "push", "preview", "--repository", "docker.io/somebody/gen3d", DOCKER="no-such-client")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "gen3d: repository_invalid: A repository is ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME"
    )


def test_changes_that_are_not_committed_are_not_pushed(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    commit_all(tmp_path)
    (tmp_path / "serve" / "new.py").write_text("")
    done = gen3d(tmp_path, "push", "preview", "--repository", REPOSITORY)
    assert done.returncode == 1
    assert done.stderr.startswith("gen3d: revision_unclear: The checkout has changes that are not committed")


def test_a_copy_without_git_is_not_pushed_without_its_commit(copy: Path) -> None:
    done = gen3d(copy, "push", "preview", "--repository", REPOSITORY)
    assert done.returncode == 1
    assert done.stderr == (
        "gen3d: revision_unclear: This is no git checkout: say by --revision which commit it is a copy of.\n"
    )


@pytest.mark.parametrize("content", ["", "[]", "no json", None])
def test_a_file_for_the_address_that_holds_something_else_is_left_alone(
    copy: Path, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "images.json"
    file.mkdir() if content is None else file.write_text(content)
    done = gen3d(copy, "push", "preview", "--repository", REPOSITORY, "--output-file", file)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("gen3d: addresses_unusable:")
    assert content is None or file.read_text() == content


def test_flags_for_docker_need_the_target(copy: Path) -> None:
    done = gen3d(copy, "build", "--", "--no-cache")
    assert done.returncode == 2
    assert "invalid choice: '--no-cache' (choose from 'preview', 'sam3d')" in done.stderr
