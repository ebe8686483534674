"""The checkout that images are built from, and the commit it is at. Knows no Docker."""

import re
import shutil
import subprocess
from pathlib import Path

from serve.errors import Gen3DError

# Ends the revision of what differs from its commit.
DIRTY = "-dirty"
_COMMIT = re.compile(r"[0-9a-f]{40}")


def find_checkout() -> Path:
    """The folder of the checkout that this code is in.

    Raises:
        Gen3DError: `checkout_missing`.
    """
    folder = Path(__file__).resolve().parent.parent
    if not (folder / "Dockerfile").is_file():
        raise Gen3DError(
            "checkout_missing",
            "Images are built and pushed from a checkout of Gen3D, which has the Dockerfile: run the command there.",
        )
    return folder


def read_revision(checkout: Path, given: str | None) -> str | None:
    """The commit that a checkout is at.

    Args:
        checkout: Its folder.
        given: What the person says it is, for a copy without git's folder.

    Returns:
        40 hexadecimal digits; `-dirty` follows where the files are not those of the commit, new ones that git does not
        ignore included. None where git knows nothing of the folder and nothing was given.

    Raises:
        Gen3DError: `revision_unclear`.
    """
    if given is not None and not _COMMIT.fullmatch(given):
        raise Gen3DError("revision_unclear", f"A revision is the 40 hexadecimal digits of a commit, not {given!r}.")
    # A folder that merely lies in somebody else's repository is not at that one's commit.
    if not (checkout / ".git").exists():
        return given
    if shutil.which("git") is None:
        if given is None:
            raise Gen3DError("revision_unclear", "No git is here to say the commit: install it, or use --revision.")
        return given
    commit = _git(checkout, "rev-parse", "--verify", "HEAD")
    if given is not None and given != commit:
        raise Gen3DError("revision_unclear", f"The checkout is at {commit}, not at {given}: leave --revision out.")
    return commit + (DIRTY if _git(checkout, "status", "--porcelain") else "")


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise Gen3DError("revision_unclear", f"git cannot say which commit the checkout is at; it says: {said[0]}")
    return done.stdout.strip()
