"""Publishing to a stand-in for S3 that is stricter than the tests' own server, or slower, or does not answer."""

import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from model_loader.manifest import read_manifest
from model_loader.publish import publish
from serve.errors import Gen3DError
from tests.model_loader.small_bundle import Watching, put_content

BIG = "sam-3d-objects/ss_generator.ckpt"
PART = 8000  # the manifest is smaller
URI = "s3://gen3d-weights/w/"


class StrictS3:
    """As much of S3 as `publish` asks for.

    Attributes:
        uploads: The uploads that are begun: to each number, the parts' bytes by their numbers.
        foreign: Those that were begun without checksums, for which a part with one is refused, as S3 does.
        objects: What is stored, with its metadata's SHA-256, by the path in the bundle.
        ends_uploads: So many uploads end by themselves once a part arrives, as a rule of the bucket may have it.
        finishes_uploads: Those are finished, as another run of the command would.
        hangs: Parts are not answered until this is set; None where they are.
        hanging: Is set while a part is not answered.
    """

    def __init__(self) -> None:
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.foreign: set[str] = set()
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.hashes: dict[str, str] = {}
        self.ends_uploads = 0
        self.finishes_uploads: bytes | None = None
        self.hangs: threading.Event | None = None
        self.hanging = threading.Event()
        self.begun = 0
        self.lock = threading.Lock()

    def begin(self, sha256: str | None) -> str:
        self.begun += 1
        upload = f"upload-{self.begun}"
        self.uploads[upload] = {}
        if sha256 is None:
            self.foreign.add(upload)
        self.hashes[upload] = sha256 or ""
        return upload


