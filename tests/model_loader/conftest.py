"""A small hub of the tests' own, as the Hugging Face hub behaves, and small files in the place of the real ones."""

import dataclasses
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest

from model_loader.catalog import CatalogFile, bundle_files
from model_loader.fetch import fetch
from model_loader.hub import Hub
from serve.errors import Gen3DError
from tests.model_loader.small_bundle import Watching, make_bundle, small_content

GOOD_TOKEN = "hf_good"
STRANGERS_TOKEN = "hf_stranger"


@dataclass
class Trouble:
    """What one request meets instead of the right answer.

    Attributes:
        where: The hub itself, or its storage.
        status: Answered instead of 200 or 206, with `headers` and no body.
        headers: Of that answer.
        cut_after: The connection ends after so many bytes of the body, which was announced whole.
        content: Sent instead of the file's.
        hides_length: The body comes in chunks, with no length announced.
        ignores_range: All of the file is sent, whatever part was asked for.
        waits_for: The body stops after `cut_after` bytes until this is set; without those, no answer comes before.
        anonymous: The size and the hash are not told.
    """

    where: Literal["hub", "storage"]
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    content: bytes | None = None
    hides_length: bool = False
    ignores_range: bool = False
    waits_for: threading.Event | None = None
    anonymous: bool = False


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    where: Literal["hub", "storage"]
    method: str
    path: str
    source: str
    headers: dict[str, str]


