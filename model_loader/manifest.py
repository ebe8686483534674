"""`manifest.json`, the one truth about which files a bundle of weights has. Knows nothing of where they come from."""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from model_loader.catalog import Segmenter
from model_loader.commands import fetch_command
from serve.errors import Gen3DError

MANIFEST = "manifest.json"
CHUNK_BYTES = 2**20

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _inside(path: str) -> str:
    """Holds a path of a bundle to below its folder, in one spelling."""
    if PurePosixPath(path).as_posix() != path or path.startswith("/") or re.search(r"(^|/)\.\.(/|$)|[\\\0]|^\.$", path):
        raise ValueError("must lead from the bundle's folder to a file in it, with parts joined by /")
    if path == MANIFEST:
        raise ValueError("must not be the manifest itself")
    return path


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BundleFile(_Closed):
    """One file of a bundle."""

    path: Annotated[str, AfterValidator(_inside)] = Field(description="From the bundle's folder, parts joined by /.")
    bytes: int = Field(ge=0, description="Its size.")
    sha256: _Sha256 = Field(description="Of its content, hexadecimal.")
    repository: str = Field(description="The repository it was made from, such as `facebook/sam-3d-objects`.")
    dtype: str | None = Field(None, description="Of its tensors, where it was repacked: `float16`, `float32`, `mixed`.")


class DinoCopies(_Closed):
    """What repacking found out about the four copies of DINOv2 in the generators' checkpoints."""

    equal: bool = Field(description="Whether all four hold the same weights, to the bit.")
    copies: dict[str, str] = Field(description="The file that holds each: `ss/image` is in `sam-3d-objects/…`.")


class WeightsManifest(_Closed):
    """What `manifest.json` holds."""

    schema_version: Literal[1] = 1
    form: Literal["published", "repacked"] = Field(description="As published, or after `gen3d weights repack`.")
    segmenter: Segmenter = Field(description="Which segmenter's files are in it, in the folder of this name.")
    revisions: dict[str, str] = Field(description="The commit of each repository.")
    files: tuple[BundleFile, ...] = Field(min_length=1)
    dinov2: DinoCopies | None = Field(None, description="Only after `gen3d weights repack`.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        paths = {file.path for file in self.files}
        if len(paths) < len(self.files):
            raise ValueError("a file is listed twice")
        if missing := {file.repository for file in self.files} - set(self.revisions):
            raise ValueError(f"no revision is given for {', '.join(sorted(missing))}")
        return self


def read_manifest(folder: Path) -> WeightsManifest:
    """Read a bundle's manifest.

    Args:
        folder: The bundle.

    Raises:
        Gen3DError: `weights_missing` where there is no folder or no manifest, `weights_unreadable` where it may not
            be read, `weights_damaged` where it is no manifest.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unread(folder, error) from None
    try:
        return WeightsManifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise Gen3DError(
            "weights_damaged",
            f"{str(path)!r} is not a manifest of this version of Gen3D ({where}: {first['msg']});"
            " gen3d weights fetch --to DIR brings the weights, into another folder.",
        ) from None


def _unread(folder: Path, error: OSError) -> Gen3DError:
    """Why there is no manifest to read, and what makes one."""
    name, fetch = repr(str(folder)), fetch_command(folder)
    try:
        if not folder.exists():
            return Gen3DError("weights_missing", f"There is no folder {name} with weights; {fetch} makes it.")
        if not folder.is_dir():
            return Gen3DError(
                "weights_missing",
                f"{name} is not a folder, as weights are; gen3d weights fetch --to DIR makes one elsewhere.",
            )
        if not any(folder.iterdir()):
            return Gen3DError("weights_missing", f"The folder {name} is empty; {fetch} fills it with the weights.")
    except OSError as deeper:
        error = deeper
    if isinstance(error, FileNotFoundError):
        return Gen3DError(
            "weights_missing",
            f"{name} holds no {MANIFEST}: these are no weights of Gen3D, or their fetching is not finished;"
            f" {fetch} finishes it.",
        )
    return Gen3DError(
        "weights_unreadable",
        f"{str(error.filename or folder)!r} cannot be read ({error.strerror}): check its permissions.",
    )


def write_manifest(folder: Path, manifest: WeightsManifest) -> None:
    """Write a bundle's manifest, whole or not at all; one that is there is replaced.

    Raises:
        OSError: The folder cannot be written.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{MANIFEST}.", dir=folder)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(manifest.model_dump_json(indent=2, exclude_none=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp leaves it to its owner alone, but the container may run as somebody else
        temporary.replace(folder / MANIFEST)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def file_sha256(path: Path, advance: Callable[[int], object] | None = None) -> str:
    """The SHA-256 of a file, hexadecimal, read in chunks.

    Args:
        path: The file.
        advance: Called with the number of bytes read, chunk by chunk.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            if advance is not None:
                advance(len(chunk))
    return digest.hexdigest()
