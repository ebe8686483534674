"""The commands that messages tell people to run, fit to be pasted into a shell. Knows nothing of what they do."""

import shlex
from pathlib import Path

from model_loader.catalog import Segmenter


def fetch_command(folder: Path, segmenter: Segmenter = "sam2") -> str:
    """Fetches the published weights into this folder."""
    return f"gen3d weights fetch --to {_argument(folder)}" + (
        "" if segmenter == "sam2" else f" --segmenter {segmenter}"
    )


def repack_command(folder: Path) -> str:
    """Repacks published weights, wherever they lie, into this folder."""
    return f"gen3d weights repack PUBLISHED --to {_argument(folder)}"


def _argument(folder: Path) -> str:
    """The folder as shells read it; a name that would not stay on one line is left to the reader."""
    return shlex.quote(str(folder)) if str(folder).isprintable() else "DIR"
