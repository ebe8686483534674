"""An image → a repository of ECR, under a tag that never changes, in the form that SageMaker takes. Builds nothing."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.checkout import DIRTY, read_revision
from infra.docker import DOCKER_MANIFEST, Docker
from infra.image_build import REVISION_LABEL
from infra.registry import Pushed, Repository
from serve.errors import Gen3DError

# Of the machines that SageMaker runs images on, and of the wheels that the image is made of.
_ARCHITECTURE = "amd64"


def push_image(
    connect: Callable[[], Docker],
    checkout: Path,
    image: str,
    target: str,
    to: str,
    given: str | None,
    say: Callable[[str], None],
) -> str:
    """Pushes an image as `TARGET-COMMIT`, unless that tag is there.

    What can be known beforehand is checked before anything is sent.

    Args:
        connect: Finds the Docker engine that has the image.
        checkout: The folder of the checkout it was built from.
        image: What the engine calls it.
        target: The stage of the Dockerfile that the image was made by.
        to: The repository's address.
        given: The commit, for a copy without git's folder.
        say: Is told what happens.

    Returns:
        The image's address by digest, `REGISTRY/NAME@sha256:…`.

    Raises:
        Gen3DError: `repository_invalid`, `revision_unclear`, `docker_unavailable`, `image_not_built`,
            `image_unsuitable`, `registry_refused`, `registry_unreachable`, `repository_missing` or `push_failed`.
    """
    repository = Repository.parse(to)
    revision = _settled(read_revision(checkout, given))
    docker = connect()
    _check(image, docker.inspect(image), target, revision)
    repository.check()
    tag = f"{target}-{revision}"
    there = repository.find(tag)
    if there is not None:
        say(f"'{repository}:{tag}' is there already: nothing was pushed.")
    else:
        docker.push(image, f"{repository}:{tag}", repository.authorization())
        there = repository.find(tag)
        if there is None:
            raise Gen3DError("push_failed", f"'{repository}:{tag}' was pushed, but ECR does not list it: try again.")
    _check_manifest(there, repository, tag, target)
    return f"{repository}@{there.digest}"


def read_addresses(file: Path) -> dict[str, str]:
    """The addresses that earlier pushes have written; none where there is no file.

    Raises:
        Gen3DError: `addresses_unusable`.
    """
    try:
        content: Any = json.loads(file.read_bytes()) if file.exists() else {}
    except OSError as error:
        raise Gen3DError("addresses_unusable", f"{str(file)!r} cannot be read ({error.strerror}).") from None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Gen3DError("addresses_unusable", f"{str(file)!r} holds something else than a JSON object: name another.")
    return content


def write_addresses(file: Path, addresses: dict[str, str]) -> None:
    """Writes the file that `read_addresses` reads, whole or not at all: `{"preview": "…", "sam3d": "…"}`.

    Raises:
        Gen3DError: `addresses_unusable`.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as new:
            new.write(json.dumps(addresses, indent=2) + "\n")
        Path(new.name).chmod(0o644)
        Path(new.name).replace(file)
    except OSError as error:
        raise Gen3DError("addresses_unusable", f"{str(file)!r} cannot be written ({error.strerror}).") from None


def _settled(revision: str | None) -> str:
    if revision is None:
        raise Gen3DError("revision_unclear", "This is no git checkout: say by --revision which commit it is a copy of.")
    if revision.endswith(DIRTY):
        raise Gen3DError(
            "revision_unclear",
            "The checkout has changes that are not committed, and a tag can never be changed: commit, build, push.",
        )
    return revision


def _check(name: str, image: dict[str, Any] | None, target: str, revision: str) -> None:
    """Raises where the engine's image is not one to push for this revision."""
    build = f"gen3d image build {target}"
    if image is None:
        raise Gen3DError("image_not_built", f"There is no image '{name}' here: {build} makes it.")
    labelled = (image["Config"].get("Labels") or {}).get(REVISION_LABEL, "no commit")
    if labelled != revision:
        raise Gen3DError(
            "image_unsuitable",
            f"'{name}' says that it was made of {labelled}, not of {revision}: build it anew ({build}).",
        )
    if image["Architecture"] != _ARCHITECTURE:
        raise Gen3DError(
            "image_unsuitable",
            f"'{name}' is for {image['Architecture']}, SageMaker's machines are {_ARCHITECTURE}:"
            f" {build} -- --platform linux/{_ARCHITECTURE}",
        )
    # Only an engine that keeps manifests says this.
    media_type = (image.get("Descriptor") or {}).get("mediaType", DOCKER_MANIFEST)
    if media_type != DOCKER_MANIFEST:
        raise Gen3DError(
            "image_unsuitable",
            f"SageMaker would refuse '{name}': its manifest is {media_type}. Build it by {build},"
            " which asks for Docker's own, or turn containerd's image store off (Docker Desktop: Settings, General;"
            ' elsewhere {"features": {"containerd-snapshotter": false}} in daemon.json) and build it anew.',
        )


def _check_manifest(pushed: Pushed, repository: Repository, tag: str, target: str) -> None:
    if pushed.media_type != DOCKER_MANIFEST:
        raise Gen3DError(
            "image_unsuitable",
            f"SageMaker would refuse '{repository}:{tag}': its manifest is {pushed.media_type}. Delete it there"
            f" (aws ecr batch-delete-image --repository-name {repository.name} --image-ids imageTag={tag}), build it"
            f" by gen3d image build {target}, and push again.",
        )
