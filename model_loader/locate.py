"""Finds the bundle of weights that an engine loads, and makes sure that it is whole. Loads nothing of it."""

from dataclasses import dataclass
from pathlib import Path

from model_loader.catalog import Segmenter, bundle_files, revisions
from model_loader.layout import DINOV2_COPIES, PARTS, checkpoint_path, repacked_path
from model_loader.manifest import MANIFEST, WeightsManifest, read_manifest
from model_loader.verify import check_bundle, making_command, remedy
from serve.errors import Gen3DError


@dataclass(frozen=True)
class Bundle:
    """A bundle that is whole, and of the revision that this Gen3D is made for.

    Attributes:
        folder: Where it lies.
        manifest: What is in it.
    """

    folder: Path
    manifest: WeightsManifest

    @property
    def segmenter(self) -> Segmenter:
        """Which segmenter is in it; its files lie in the folder of this name."""
        return self.manifest.segmenter

    @property
    def revision(self) -> str:
        """Which weights these are, in one line: `sam-3d-objects@2e73555 moge-vitl@ad326bf …`."""
        return _in_short(self.manifest.revisions)


def locate(folder: Path, *, check_hashes: bool = False) -> Bundle:
    """Find the bundle in a folder, before anything of it is loaded.

    Args:
        folder: Where it should lie.
        check_hashes: Whether to read every file and check its SHA-256; else sizes are looked at.

    Raises:
        Gen3DError: `weights_missing`, `weights_incomplete`, `weights_damaged`, `weights_unreadable` or
            `weights_other_revision`. Each says what is wrong, and which command makes it right.
    """
    manifest = read_manifest(folder)
    check_manifest(folder, manifest)
    check_bundle(folder, manifest, hashes=check_hashes)
    return Bundle(folder, manifest)


def check_manifest(folder: Path, manifest: WeightsManifest) -> None:
    """Raise where what a manifest lists is not what the engine loads.

    Args:
        folder: The bundle; its files are not looked at.
        manifest: What should be in it.

    Raises:
        Gen3DError: `weights_other_revision`, `weights_incomplete`, or `weights_damaged` where a repacked bundle's
            manifest does not say where each copy of DINOv2 is.
    """
    files = bundle_files(manifest.segmenter)
    if manifest.revisions != revisions(files):
        raise Gen3DError(
            "weights_other_revision",
            f"The weights in {str(folder)!r} are {_in_short(manifest.revisions)}, but this Gen3D is made for"
            f" {_in_short(revisions(files))}; those are made by: {making_command(folder, manifest)}",
        )
    copies = manifest.dinov2.copies if manifest.dinov2 else {}
    if manifest.form == "repacked" and copies.keys() != DINOV2_COPIES.keys():
        raise Gen3DError(
            "weights_damaged",
            f"The {MANIFEST} in {str(folder)!r} does not say which file holds each copy of DINOv2."
            f" {remedy(folder, manifest)}",
            files=[MANIFEST],
        )
    needed = {file.path for file in files}
    if manifest.form == "repacked":
        needed -= {checkpoint_path(name) for name in PARTS}
        needed |= {repacked_path(part) for parts in PARTS.values() for part in parts} | set(copies.values())
    if unlisted := sorted(needed - {file.path for file in manifest.files}):
        raise Gen3DError(
            "weights_incomplete",
            f"The {MANIFEST} in {str(folder)!r} does not list {', '.join(unlisted)}. {remedy(folder, manifest)}",
            files=unlisted,
        )


def _in_short(commits: dict[str, str]) -> str:
    return " ".join(f"{name.rpartition('/')[2]}@{commit[:7]}" for name, commit in commits.items())
