"""Is a bundle on disk what its manifest says? Knows nothing of catalogs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model_loader.commands import fetch_command, repack_command
from model_loader.manifest import BundleFile, WeightsManifest, file_sha256
from model_loader.progress import Unwatched, Watcher
from serve.errors import Gen3DError


@dataclass(frozen=True)
class Problem:
    """What is wrong with one file of a bundle.

    Attributes:
        path: Which file.
        kind: What is wrong.
        detail: The same for people, in a few words.
    """

    path: str
    kind: Literal["missing", "damaged", "unreadable"]
    detail: str

    def __str__(self) -> str:
        return f"{self.path} ({self.detail})"


# The gravest first.
_CODES = {"unreadable": "weights_unreadable", "damaged": "weights_damaged", "missing": "weights_incomplete"}


def find_problems(
    folder: Path, manifest: WeightsManifest, *, hashes: bool, watcher: Watcher | None = None
) -> list[Problem]:
    """What is wrong with a bundle's files, in the manifest's order; nothing, where the list is empty.

    Args:
        folder: The bundle.
        manifest: What should be in it.
        hashes: Whether to read the files and check their SHA-256; else only their sizes are looked at.
        watcher: Is told of the progress by file, where hashes are checked.
    """
    watcher = watcher or Unwatched()
    watcher.plan({file.path: file.bytes for file in manifest.files})
    found = (_problem(folder, file, hashes, watcher) for file in manifest.files)
    return [problem for problem in found if problem is not None]


def _problem(folder: Path, file: BundleFile, hashes: bool, watcher: Watcher) -> Problem | None:
    path = folder / file.path
    watcher.begin(file.path, file.bytes, 0)
    problem = None
    try:
        size = path.stat().st_size
        if not path.is_file():
            problem = Problem(file.path, "damaged", "is not a file")
        elif size != file.bytes:
            problem = Problem(file.path, "damaged", f"has {size} bytes instead of {file.bytes}")
        elif hashes and file_sha256(path, lambda count: watcher.advance(file.path, count)) != file.sha256:
            problem = Problem(file.path, "damaged", "its SHA-256 is another")
    except (FileNotFoundError, NotADirectoryError):
        problem = Problem(file.path, "missing", "is missing")
    except OSError as error:
        problem = Problem(file.path, "unreadable", f"cannot be read: {error.strerror}")
    watcher.end(file.path, "right" if problem is None else problem.detail)
    return problem


def check_bundle(folder: Path, manifest: WeightsManifest, *, hashes: bool) -> None:
    """Raise what is wrong with a bundle's files, if anything is.

    Args:
        folder: The bundle.
        manifest: What should be in it.
        hashes: As for `find_problems`.

    Raises:
        Gen3DError: `weights_incomplete`, `weights_damaged` or `weights_unreadable`, for all files at once.
    """
    if problems := find_problems(folder, manifest, hashes=hashes):
        raise problems_error(folder, manifest, problems)


def problems_error(folder: Path, manifest: WeightsManifest, problems: list[Problem]) -> Gen3DError:
    """All that is wrong with a bundle's files as one error: see `check_bundle`."""
    kinds = {problem.kind for problem in problems}
    code = next(code for kind, code in _CODES.items() if kind in kinds)
    named = ", ".join(map(str, problems[:5])) + (f" and {len(problems) - 5} more" if len(problems) > 5 else "")
    return Gen3DError(
        code,
        f"Of the {len(manifest.files)} files of weights in {str(folder)!r}, {len(problems)}"
        f" {'is' if len(problems) == 1 else 'are'} not as they should be: {named}. {remedy(folder, manifest)}",
        files=[problem.path for problem in problems],
    )


def remedy(folder: Path, manifest: WeightsManifest) -> str:
    """What makes a bundle whole again."""
    if manifest.form == "repacked":
        return f"Repack the published weights into an empty folder: {making_command(folder, manifest)}"
    return f"Remove what is damaged; what is missing is fetched by: {making_command(folder, manifest)}"


def making_command(folder: Path, manifest: WeightsManifest) -> str:
    """The command that makes such a bundle in such a folder."""
    return repack_command(folder) if manifest.form == "repacked" else fetch_command(folder, manifest.segmenter)
