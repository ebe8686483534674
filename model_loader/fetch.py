"""Published weights → a bundle on disk: resumed, verified, renamed. Knows the hub only as a source of bytes."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from model_loader.arriving import Arriving, Wanted
from model_loader.catalog import CatalogFile, Segmenter, revisions
from model_loader.disk import NO_ROOM, check_room
from model_loader.hub import Description, Hub, TryAgain
from model_loader.lock import locked
from model_loader.manifest import MANIFEST, BundleFile, WeightsManifest, read_manifest, write_manifest
from model_loader.parallel import Stopped, in_parallel
from model_loader.progress import Unwatched, Watcher
from serve.errors import Gen3DError

PARTIAL = ".partial"
_GO_ON = "What has arrived stays; the same command goes on from there."
# In a row, without a byte in between.
_MAX_FAILURES = 6
_MAX_PAUSE_S = 300.0


def fetch(
    files: tuple[CatalogFile, ...],
    segmenter: Segmenter,
    folder: Path,
    hub: Hub,
    watcher: Watcher | None = None,
    *,
    workers: int = 4,
    wait: Callable[[threading.Event, float], object] = threading.Event.wait,
) -> bool:
    """Make the folder a bundle of these files, and write its manifest last.

    A file is written beside its place, with `.partial` appended, and takes its place once its size and hash are right.
    What an earlier run left is used: whole files after hashing them, parts by asking for the rest. Files that have
    another name too, by a hard or symbolic link, are used where they are right, and never written to. After Ctrl-C a
    thread that the hub keeps waiting may outlive this, but writes no more.

    Args:
        files: What to fetch.
        segmenter: Which segmenter is among them.
        folder: The bundle; made where it is missing.
        hub: Where from.
        watcher: Is told of the progress by file.
        workers: How many files at once.
        wait: Waits so many seconds before a retry, or until the event is set.

    Returns:
        Whether there was anything to do.

    Raises:
        Gen3DError: `hub_access_refused`, `hub_not_found`, `hub_unreachable`, `hub_wrong_content`, `disk_full` or
            `weights_not_writable`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            return _fetch(files, segmenter, folder, _Fetching(hub, folder, watcher or Unwatched(), workers, wait))
    except OSError as error:
        raise _disk_error(folder, error) from None


def _fetch(files: tuple[CatalogFile, ...], segmenter: Segmenter, folder: Path, fetching: "_Fetching") -> bool:
    before = _manifest_there(folder)
    known: dict[str, BundleFile] = {}
    if before:
        same = before.revisions.items() & revisions(files).items()
        known = {
            file.path: file
            for file in before.files
            if (file.repository, before.revisions[file.repository]) in same and _is_as_listed(folder, file)
        }
    missing = [file for file in files if not _is_wanted(file, known.get(file.path))]
    if before and before.segmenter == segmenter and not missing and len(files) == len(before.files):
        return False
    _check_places(folder, missing)
    wanted = fetching.describe(missing)
    check_room(folder, sum(_bytes_left(folder, want) for want in wanted), "The weights")
    # From here on the folder is no bundle until all is there.
    (folder / MANIFEST).unlink(missing_ok=True)
    known.update({file.path: file for file in fetching.fetch(wanted)})
    listed = tuple(known[file.path] for file in files)
    write_manifest(
        folder, WeightsManifest(form="published", segmenter=segmenter, revisions=revisions(files), files=listed)
    )
    return True


def _manifest_there(folder: Path) -> WeightsManifest | None:
    """The manifest of an earlier run, if it left one."""
    try:
        manifest = read_manifest(folder)
    except Gen3DError as error:
        if error.code == "weights_missing":
            return None
        if error.code == "weights_damaged":  # a job's, perhaps, or a later Gen3D's
            raise Gen3DError(
                "weights_not_writable",
                f"{str(folder / MANIFEST)!r} is no manifest of weights of this Gen3D: choose another folder with --to,"
                " or remove it first.",
            ) from None
        raise
    if manifest.form == "repacked":
        raise Gen3DError(
            "weights_not_writable",
            f"{str(folder)!r} holds a repacked bundle: fetch into another folder, or remove it first.",
        )
    return manifest


def _is_as_listed(folder: Path, file: BundleFile) -> bool:
    """Whether a file that was verified before is still there."""
    path = folder / file.path
    return path.is_file() and path.stat().st_size == file.bytes


def _is_wanted(file: CatalogFile, there: BundleFile | None) -> bool:
    return there is not None and file.bytes in (None, there.bytes) and file.sha256 in (None, there.sha256)


def _wanted(file: CatalogFile, said: Description) -> Wanted:
    """Raises Gen3DError where the hub and the catalog differ, before gigabytes are fetched for nothing."""
    for ours, theirs, what in ((file.bytes, said.bytes, "bytes"), (file.sha256, said.sha256, "the SHA-256")):
        if ours is not None and theirs not in (None, ours):
            raise Gen3DError(
                "hub_wrong_content",
                f"'{file.source}' of {file.repository.name} is another file on the hub than this Gen3D is made for:"
                f" {what} {theirs} instead of {ours}.",
            )
    size = said.bytes if file.bytes is None else file.bytes
    if size is None or (file.sha256 or said.sha256 or said.git_sha1) is None:
        raise Gen3DError(
            "hub_wrong_content",
            f"The hub does not say the size and hash of '{file.source}' of {file.repository.name}, so that it cannot be"
            " verified; is HF_ENDPOINT an address of the hub?",
        )
    return Wanted(file, size, file.sha256 or said.sha256, said.git_sha1)


