"""A bundle as published → one that loads faster: each tensor once, in the dtype it is computed with, as safetensors.

It knows nothing of what the tensors mean.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from model_loader.checkpoints import Chosen, choose_tensors
from model_loader.disk import NO_ROOM, check_room
from model_loader.layout import DINOV2_COPIES, PARTS, checkpoint_path, repacked_path
from model_loader.locate import Bundle, check_manifest, locate
from model_loader.lock import locked
from model_loader.manifest import (
    MANIFEST,
    BundleFile,
    DinoCopies,
    WeightsManifest,
    file_sha256,
    read_manifest,
    write_manifest,
)
from model_loader.verify import find_problems
from serve.errors import Gen3DError

# In the target: everything is written there before anything takes its place.
_WORK: Final = ".repacking"

# The tensors of each file to write, by the name of its part or copy in `model_loader.layout`.
_Plan = Mapping[str, Mapping[str, Chosen]]


def repack_bundle(source: Path, target: Path, tell: Callable[[str], None]) -> WeightsManifest:
    """Turn a bundle as published into a repacked one, spread over files as `model_loader.layout` says.

    All is written to a folder within the target first, then takes its place there, the manifest last. What an
    interrupted run wrote is not used again: the next one begins anew. What is not repacked (YAML files, MoGe, the
    segmenter) is hard-linked where the file system allows it, else copied. No more than one file's tensors are in
    memory.

    Args:
        source: The published bundle. Its sizes are checked here, its hashes by `gen3d weights verify`.
        target: The folder for the repacked one; made where it is missing. One that was repacked from this very source
            and is whole is left as it is; where it is damaged or lacks a file, it is made anew.
        tell: Is told, line by line, what was done.

    Returns:
        The repacked bundle's manifest.

    Raises:
        Gen3DError: What `locate` raises for the source; `weights_repacked` where it is repacked already;
            `weights_damaged` or `weights_unreadable` for a checkpoint; `weights_not_writable` or `disk_full`.
    """
    bundle = locate(source)
    if bundle.manifest.form == "repacked":
        raise Gen3DError(
            "weights_repacked",
            f"{str(source)!r} is repacked already: use it as it is, or name the published weights, which"
            " gen3d weights fetch --to DIR brings.",
        )
    with _errors_of_the_disk(target):
        if made := _made_before(bundle, target):
            tell(f"{str(target)!r} is this bundle, repacked and whole: nothing to do.")
            return made
        plan = _plan(bundle, tell)
        target.mkdir(parents=True, exist_ok=True)
        with locked(target):
            work = target / _WORK
            _remove(work)
            work.mkdir()
            try:
                _check_room(bundle, plan, work)
                manifest = _write(bundle, plan, work, tell)
                _move(manifest, work, target)
            finally:
                _remove(work)
    return manifest


@contextmanager
def _errors_of_the_disk(target: Path) -> Iterator[None]:
    """Raises what the disk refuses as a Gen3DError."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        found = re.search(r"os error (\d+)", str(error))  # where safetensors says it
        number = error.errno if isinstance(error, OSError) else int(found[1]) if found else None
        reason = os.strerror(number) if number else str(error)
        if isinstance(error, OSError) and error.filename:
            reason += f": {str(error.filename)!r}"
        if number in NO_ROOM:
            raise Gen3DError(
                "disk_full", f"There is no room for the repacked weights in {str(target)!r} ({reason}): make some."
            ) from None
        raise Gen3DError(
            "weights_not_writable",
            f"The repacked weights cannot be written to {str(target)!r} ({reason}): choose another folder with --to.",
        ) from None


def _made_before(bundle: Bundle, target: Path) -> WeightsManifest | None:
    """The target's manifest, where it is what would be made now, and whole. None where the target may be written.

    Raises:
        Gen3DError: `weights_not_writable`, where it holds something else.
    """
    if not target.exists():
        return None
    if not target.is_dir():
        raise _taken(target, "is not a folder")
    if target.samefile(bundle.folder):
        raise _taken(target, "holds the published weights")
    paths = {path.relative_to(target) for path in target.rglob("*") if not path.is_dir()}
    names = {path.as_posix() for path in paths if path.parts[0] != _WORK}
    if MANIFEST in names:
        manifest = _manifest_of(target)
        if manifest is None or not _is_made_of(bundle, manifest):
            raise _taken(target, "holds another bundle")
        return manifest if _is_whole(target, manifest) else None
    # A run that was killed as the files took their places has left some of them.
    if others := names - _possible_files(bundle):
        raise _taken(target, f"holds other files, such as {min(others)}")
    return None


def _manifest_of(target: Path) -> WeightsManifest | None:
    with suppress(Gen3DError):
        return read_manifest(target)
    return None


def _is_made_of(bundle: Bundle, manifest: WeightsManifest) -> bool:
    source = bundle.manifest
    same = manifest.segmenter == source.segmenter and manifest.revisions == source.revisions
    return manifest.form == "repacked" and same


def _is_whole(target: Path, manifest: WeightsManifest) -> bool:
    with suppress(Gen3DError):
        check_manifest(target, manifest)
        return not find_problems(target, manifest, hashes=True)
    return False


def _taken(target: Path, why: str) -> Gen3DError:
    return Gen3DError("weights_not_writable", f"{str(target)!r} {why}: name an empty folder, or a new one, with --to.")


