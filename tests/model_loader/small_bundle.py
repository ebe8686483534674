"""Bundles of small files under the real names, and somebody who watches work on them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from model_loader.catalog import SAM3D, CatalogFile, Segmenter, bundle_files, revisions
from model_loader.layout import DINOV2_COPIES, PARTS, checkpoint_path, repacked_path
from model_loader.manifest import BundleFile, DinoCopies, WeightsManifest, read_manifest, write_manifest


class Watching:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.sizes: Mapping[str, int] = {}
        self.done: dict[str, int] = {}
        self.begun: list[tuple[str, int]] = []
        self.outcomes: dict[str, str] = {}

    def plan(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes

    def begin(self, path: str, size: int, done: int) -> None:
        assert size == self.sizes[path]
        self.begun.append((path, done))
        self.done[path] = done

    def advance(self, path: str, count: int) -> None:
        self.done[path] += count

    def end(self, path: str, outcome: str) -> None:
        self.outcomes[path] = outcome


def small_content(path: str, size: int = 5000) -> bytes:
    """Something to stand in a real file's place, that no other file has."""
    seed = path.encode() * 4
    return b"".join(hashlib.sha256(seed + bytes([n % 256])).digest() for n in range(size // 32))


def make_bundle(folder: Path, segmenter: Segmenter = "sam2") -> WeightsManifest:
    """A whole bundle, as published."""
    files = bundle_files(segmenter)
    listed = tuple(_make_file(folder, file.path, file.repository.name) for file in files)
    manifest = WeightsManifest(form="published", segmenter=segmenter, revisions=revisions(files), files=listed)
    write_manifest(folder, manifest)
    return manifest


def make_repacked_bundle(folder: Path) -> WeightsManifest:
    """A whole bundle with the files that repacking makes, its copies of DINOv2 being equal."""
    files = bundle_files("sam2")
    backbone = repacked_path("dinov2-0")
    made = [repacked_path(part) for parts in PARTS.values() for part in parts] + [backbone]
    kept = [file for file in files if file.path not in {checkpoint_path(name) for name in PARTS}]
    manifest = WeightsManifest(
        form="repacked",
        segmenter="sam2",
        revisions=revisions(files),
        files=(
            *(_make_file(folder, path, SAM3D.name) for path in made),
            *(_make_file(folder, file.path, file.repository.name) for file in kept),
        ),
        dinov2=DinoCopies(equal=True, copies=dict.fromkeys(DINOV2_COPIES, backbone)),
    )
    write_manifest(folder, manifest)
    return manifest


def put_content(folder: Path, path: str, content: bytes) -> None:
    """Makes this a file's content, in the manifest too."""
    (folder / path).write_bytes(content)
    manifest = read_manifest(folder)
    files = [file.model_dump() for file in manifest.files]
    for file in files:
        if file["path"] == path:
            file |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_manifest(folder, WeightsManifest.model_validate({**manifest.model_dump(), "files": files}))


def _make_file(folder: Path, path: str, repository: str) -> BundleFile:
    content = small_content(path)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)
    return BundleFile(path=path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), repository=repository)


def of(files: tuple[CatalogFile, ...], path: str) -> CatalogFile:
    """The one at this path."""
    (file,) = [file for file in files if file.path == path]
    return file