def _check_places(folder: Path, files: Sequence[CatalogFile]) -> None:
    """Raise, before gigabytes are fetched, where a file could not take its place."""
    for file in files:
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        for path in (folder / file.path, _partial(folder, file)):
            if path.is_dir():
                raise Gen3DError(
                    "weights_not_writable",
                    f"{str(path)!r} is a folder, in the place of a file of the weights: remove it, or choose another"
                    " folder with --to.",
                )


def _bytes_left(folder: Path, want: Wanted) -> int:
    path, partial = folder / want.file.path, _partial(folder, want.file)
    if path.is_file() and path.stat().st_size == want.bytes:
        return 0
    return max(0, want.bytes - (partial.stat().st_size if partial.is_file() else 0))


def _partial(folder: Path, file: CatalogFile) -> Path:
    return folder / f"{file.path}{PARTIAL}"


def _disk_error(folder: Path, error: OSError) -> Gen3DError:
    path = str(error.filename or folder)
    if error.errno in NO_ROOM:
        return Gen3DError(
            "disk_full",
            f"There is no room for {path!r} ({error.strerror}): make some. {_GO_ON}",
        )
    return Gen3DError(
        "weights_not_writable",
        f"{path!r} cannot be written ({error.strerror}): choose another folder with --to.",
    )


class _Fetching:
    """One run of `fetch`."""

    def __init__(
        self,
        hub: Hub,
        folder: Path,
        watcher: Watcher,
        workers: int,
        wait: Callable[[threading.Event, float], object],
    ) -> None:
        self._hub = hub
        self._folder = folder
        self._watcher = watcher
        self._workers = workers
        self._wait = wait
        self._stop = threading.Event()

    def describe(self, files: Sequence[CatalogFile]) -> list[Wanted]:
        """What each file must be."""
        return in_parallel(
            files, lambda file: _wanted(file, self._describe(file)), workers=self._workers, stop=self._stop
        )

    def fetch(self, wanted: Sequence[Wanted]) -> list[BundleFile]:
        """Brings each file to its place."""
        self._watcher.plan({want.file.path: want.bytes for want in wanted})
        return in_parallel(wanted, self._fetch_one, workers=self._workers, stop=self._stop)

    def _describe(self, file: CatalogFile) -> Description:
        failures = 0
        while True:
            try:
                return self._hub.describe(file)
            except TryAgain as again:
                failures += 1
                self._pause(file, again, failures)

    def _pause(self, file: CatalogFile, again: TryAgain, failures: int) -> None:
        """Waits before the next attempt; after too many there is none."""
        if failures >= _MAX_FAILURES:
            raise Gen3DError(
                "hub_unreachable", f"'{file.source}' of {file.repository.name}: {again.reason}. {_GO_ON}"
            ) from None
        seconds = 2.0 ** (failures - 1) if again.after is None else again.after
        self._wait(self._stop, min(seconds, _MAX_PAUSE_S))
        self._check_stopped()

    def _check_stopped(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _fetch_one(self, want: Wanted) -> BundleFile:
        name = want.file.path
        path, partial = self._folder / name, _partial(self._folder, want.file)
        outcome = "fetched"
        if path.is_file() and path.stat().st_size == want.bytes and not partial.exists():
            path.rename(partial)  # to be hashed as any other, and to take its place again
            outcome = "already there"
        arriving = Arriving(partial, want)
        try:
            self._watcher.begin(name, want.bytes, 0)
            for _ in arriving.read_what_is_there():
                self._check_stopped()
            resumed = arriving.bytes > 0
            if arriving.bytes > want.bytes:
                arriving.begin_anew()
            self._watcher.begin(name, want.bytes, arriving.bytes)
            while True:
                if arriving.bytes < want.bytes:
                    outcome = "fetched"
                    self._receive(want, arriving)
                self._check_stopped()
                if arriving.is_right:
                    break
                arriving.begin_anew()
                if not resumed:
                    raise _wrong(want, "its content is not what its hash says")
                resumed = False  # what an earlier run left may be to blame: once more, all of it
                self._watcher.begin(name, want.bytes, 0)
            arriving.settle()
        finally:
            arriving.close()
        partial.replace(path)
        self._watcher.end(name, outcome)
        return BundleFile(path=name, bytes=want.bytes, sha256=arriving.sha256, repository=want.file.repository.name)

    def _receive(self, want: Wanted, arriving: Arriving) -> None:
        """Asks for what is missing until it is there."""
        failures = 0
        while arriving.bytes < want.bytes:
            before = arriving.bytes
            try:
                self._receive_some(want, arriving)
            except TryAgain as again:
                failures = 1 if arriving.bytes > before else failures + 1
                self._pause(want.file, again, failures)

    def _receive_some(self, want: Wanted, arriving: Arriving) -> None:
        with self._hub.download(want.file, arriving.bytes) as download:
            self._check_stopped()  # the hub may have kept it waiting for longer than anybody waited for it
            if download.size not in (None, want.bytes):
                raise _wrong(want, f"it has {download.size} bytes instead of {want.bytes}")
            if download.start < arriving.bytes:
                arriving.begin_anew()
                self._watcher.begin(want.file.path, want.bytes, 0)
            for chunk in download.chunks:
                self._check_stopped()
                if arriving.bytes + len(chunk) > want.bytes:
                    arriving.begin_anew()
                    raise _wrong(want, f"it has more than {want.bytes} bytes")
                arriving.append(chunk)
                self._watcher.advance(want.file.path, len(chunk))
        if arriving.bytes < want.bytes:
            raise TryAgain("the hub's storage ended the file early")


def _wrong(want: Wanted, why: str) -> Gen3DError:
    return Gen3DError(
        "hub_wrong_content",
        f"What the hub sends as '{want.file.source}' of {want.file.repository.name} is not that file: {why}."
        " Nothing of it was kept; try again later, and if it stays so, report it.",
    )
