"""A file on its way: what is wanted, what of it has arrived, and whether that is right. Knows nothing of the hub."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model_loader.catalog import CatalogFile
from model_loader.manifest import CHUNK_BYTES


@dataclass(frozen=True)
class Wanted:
    """A file to fetch, with all that is known of it: the catalog's word where it has one, else the hub's."""

    file: CatalogFile
    bytes: int
    sha256: str | None
    git_sha1: str | None


class Arriving:
    """A partial file, and the hashes of what it holds."""

    def __init__(self, path: Path, want: Wanted) -> None:
        self._want = want
        self._path = path
        # What has another name too (a repacked bundle's hard link, a cache's symbolic one) is taken whole or not at
        # all, for it must not change under that name.
        has_other_names = path.is_symlink() or (path.exists() and path.stat().st_nlink > 1)
        if has_other_names and not (path.exists() and path.stat().st_size >= want.bytes):
            path.unlink()
        self._file = path.open("ab", buffering=0)
        self._begin_hashes()

    def _begin_hashes(self) -> None:
        self.bytes = 0
        self._sha256 = hashlib.sha256()
        self._sha1 = hashlib.sha1(f"blob {self._want.bytes}\0".encode(), usedforsecurity=False)

    def _hash(self, data: bytes) -> None:
        self.bytes += len(data)
        self._sha256.update(data)
        if self._want.git_sha1:
            self._sha1.update(data)

    def read_what_is_there(self) -> Iterator[None]:
        """Hashes what an earlier run left, in steps."""
        with self._path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK_BYTES):
                self._hash(chunk)
                yield

    def append(self, data: bytes) -> None:
        """Writes behind what is there."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]
        self._hash(data)

    def begin_anew(self) -> None:
        """Forgets what is there. The next bytes go into a new file: this one may have other names."""
        self._file.close()
        self._path.unlink()
        self._file = self._path.open("xb", buffering=0)
        self._begin_hashes()

    @property
    def sha256(self) -> str:
        """Of what is there, hexadecimal."""
        return self._sha256.hexdigest()

    @property
    def is_right(self) -> bool:
        """Whether it is the file that is wanted, whole."""
        return (
            self.bytes == self._want.bytes
            and self._want.sha256 in (None, self.sha256)
            and self._want.git_sha1 in (None, self._sha1.hexdigest())
        )

    def settle(self) -> None:
        """Puts it onto the disk for good."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Leaves it as it is."""
        self._file.close()
