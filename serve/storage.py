"""Where photos come from and artefacts go: S3, folders, memory. Knows nothing of HTTP requests or meshes."""

import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol, Self
from urllib.parse import unquote

from serve.errors import Gen3DError
from serve.s3 import BUCKET_NAME, has_control_characters, is_in_s3, write_s3

_MAX_URI_CHARACTERS = 4096
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class Folder(Protocol):
    """A place that takes files under plain names."""

    @property
    def uri(self) -> str | None:
        """The folder's address, ending with `/`; None where nothing outside the process can reach it."""
        ...

    def put(self, name: str, data: bytes, media_type: str) -> str | None:
        """Write one file, whole or not at all; a file of that name is replaced.

        Args:
            name: A plain name such as `object-0.glb`: letters, digits, `.`, `_` and `-`, no leading dot.
            data: What the file is to hold.
            media_type: Its media type, such as `model/gltf-binary`.

        Returns:
            The file's address; None where the folder has none.

        Raises:
            ValueError: The name is not a plain name (a defect of the caller).
            Gen3DError: `output_not_writable`, `output_not_allowed` or `storage_unreachable`.
        """
        ...


class JobFolder(Folder, Protocol):
    """A place where others, too, leave files."""

    def holds(self, name: str) -> bool:
        """Whether a file of this plain name is there. What cannot be looked at is not, and that is logged."""
        ...


@dataclass(frozen=True)
class JobFolders:
    """Where a job's files go: the results to `output`, and `progress.json` to `job`."""

    output: Folder
    job: JobFolder


@dataclass
class MemoryFolder:
    """Keeps the files in the process, for a request that names no `output_uri`."""

    uri: ClassVar[None] = None
    files: dict[str, bytes] = field(default_factory=dict)

    def put(self, name: str, data: bytes, media_type: str) -> None:  # noqa: ARG002 (the interface's)
        """Keep one file; see `Folder.put`."""
        _check_name(name)
        self.files[name] = data


class LocalFolder:
    """A folder on this machine, made when the first file is written.

    Symbolic links on the way are followed once, here. Afterwards every folder below `within` is opened one by
    one without following links, so that a link made later cannot lead a file out of it.

    Args:
        path: The folder.
        within: A folder, link or not, that must hold it. Absent where the path was not chosen by a request.

    Raises:
        Gen3DError: `output_not_allowed`, where links lead out of `within`.
    """

    def __init__(self, path: Path, within: Path | None = None) -> None:
        real = Path(os.path.realpath(path))
        self._root = real if within is None else Path(os.path.realpath(within))
        if not real.is_relative_to(self._root):
            raise Gen3DError(
                "output_not_allowed",
                f"'{path}' leads through a symbolic link out of '{within}'; choose a folder inside.",
            )
        self._segments = real.relative_to(self._root).parts
        self._path = real if ".." in path.parts else path.absolute()
        uri = self._path.as_uri()
        self.uri = uri if uri.endswith("/") else uri + "/"

    def put(self, name: str, data: bytes, media_type: str) -> str:  # noqa: ARG002 (the interface's)
        """Write one file under a temporary name, then rename it; see `Folder.put`."""
        _check_name(name)
        partial = f".{name}.{secrets.token_hex(4)}.part"
        try:
            with self._opened() as folder:
                try:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                    with os.fdopen(os.open(partial, flags, 0o666, dir_fd=folder), "wb") as file:
                        file.write(data)
                    os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
                finally:
                    with suppress(FileNotFoundError):
                        os.unlink(partial, dir_fd=folder)
        except OSError as error:
            raise Gen3DError(
                "output_not_writable", f"'{self._path / name}' could not be written: {error.strerror}."
            ) from error
        return self.uri + name

    def holds(self, name: str) -> bool:
        """See `JobFolder.holds`."""
        _check_name(name)
        return (self._path / name).is_file()

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The folder's descriptor; folders that are missing are made."""
        self._root.mkdir(parents=True, exist_ok=True)
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for segment in self._segments:
                inner = self._step(folder, segment)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def _step(self, folder: int, segment: str) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        try:
            return os.open(segment, flags, dir_fd=folder)
        except FileNotFoundError:
            with suppress(FileExistsError):  # another thread may have just made it
                os.mkdir(segment, dir_fd=folder)
            return os.open(segment, flags, dir_fd=folder)
        except OSError:
            if stat.S_ISLNK(os.lstat(segment, dir_fd=folder).st_mode):
                raise Gen3DError(
                    "output_not_allowed",
                    f"'{segment}' in '{self._path}' became a symbolic link after the job began; remove it.",
                ) from None
            raise