def _possible_files(bundle: Bundle) -> set[str]:
    names = [part for parts in PARTS.values() for part in parts]
    names += [f"dinov2-{index}" for index in range(len(DINOV2_COPIES))]
    return {repacked_path(name) for name in names} | {file.path for file in _kept(bundle)}


def _kept(bundle: Bundle) -> list[BundleFile]:
    """The files that stay as they are."""
    checkpoints = {checkpoint_path(name) for name in PARTS}
    return [file for file in bundle.manifest.files if file.path not in checkpoints]


def _plan(bundle: Bundle, tell: Callable[[str], None]) -> _Plan:
    plan: dict[str, Mapping[str, Chosen]] = {}
    for name in PARTS:
        chosen, outside = choose_tensors(bundle.folder, name)
        plan |= chosen
        if outside:
            tell(f"{checkpoint_path(name)}: {outside} tensors outside the networks that are used are left out.")
    return plan


def _check_room(bundle: Bundle, plan: _Plan, work: Path) -> None:
    """Raise where the weights cannot fit even if the copies of DINOv2 are equal: one is kept, one compared with it."""
    sizes = {name: sum(x.tensor.numel() * x.dtype.itemsize for x in tensors.values()) for name, tensors in plan.items()}
    copies = sorted(sizes.pop(copy) for copy in DINOV2_COPIES)
    device = work.stat().st_dev
    copied = [file.bytes for file in _kept(bundle) if (bundle.folder / file.path).stat().st_dev != device]
    needed = sum(sizes.values()) + sum(copies[-2:]) + sum(copied)
    check_room(work.parent, needed, "The repacked weights")


def _write(bundle: Bundle, plan: _Plan, work: Path, tell: Callable[[str], None]) -> WeightsManifest:
    """Write every file but the manifest, which is returned."""
    published = {file.path: file for file in bundle.manifest.files}
    files: list[BundleFile] = []

    def write(name: str, path: str, checkpoint: str) -> BundleFile:
        return _write_tensors(plan[name], work, path, published[checkpoint_path(checkpoint)].repository)

    for checkpoint, parts in PARTS.items():
        for part in parts:
            files.append(write(part, repacked_path(part), checkpoint))
            tell(_line(files[-1]))
    # The same tensors under the same names make the same file, so the hashes of the files tell which copies are equal.
    backbones: dict[str, BundleFile] = {}
    copies: dict[str, str] = {}
    for copy, (checkpoint, _) in DINOV2_COPIES.items():
        file = write(copy, repacked_path(f"dinov2-{len(backbones)}"), checkpoint)
        if file.sha256 in backbones:
            (work / file.path).unlink()
        else:
            tell(_line(file))
        copies[copy] = backbones.setdefault(file.sha256, file).path
    tell(_finding(copies))
    kept = _kept(bundle)
    for file in kept:
        _link(bundle.folder / file.path, work / file.path)
    return WeightsManifest(
        form="repacked",
        segmenter=bundle.manifest.segmenter,
        revisions=bundle.manifest.revisions,
        files=(*files, *backbones.values(), *kept),
        dinov2=DinoCopies(equal=len(backbones) == 1, copies=copies),
    )


def _line(file: BundleFile) -> str:
    return f"{file.path}: {file.bytes / 1e6:.0f} MB, {file.dtype}"


def _finding(copies: Mapping[str, str]) -> str:
    """What was found out about the copies of DINOv2, for people."""
    by_file: dict[str, list[str]] = {}
    for copy, path in copies.items():
        by_file.setdefault(path, []).append(copy)
    if len(by_file) == 1:
        return f"The {len(copies)} copies of DINOv2 are equal, to the bit: stored once."
    groups = "; ".join(" = ".join(group) for group in by_file.values())
    return f"The {len(copies)} copies of DINOv2 are not all equal: {len(by_file)} are stored ({groups})."


def _write_tensors(tensors: Mapping[str, Chosen], work: Path, name: str, repository: str) -> BundleFile:
    path = work / name
    path.parent.mkdir(exist_ok=True)
    save_file(_converted(tensors), path)
    path.chmod(0o644)  # safetensors leaves it to its owner alone, but the container may run as somebody else
    _settle(path)
    dtypes = {str(chosen.dtype).removeprefix("torch.") for chosen in tensors.values()}
    return BundleFile(
        path=name,
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
        repository=repository,
        dtype=dtypes.pop() if len(dtypes) == 1 else "mixed",
    )


def _converted(tensors: Mapping[str, Chosen]) -> dict[str, torch.Tensor]:
    """Each in its dtype, and, as safetensors wants them, none in another one's memory."""
    found: dict[str, torch.Tensor] = {}
    storages: set[int] = set()
    for name, (tensor, dtype) in tensors.items():
        own = tensor.to(dtype).contiguous()
        if own.untyped_storage().data_ptr() in storages:
            own = own.clone()
        storages.add(own.untyped_storage().data_ptr())
        found[name] = own
    return found


def _link(file: Path, path: Path) -> None:
    """Gives the file a second name, or, on another file system or one without hard links, a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file.resolve(), path)
    except OSError:
        shutil.copyfile(file, path)
        _settle(path)


def _settle(path: Path) -> None:
    """Puts it onto the disk for good."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _move(manifest: WeightsManifest, work: Path, target: Path) -> None:
    """Gives every file its place; without a manifest the target is no bundle until all are there."""
    (target / MANIFEST).unlink(missing_ok=True)
    for file in manifest.files:
        place = target / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        (work / file.path).replace(place)
    write_manifest(target, manifest)


def _remove(work: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(work)
