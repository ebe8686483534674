"""The checkout → an image and the list of what is in it. Knows no registry."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.checkout import read_revision
from infra.docker import Docker
from serve import __version__

REVISION_LABEL = "org.opencontainers.image.revision"
_VERSION_LABEL = "org.opencontainers.image.version"


@dataclass(frozen=True)
class Built:
    """An image.

    Attributes:
        tag: Its name.
        id: The engine's for it.
        bytes: How large it is by the engine's word.
        inventory: The file that lists what is in it (CycloneDX).
    """

    tag: str
    id: str
    bytes: int
    inventory: Path


def build_image(
    docker: Docker, checkout: Path, target: str, tag: str, revision: str | None, flags: Sequence[str]
) -> Built:
    """Builds the image of a target, and the list of what is in it in the checkout's folder `out`.

    Args:
        docker: What builds it.
        checkout: The folder with the Dockerfile.
        target: The stage of the Dockerfile; TARGET-sbom is the one that makes the list.
        tag: What the image is to be called.
        revision: The commit, for a copy without git's folder.
        flags: More of `docker build`'s.

    Raises:
        Gen3DError: `revision_unclear` or `build_failed`.
    """
    commit = read_revision(checkout, revision)
    labels = [f"{_VERSION_LABEL}={__version__}", *([f"{REVISION_LABEL}={commit}"] if commit else [])]
    labelled = [part for label in labels for part in ("--label", label)]
    made = docker.build_image(checkout, tag, *flags, "--target", target, *labelled)
    out = checkout / "out"
    docker.build(checkout, *flags, "--target", f"{target}-sbom", "--output", str(out))
    return Built(tag, made["Id"], made["Size"], out / f"image-{target}.cdx.json")