@dataclass
class Published:
    """A file on the hub; a large one lies in the storage."""

    content: bytes
    is_large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def git_sha1(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()


class LocalHub:
    """The hub on one port, its storage on another.

    Attributes:
        address: Of the hub.
        files: What it has, by repository, revision and path.
        gated: The repositories that only `GOOD_TOKEN` opens.
        troubles: What the next requests for a path meet, in this order.
        seen: Every request so far.
    """

    def __init__(self) -> None:
        self.files: dict[tuple[str, str, str], Published] = {}
        self.gated: set[str] = set()
        self.troubles: dict[str, list[Trouble]] = {}
        self.seen: list[Seen] = []
        self.address = self.storage = ""
        self._lock = threading.Lock()

    def publish(self, file: CatalogFile, content: bytes, *, is_large: bool = True) -> CatalogFile:
        """Puts a file there, and gives back its entry for a catalog."""
        repository = file.repository
        published = Published(content, is_large)
        self.files[repository.name, repository.revision, file.source] = published
        if repository.gated:
            self.gated.add(repository.name)
        return dataclasses.replace(file, bytes=len(content), sha256=published.sha256)

    def befall(self, source: str, where: Literal["hub", "storage"], **what: Any) -> None:
        """Lets the next request for a path meet some `Trouble`, after what it meets already."""
        self.troubles.setdefault(source, []).append(Trouble(where, **what))

    def requests(self, source: str, where: str, method: str = "GET") -> list[Seen]:
        """Those for one path, so far."""
        return [seen for seen in self.seen if (seen.source, seen.where, seen.method) == (source, where, method)]

    def note(self, seen: Seen) -> Trouble | None:
        """Remembers a request; what it meets."""
        with self._lock:
            self.seen.append(seen)
            waiting = self.troubles.get(seen.source, [])
            if not waiting or waiting[0].where != seen.where:
                return None
            return waiting.pop(0)


class _Handler(BaseHTTPRequestHandler):
    hub: LocalHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"", trouble: Trouble | None = None) -> None:
        if trouble is not None and trouble.waits_for is not None and trouble.cut_after is None:
            trouble.waits_for.wait(60)
        self.send_response(status)
        hides_length = trouble is not None and trouble.hides_length
        length = {"Transfer-Encoding": "chunked"} if hides_length else {"Content-Length": str(len(body))}
        for name, value in {**length, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if hides_length:
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
            return
        if trouble is None or trouble.cut_after is None:
            self.wfile.write(body)
            return
        self.wfile.write(body[: trouble.cut_after])
        if trouble.waits_for is not None:
            trouble.waits_for.wait(60)
        self.close_connection = True

    def send_file(self, published: Published, headers: dict[str, str], trouble: Trouble | None) -> None:
        """The file, or the part of it that is asked for."""
        content = published.content
        if trouble is not None and trouble.content is not None:
            content = trouble.content
        wanted = self.headers.get("Range")
        if wanted is None or (trouble is not None and trouble.ignores_range):
            self.answer(200, {"Accept-Ranges": "bytes", **headers}, content, trouble)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            self.answer(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}", **headers}
        self.answer(206, headers, content[start:], trouble)


class _HubHandler(_Handler):
    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.removeprefix("/api/resolve-cache").lstrip("/")
        repository, _, rest = path.partition("/resolve/")
        revision, _, source = rest.partition("/")
        trouble = self.hub.note(Seen("hub", self.command, self.path, source, dict(self.headers)))
        if trouble is not None and trouble.status is not None:
            self.answer(trouble.status, trouble.headers)
            return
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in ("", GOOD_TOKEN, STRANGERS_TOKEN):
            self.answer(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif repository in self.hub.gated and token != GOOD_TOKEN:
            self.answer(403 if token else 401, {"X-Error-Code": "GatedRepo"})
        elif not any(known[:2] == (repository, revision) for known in self.hub.files):
            self.answer(404, {"X-Error-Code": "RevisionNotFound"})
        elif (repository, revision, source) not in self.hub.files:
            self.answer(404, {"X-Error-Code": "EntryNotFound"})
        else:
            self.send(self.hub.files[repository, revision, source], revision, trouble)

    def send(self, published: Published, revision: str, trouble: Trouble | None) -> None:
        if not published.is_large:
            if not self.path.startswith("/api/"):
                self.answer(307, {"Location": f"/api/resolve-cache{self.path}"})
                return
            told = {"X-Repo-Commit": revision, "ETag": f'"{published.git_sha1}"'}
            self.send_file(published, told, trouble)
            return
        told = {
            "X-Repo-Commit": revision,
            "X-Linked-Size": str(len(published.content)),
            "X-Linked-Etag": f'"{published.sha256}"',
            **(trouble.headers if trouble else {}),
        }
        if trouble is not None and trouble.anonymous:
            told = {}
        source = self.path.partition("/resolve/")[2].partition("/")[2]
        signed = f"{self.hub.storage}/{published.sha256}/{source}?Expires=1&Signature=abc"
        self.answer(302, {"Location": signed, **told})


class _StorageHandler(_Handler):
    def do_GET(self) -> None:
        sha256, _, source = self.path.partition("?")[0].lstrip("/").partition("/")
        trouble = self.hub.note(Seen("storage", self.command, self.path, source, dict(self.headers)))
        if trouble is not None and trouble.status is not None:
            self.answer(trouble.status, trouble.headers)
        elif "Authorization" in self.headers:  # as S3 has it: the address is signed already
            self.answer(400, {})
        else:
            (published,) = {id(file): file for file in self.hub.files.values() if file.sha256 == sha256}.values()
            self.send_file(published, {}, trouble)


@contextmanager
def _listening(handler: type[_Handler], hub: LocalHub) -> Iterator[str]:
    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Clients that have gone are no news."""

    server = Server(("127.0.0.1", 0), type("Handler", (handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A hub with nothing on it."""
    for name in [name for name in os.environ if name.upper().endswith("_PROXY")]:
        monkeypatch.delenv(name)
    hub = LocalHub()
    with _listening(_HubHandler, hub) as hub.address, _listening(_StorageHandler, hub) as hub.storage:
        yield hub


@pytest.fixture
def small_files(hub: LocalHub) -> tuple[CatalogFile, ...]:
    """The files of a bundle, under their real names and revisions but small, all of them on the hub."""
    return tuple(
        hub.publish(file, small_content(file.path), is_large=file.path.endswith((".ckpt", ".pt", ".safetensors")))
        for file in bundle_files("sam2")
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder with a whole bundle of small files."""
    folder = tmp_path / "weights"
    make_bundle(folder)
    return folder


class Fetcher:
    """`fetch` for a test: it does not wait, but writes down how long it would have."""

    def __init__(self, hub: LocalHub, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        self.token: str | None = GOOD_TOKEN
        self.watching = Watching()
        self.waits: list[float] = []

    def __call__(self, files: tuple[CatalogFile, ...], **options: Any) -> bool:
        self.watching = Watching()
        with Hub(self.hub.address, self.token) as hub:
            return fetch(files, "sam2", self.folder, hub, self.watching, wait=self._wait, **options)

    def _wait(self, stop: threading.Event, seconds: float) -> None:
        self.waits.append(seconds)

    def refused(self, files: tuple[CatalogFile, ...]) -> Gen3DError:
        with pytest.raises(Gen3DError) as raised:
            self(files)
        assert not (self.folder / "manifest.json").exists()
        return raised.value


@pytest.fixture
def fetching(hub: LocalHub, tmp_path: Path) -> Fetcher:
    return Fetcher(hub, tmp_path / "weights")