class _Handler(BaseHTTPRequestHandler):
    s3: StrictS3
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: str = "", **headers: str) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in {"content_length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>")

    def body(self) -> bytes:
        data = self.rfile.read(int(self.headers.get("content-length", 0)))
        if "aws-chunked" not in self.headers.get("content-encoding", ""):
            return data
        chunks, rest = b"", data
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size.partition(b";")[0], 16)
            chunks, rest = chunks + rest[:length], rest[length + 2 :]
            if not length:
                break
        return chunks

    def handle_one(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        path = address.path.removeprefix("/gen3d-weights/w/")
        data = self.body()
        with self.s3.lock:
            self.act(path, query, data)

    do_HEAD = do_GET = do_PUT = do_POST = handle_one  # noqa: N815 - http.server's names

    def act(self, path: str, query: dict[str, str], data: bytes) -> None:
        s3, upload = self.s3, query.get("uploadId", "")
        if self.command == "HEAD":
            if path not in s3.objects:
                self.answer(404)
                return
            content, sha256 = s3.objects[path]
            self.answer(200, content_length=str(len(content)), x_amz_meta_sha256=sha256)
        elif self.command == "GET" and "uploads" in query:
            key = query["prefix"]
            listed = "".join(
                f"<Upload><Key>{key}</Key><UploadId>{name}</UploadId><Initiated>2026-01-01T00:00:0{i}.000Z</Initiated>"
                "</Upload>"
                for i, name in enumerate(s3.uploads)
                if key.endswith(BIG)
            )
            self.answer(200, f"<ListMultipartUploadsResult>{listed}</ListMultipartUploadsResult>")
        elif self.command == "POST" and "uploads" in query:
            begun = s3.begin(self.headers["x-amz-meta-sha256"])
            self.answer(
                200, f"<InitiateMultipartUploadResult><UploadId>{begun}</UploadId></InitiateMultipartUploadResult>"
            )
        elif upload and upload not in s3.uploads:
            self.refuse(404, "NoSuchUpload")
        elif self.command == "GET":
            self.answer(200, "<ListPartsResult></ListPartsResult>")
        elif self.command == "PUT" and upload:
            self.take_part(path, upload, int(query["partNumber"]), data)
        elif self.command == "POST":
            parts = s3.uploads.pop(upload)
            s3.objects[path] = b"".join(parts[number] for number in sorted(parts)), s3.hashes[upload]
            self.answer(200, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
        else:
            s3.objects[path] = data, self.headers["x-amz-meta-sha256"]
            self.answer(200)

    def take_part(self, path: str, upload: str, number: int, data: bytes) -> None:
        s3 = self.s3
        if s3.hangs is not None:
            s3.hanging.set()
            s3.lock.release()
            s3.hangs.wait(60)
            s3.lock.acquire()
        if s3.ends_uploads:
            s3.ends_uploads -= 1
            del s3.uploads[upload]
            if s3.finishes_uploads is not None:
                s3.objects[path] = s3.finishes_uploads, s3.hashes[upload]
            self.refuse(404, "NoSuchUpload")
        elif upload in s3.foreign:
            self.refuse(400, "InvalidRequest")
        else:
            s3.uploads[upload][number] = data
            self.answer(200, etag=f'"{number}"')


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictS3]:
    s3 = StrictS3()

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Clients that have gone are no news."""

    server = Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"s3": s3}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_MAX_ATTEMPTS": "1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield s3
    if s3.hangs is not None:
        s3.hangs.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def big_bundle(bundle: Path) -> Path:
    """A bundle with one file of three parts of `PART` bytes or less, and small ones."""
    for file in read_manifest(bundle).files:
        put_content(bundle, file.path, file.path.encode())
    put_content(bundle, BIG, bytes(range(250)) * 80)
    return bundle


def is_published(s3: StrictS3, folder: Path) -> bool:
    there = {path: content for path, (content, _) in s3.objects.items()}
    return there == {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_published_in_parts(strict: StrictS3, big_bundle: Path) -> None:
    assert publish(big_bundle, URI, part_bytes=PART) == 18
    assert is_published(strict, big_bundle)
    assert strict.begun == 1


def test_an_upload_that_something_else_began_is_left_alone(strict: StrictS3, big_bundle: Path) -> None:
    foreign = strict.begin(None)
    watching = Watching()
    publish(big_bundle, URI, watching, part_bytes=PART)
    assert is_published(strict, big_bundle)
    assert strict.uploads == {foreign: {}}
    assert watching.done == watching.sizes


@pytest.mark.parametrize("is_begun", [True, False])
def test_an_upload_that_ends_by_itself_is_begun_anew(strict: StrictS3, big_bundle: Path, is_begun: bool) -> None:
    if is_begun:
        strict.begin("0" * 64)
    strict.ends_uploads = 1
    publish(big_bundle, URI, part_bytes=PART)
    assert is_published(strict, big_bundle)
    assert strict.begun == 2


def test_an_upload_that_another_run_finishes_is_not_begun_anew(strict: StrictS3, big_bundle: Path) -> None:
    strict.ends_uploads, strict.finishes_uploads = 1, (big_bundle / BIG).read_bytes()
    publish(big_bundle, URI, part_bytes=PART)
    assert is_published(strict, big_bundle)
    assert strict.begun == 1


def test_uploads_that_keep_ending_are_given_up(strict: StrictS3, big_bundle: Path) -> None:
    strict.ends_uploads = 9
    with pytest.raises(Gen3DError, match="NoSuchUpload") as raised:
        publish(big_bundle, URI, part_bytes=PART)
    assert raised.value.code == "publish_refused"
    assert "no such bucket" not in raised.value.message
    assert strict.begun == 2


def test_ctrl_c_does_not_wait_for_an_answer(strict: StrictS3, big_bundle: Path) -> None:
    strict.hangs = threading.Event()
    main = threading.current_thread()
    others = set(threading.enumerate())  # a stage that other tests share may run in this process

    def press() -> None:
        strict.hanging.wait(60)
        signal.pthread_kill(main.ident or 0, signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        publish(big_bundle, URI, part_bytes=PART)
    pressing.join()
    assert not any(strict.uploads.values()), "no part was answered before it ended"
    late = [thread for thread in threading.enumerate() if thread.name.endswith("(run)") and thread not in others]
    assert all(thread.daemon for thread in late), "those that S3 keeps waiting do not keep the process"
    strict.hangs.set()
    for thread in late:
        thread.join()


@pytest.mark.parametrize("variable", ["AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"])
def test_credentials_with_a_line_break_are_not_repeated(
    strict: StrictS3, big_bundle: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "very\nsecret")
    with pytest.raises(Gen3DError, match="line breaks") as raised:
        publish(big_bundle, URI)
    assert raised.value.code == "storage_unreachable"
    assert "secret" not in raised.value.message
    assert "\n" not in raised.value.message