@dataclass(frozen=True)
class S3Folder:
    """The keys below `prefix` (empty, or ending with `/`) in a bucket."""

    bucket: str
    prefix: str

    @property
    def uri(self) -> str:
        """The folder's address; the key in it is literal, not percent-encoded, as in the AWS command line."""
        return f"s3://{self.bucket}/{self.prefix}"

    def put(self, name: str, data: bytes, media_type: str) -> str:
        """Write one object; see `Folder.put`."""
        _check_name(name)
        uri = self.uri + name
        # JSON is rewritten while people watch it.
        caching = "no-store" if media_type == "application/json" else "private"
        write_s3(self.bucket, self.prefix + name, data, media_type=media_type, caching=caching)
        return uri

    def holds(self, name: str) -> bool:
        """One request; see `JobFolder.holds`."""
        _check_name(name)
        return is_in_s3(self.bucket, self.prefix + name)


def open_output(output_uri: str, allowed_prefixes: Sequence[str]) -> JobFolders:
    """Open the folders of a job whose request names an `output_uri`.

    The job's own folder is the one above where the last folder of `output_uri` is called `output`, else the
    same. Both must lie inside one of the allowed folders. In `s3://` addresses the key is literal; in `file://`
    addresses percent-encoding is undone once.

    Args:
        output_uri: `s3://bucket/…/` or `file:///…/`; a missing last slash is added.
        allowed_prefixes: The setting `output_prefixes`.

    Raises:
        Gen3DError: `output_uri_invalid` or `output_not_allowed`.
    """
    try:
        output = _Location.parse(output_uri)
    except ValueError as error:
        raise Gen3DError(
            "output_uri_invalid",
            f"output_uri {error}. Give a folder such as s3://bucket/folder/ or file:///folder/.",
        ) from None
    job = output.above() if output.segments[-1:] == ("output",) else output
    if not allowed_prefixes:
        raise Gen3DError(
            "output_not_allowed",
            "This server may write nowhere, as GEN3D_OUTPUT_PREFIXES is empty: leave output_uri out, or have"
            " the operator name folders there.",
        )
    which = "is not" if job == output else "and the folder above it are not both"
    refusal = Gen3DError(
        "output_not_allowed",
        f"output_uri '{output_uri}' {which} inside a folder of GEN3D_OUTPUT_PREFIXES: {', '.join(allowed_prefixes)}.",
    )
    for root in _parse_prefixes(allowed_prefixes):
        if root.holds(job):
            try:
                return JobFolders(output=output.open(root), job=job.open(root))
            except Gen3DError as error:
                refusal = error
    raise refusal


@dataclass(frozen=True)
class _Location:
    """An address taken apart: `bucket` is empty for a file, `segments` are the folders' names."""

    scheme: Literal["s3", "file"]
    bucket: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Take a folder's address apart; a ValueError says what is wrong, to be read after "output_uri"."""
        if len(uri) > _MAX_URI_CHARACTERS:
            raise ValueError(f"has {len(uri)} characters, at most {_MAX_URI_CHARACTERS} are read")
        if has_control_characters(uri):
            raise ValueError(f"{uri!r} has control characters")
        scheme, _, rest = uri.partition("://")
        authority, slash, path = rest.partition("/")
        if scheme not in ("s3", "file"):
            raise ValueError(f"'{uri}' does not start with s3:// or file:///")
        if "?" in rest or "#" in rest:
            raise ValueError(f"'{uri}' has a query or a fragment")
        if scheme == "file" and (authority or not slash):
            raise ValueError(f"'{uri}' does not start with file:/// (a path on this machine, no host)")
        if scheme == "s3" and not BUCKET_NAME.fullmatch(authority):
            raise ValueError(f"'{uri}' has no valid bucket name (3 to 63 of a-z, 0-9, '.' and '-') after s3://")
        written = path.split("/")
        if not written[-1]:
            written.pop()
        try:
            decoded = [unquote(segment, errors="strict") for segment in written]
        except UnicodeDecodeError:
            raise ValueError(f"'{uri}' is percent-encoded, but not from UTF-8") from None
        for name in decoded:
            if name in ("", ".", "..") or "/" in name or "\\" in name or has_control_characters(name):
                raise ValueError(f"'{uri}' has {name!r} for a folder's name")
        if scheme == "s3":
            return cls("s3", authority, tuple(written))
        return cls("file", "", tuple(decoded))

    def above(self) -> Self:
        return type(self)(self.scheme, self.bucket, self.segments[:-1])

    def holds(self, other: Self) -> bool:
        """Whether `other` is this folder or lies below it, by name alone."""
        same_place = (self.scheme, self.bucket) == (other.scheme, other.bucket)
        return same_place and other.segments[: len(self.segments)] == self.segments

    def path(self) -> Path:
        return Path("/", *self.segments)

    def open(self, root: Self) -> LocalFolder | S3Folder:
        """The folder itself; a local one is held to `root` whatever links there are."""
        if self.scheme == "file":
            return LocalFolder(self.path(), within=root.path())
        return S3Folder(self.bucket, "".join(f"{segment}/" for segment in self.segments))


def _parse_prefixes(prefixes: Sequence[str]) -> list[_Location]:
    try:
        return [_Location.parse(prefix) for prefix in prefixes]
    except ValueError as error:
        raise Gen3DError(
            "output_not_allowed", f"The operator must correct GEN3D_OUTPUT_PREFIXES: the prefix {error}."
        ) from None


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain file name")
