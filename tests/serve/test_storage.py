"""Photos come from a real S3 server, artefacts go there and to folders, and nothing leaves the prefixes."""

import errno
import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serve import s3 as s3_module
from serve.errors import Gen3DError
from serve.s3 import read_s3
from serve.storage import Folder, LocalFolder, MemoryFolder, S3Folder, open_output

if TYPE_CHECKING:
    from tests.serve.conftest import LocalS3

JSON = "application/json"


@contextmanager
def refused(code: str, *words: str) -> Iterator[pytest.ExceptionInfo[Gen3DError]]:
    """The block raises this error, and its one-line message holds these words."""
    with pytest.raises(Gen3DError) as caught:
        yield caught
    assert caught.value.code == code, caught.value
    assert "\n" not in caught.value.message
    for word in words:
        assert word in caught.value.message


def folder_uri(path: Path) -> str:
    return path.as_uri() + "/"


# Folders of every kind.


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "../a", "/a", "a\\b", "a\0", "a b", "ä", "a\n", "a" * 201]
)
def test_only_plain_names_are_taken(name: str, tmp_path: Path) -> None:
    folders: list[Folder] = [MemoryFolder(), LocalFolder(tmp_path), S3Folder("bucket", "users/")]
    for folder in folders:
        with pytest.raises(ValueError, match="plain file name"):
            folder.put(name, b"", JSON)


def test_memory_keeps_the_files_and_has_no_address() -> None:
    folder = MemoryFolder()
    assert folder.uri is None
    folder.put("object-0.glb", b"glTF", "model/gltf-binary")
    assert folder.files == {"object-0.glb": b"glTF"}


def test_boto3_is_not_imported_until_s3_is_used() -> None:
    code = "import sys, serve.storage; sys.exit('boto3' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# Local folders.


def test_a_local_folder_is_made_and_files_are_replaced(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "new" / "a b%é")
    folder.put("manifest.json", b"old", JSON)
    assert folder.put("manifest.json", b"new", JSON) == (tmp_path / "new/a b%é/manifest.json").as_uri()
    assert [(file.name, file.read_bytes()) for file in (tmp_path / "new/a b%é").iterdir()] == [
        ("manifest.json", b"new")
    ]


def test_a_relative_folder_stays_where_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    folder = LocalFolder(Path("../out"))
    monkeypatch.chdir("/")
    folder.put("object-0.glb", b"glTF", "model/gltf-binary")
    assert (tmp_path / "out/object-0.glb").read_bytes() == b"glTF"


def test_a_local_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "touched").touch()
    LocalFolder(tmp_path).put("put", b"", JSON)
    assert (tmp_path / "put").stat().st_mode == (tmp_path / "touched").stat().st_mode


def test_many_threads_may_write_to_a_new_folder(tmp_path: Path) -> None:
    def put(number: int) -> None:
        LocalFolder(tmp_path / "a/b/c", within=tmp_path).put(f"object-{number}.glb", b"glTF", "model/gltf-binary")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(40)))
    assert len(list((tmp_path / "a/b/c").iterdir())) == 40


def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    folder.put("scene.glb", b"old", "model/gltf-binary")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with refused("output_not_writable", "scene.glb", os.strerror(errno.EFBIG)):
            folder.put("scene.glb", bytes(200_000), "model/gltf-binary")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("scene.glb", b"old")]


def test_a_file_or_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "scene.glb").mkdir(parents=True)
    for folder in (LocalFolder(tmp_path / "file"), LocalFolder(tmp_path / "file", within=tmp_path)):
        with refused("output_not_writable", "file/scene.glb"):
            folder.put("scene.glb", b"", "model/gltf-binary")
    with refused("output_not_writable", "folder/scene.glb"):
        LocalFolder(tmp_path / "folder").put("scene.glb", b"", "model/gltf-binary")


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """The test runs as a user to whom permissions apply, even where it was started by root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.mark.usefixtures("unprivileged")
def test_a_folder_without_permission_is_named() -> None:
    with refused("output_not_writable", "/gen3d/scene.glb", "Permission denied"):
        LocalFolder(Path("/gen3d")).put("scene.glb", b"", "model/gltf-binary")


# Which folders a request may name.


def test_progress_goes_to_the_folder_above_output(tmp_path: Path) -> None:
    root = folder_uri(tmp_path)
    jobs = open_output(f"{root}jobs/1/output/", [root])
    assert (jobs.output.uri, jobs.job.uri) == (f"{root}jobs/1/output/", f"{root}jobs/1/")
    jobs.output.put("object-0.glb", b"glTF", "model/gltf-binary")
    jobs.job.put("progress.json", b"{}", JSON)
    assert (tmp_path / "jobs/1/output/object-0.glb").read_bytes() == b"glTF"
    assert (tmp_path / "jobs/1/progress.json").read_bytes() == b"{}"


@pytest.mark.parametrize(
    ("uri", "output", "job"),
    [
        ("s3://bucket/users/1/output/", "s3://bucket/users/1/output/", "s3://bucket/users/1/"),
        ("s3://bucket/users/1/output", "s3://bucket/users/1/output/", "s3://bucket/users/1/"),
        ("s3://bucket/users/1/results/", "s3://bucket/users/1/results/", "s3://bucket/users/1/results/"),
        ("s3://bucket/users/", "s3://bucket/users/", "s3://bucket/users/"),
        ("s3://bucket/users/a b%20c/", "s3://bucket/users/a b%20c/", "s3://bucket/users/a b%20c/"),
    ],
)
def test_s3_folders_keep_their_literal_keys(uri: str, output: str, job: str) -> None:
    jobs = open_output(uri, ["s3://other/", "s3://bucket/users/"])
    assert (jobs.output.uri, jobs.job.uri) == (output, job)


def test_percent_encoding_in_a_file_address_is_undone_once(tmp_path: Path) -> None:
    uri = folder_uri(tmp_path) + "a%20b/%252e%252e/"
    jobs = open_output(uri, [folder_uri(tmp_path)])
    assert jobs.output.put("manifest.json", b"{}", JSON) == uri + "manifest.json"
    assert (tmp_path / "a b" / "%2e%2e" / "manifest.json").exists()


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "users/1/",
        "/srv/out/",
        "http://bucket/users/",
        "S3://bucket/users/",
        "s3:/bucket/users/",
        "s3://",
        "s3:///users/",
        "s3://Bucket/users/",
        "s3://arn:aws:s3:eu-central-1:123456789012:accesspoint:a/users/",
        "s3://user@bucket/users/",
        "s3://bucket:9000/users/",
        "s3://bucket..a/users/",
        "s3://bucket//",
        "s3://bucket/users//1/",
        "s3://bucket/users/../secret/",
        "s3://bucket/users/./1/",
        "s3://bucket/users/%2e%2e/secret/",
        "s3://bucket/users/.%2E/secret/",
        "s3://bucket/users/..%2fsecret/",
        "s3://bucket/users/..\\secret/",
        "s3://bucket/users/%5c/",
        "s3://bucket/users/?versionId=1",
        "s3://bucket/users/#top",
        "s3://bucket/users/a\nb/",
        "s3://bucket/users/%00/",
        "s3://bucket/users/\ud800/",
        "s3://bucket/users/%ff/",
        "s3://bucket/users/" + "a" * 4096,
        "file:",
        "file://",
        "file://users/1/",
        "file://localhost/srv/",
        "file:////srv/",
        "file:///srv/../etc/",
        "file:///srv/%2e%2e/etc/",
        "file:///srv/a%2f..%2fetc/",
        "file:///srv/a\0b/",
        "file:///srv/\udcff/",
        "file:///srv/?a",
    ],
)
def test_what_is_no_plain_folder_address_is_refused(uri: str) -> None:
    with refused("output_uri_invalid"):
        open_output(uri, ["s3://bucket/", "file:///"])


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/",
        "s3://bucket/user/",
        "s3://bucket/users-evil/",
        "s3://bucket/Users/1/",
        "s3://bucket-evil/users/",
        "s3://bucket.evil/users/",
        "file:///users/",
        "file:///srv/out-evil/",
        "file:///srv/",
    ],
)
def test_what_lies_outside_the_prefixes_is_refused(uri: str) -> None:
    with refused("output_not_allowed", uri, "GEN3D_OUTPUT_PREFIXES", "s3://bucket/users/"):
        open_output(uri, ["s3://bucket/users/", "file:///srv/out/"])


def test_the_folder_above_output_must_be_allowed_too() -> None:
    with refused("output_not_allowed", "the folder above it"):
        open_output("s3://bucket/users/output/", ["s3://bucket/users/output/"])


def test_without_prefixes_nothing_may_be_written_and_the_setting_is_named() -> None:
    with refused("output_not_allowed", "GEN3D_OUTPUT_PREFIXES"):
        open_output("s3://bucket/users/", [])


def test_a_prefix_that_cannot_be_read_is_the_operators_to_correct() -> None:
    with refused("output_not_allowed", "operator", "s3://Bucket/"):
        open_output("s3://bucket/users/", ["s3://bucket/users/", "s3://Bucket/"])


# Symbolic links.


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A root with links: `out` leads out of it, `in` to its folder `real`, `loop` to itself."""
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (root / "out").symlink_to("../outside")
    (root / "in").symlink_to("real")
    (root / "loop").symlink_to("loop")
    (tmp_path / "alias").symlink_to("root")
    return root


@pytest.mark.parametrize("path", ["out/", "out/a/", "out/output/", "in/../out/", "real/../../outside/", "loop/"])
def test_a_link_out_of_the_root_is_refused(path: str, linked: Path) -> None:
    with pytest.raises(Gen3DError) as caught:
        open_output(folder_uri(linked) + path, [folder_uri(linked)]).output.put("a", b"", JSON)
    assert caught.value.code == ("output_uri_invalid" if ".." in path else "output_not_allowed")
    assert not list((linked.parent / "outside").iterdir())


def test_links_inside_the_root_and_a_root_that_is_a_link_work(linked: Path) -> None:
    root = folder_uri(linked.parent / "alias")
    jobs = open_output(f"{root}in/new/output/", [root])
    assert jobs.output.put("scene.glb", b"glTF", "model/gltf-binary") == f"{root}in/new/output/scene.glb"
    assert (linked / "real/new/output/scene.glb").read_bytes() == b"glTF"


def test_of_two_prefixes_the_one_that_holds_after_links_counts(linked: Path) -> None:
    prefixes = [folder_uri(linked), folder_uri(linked / "out")]
    open_output(folder_uri(linked / "out"), prefixes).output.put("a", b"", JSON)
    assert (linked.parent / "outside/a").exists()


@pytest.mark.parametrize("swapped", ["jobs", "jobs/1", "jobs/1/output"])
def test_a_link_made_after_opening_does_not_lead_out(swapped: str, linked: Path) -> None:
    outside = linked.parent / "outside"
    jobs = open_output(folder_uri(linked / "jobs/1/output"), [folder_uri(linked)])
    jobs.output.put("before", b"", JSON)
    shutil.rmtree(linked / swapped)
    (linked / swapped).symlink_to(outside)
    with refused("output_not_allowed", "symbolic link"):
        jobs.output.put("after", b"", JSON)
    assert not list(outside.iterdir())


def test_a_link_in_the_files_place_is_replaced_not_followed(linked: Path) -> None:
    victim = linked.parent / "outside/victim"
    victim.write_bytes(b"untouched")
    (linked / "scene.glb").symlink_to(victim)
    open_output(folder_uri(linked), [folder_uri(linked)]).output.put("scene.glb", b"glTF", "model/gltf-binary")
    assert victim.read_bytes() == b"untouched"
    assert not (linked / "scene.glb").is_symlink()


SEGMENTS = (
    st.sampled_from(["a", "output", "real", "in", "out", "loop", "root", "outside", "alias", "é", "%C3%A9"])
    | st.sampled_from(["..", ".", "", "..\\", "%2e%2e", ".%2E", "%2e", "..%2f", "%2f", "%5c..", "%252e%252e"])
    | st.sampled_from(["~", "?", "#", "%", "%00", "a\0", "localhost"])
    | st.text(max_size=3)
)
PREFIXES = st.sampled_from(["root/", "root-evil/", "alias/", "alias/real/", "", "outside/", "root/../outside/"])


@given(
    prefix=PREFIXES,
    segments=st.lists(SEGMENTS, max_size=6),
    slash=st.sampled_from(["", "/"]),
)
@settings(deadline=None)
@example(prefix="root/", segments=["a", "output"], slash="/")
@example(prefix="root/", segments=["out", "output"], slash="/")
@example(prefix="root/", segments=["..", "outside"], slash="/")
def test_no_accepted_address_writes_outside_its_root(
    prefix: str, segments: list[str], slash: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("base")
    root = base / "root"
    (root / "real").mkdir(parents=True)
    (base / "outside").mkdir()
    (base / "alias").symlink_to("root")
    (root / "out").symlink_to("../outside")
    (root / "in").symlink_to("real")
    (root / "loop").symlink_to("loop")
    before = {path for path in base.rglob("*") if not path.is_relative_to(root)}
    with suppress(Gen3DError):
        jobs = open_output(
            folder_uri(base) + prefix + "/".join(segments) + slash,
            [folder_uri(root), folder_uri(base / "alias")],
        )
        jobs.output.put("written", b"", JSON)
        jobs.job.put("written", b"", JSON)
        assert any(path.name == "written" for path in root.rglob("*"))
    assert {path for path in base.rglob("*") if not path.is_relative_to(root)} == before
    shutil.rmtree(base)


# S3.


@pytest.mark.usefixtures("s3_environment")
def test_artefacts_are_stored_with_their_type(s3: "LocalS3") -> None:
    jobs = open_output(f"s3://{s3.bucket}/users/ä b/jobs/1/output/", [f"s3://{s3.bucket}/users/"])
    assert jobs.job.put("progress.json", b"{}", JSON) == f"s3://{s3.bucket}/users/ä b/jobs/1/progress.json"
    jobs.output.put("object-0.glb", b"glTF", "model/gltf-binary")
    progress = s3.client.get_object(Bucket=s3.bucket, Key="users/ä b/jobs/1/progress.json")
    assert (progress["ContentType"], progress["CacheControl"]) == (JSON, "no-store")
    mesh = s3.client.get_object(Bucket=s3.bucket, Key="users/ä b/jobs/1/output/object-0.glb")
    assert (mesh["ContentType"], mesh["Body"].read()) == ("model/gltf-binary", b"glTF")


@pytest.mark.usefixtures("s3_environment")
def test_what_others_leave_in_a_folder_on_s3_is_seen(s3: "LocalS3", caplog: pytest.LogCaptureFixture) -> None:
    folder = S3Folder(s3.bucket, "users/ä b/jobs/2/")
    assert not folder.holds("cancelled.json")
    s3.client.put_object(Bucket=s3.bucket, Key="users/ä b/jobs/2/cancelled.json", Body=b"{}")
    assert folder.holds("cancelled.json")
    assert "could not be looked for" not in caplog.text
    assert not S3Folder(s3.bucket, "private/").holds("cancelled.json")
    assert "could not be looked for: S3 answers with status 403" in caplog.text


def test_what_others_leave_in_a_local_folder_is_seen(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "job")
    assert not folder.holds("cancelled.json")
    folder.put("cancelled.json", b"{}", JSON)
    assert folder.holds("cancelled.json")


@pytest.mark.usefixtures("s3_environment")
@pytest.mark.parametrize("key", ["users/a.jpg", "users/ä b%20c?d#e+f.jpg", "users//..jpg"])
@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_a_photo_is_read_whole(key: str, size: int, s3: "LocalS3") -> None:
    photo = os.urandom(size)
    s3.client.put_object(Bucket=s3.bucket, Key=key, Body=photo)
    assert read_s3(f"s3://{s3.bucket}/{key}", max_bytes=size) == photo


@pytest.mark.usefixtures("s3_environment")
def test_a_photo_that_is_too_large_is_refused(s3: "LocalS3") -> None:
    s3.client.put_object(Bucket=s3.bucket, Key="users/large.jpg", Body=bytes(1001))
    with refused("image_too_large", "1001", "1000", "GEN3D_MAX_IMAGE_BYTES"):
        read_s3(f"s3://{s3.bucket}/users/large.jpg", max_bytes=1000)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "a.jpg",
        "https://bucket/a.jpg",
        "file:///etc/passwd",
        "s3://",
        "s3://bucket",
        "s3://bucket/",
        "s3:///a.jpg",
        "s3://Bucket!/a.jpg",
        "s3://arn:aws:s3:eu-central-1:123456789012:accesspoint:a/a.jpg",
        "s3://bucket/a\0.jpg",
        "s3://bucket/\ud800.jpg",
        "s3://bucket/" + "é" * 513,
    ],
)
def test_what_is_no_address_of_an_object_is_refused(uri: str) -> None:
    with refused("image_uri_invalid", "s3://bucket/key"):
        read_s3(uri, max_bytes=1000)


@pytest.mark.usefixtures("s3_environment")
def test_a_missing_photo_or_bucket_is_not_found(s3: "LocalS3") -> None:
    with refused("image_not_found", "NoSuchKey"):
        read_s3(f"s3://{s3.bucket}/users/missing.jpg", max_bytes=1000)
    with refused("image_not_found", "NoSuchBucket"):
        read_s3("s3://gen3d-missing/users/a.jpg", max_bytes=1000)
    with refused("output_not_writable", "no such bucket", "s3://gen3d-missing/users/a.json"):
        S3Folder("gen3d-missing", "users/").put("a.json", b"", JSON)


@pytest.mark.usefixtures("s3_environment")
def test_what_the_user_may_not_touch_is_denied(s3: "LocalS3") -> None:
    s3.client.put_object(Bucket=s3.bucket, Key="private/a.jpg", Body=b"photo")
    with refused("image_access_denied", "s3:GetObject", "s3:ListBucket", "AccessDenied"):
        read_s3(f"s3://{s3.bucket}/private/a.jpg", max_bytes=1000)
    with refused("output_not_writable", "s3:PutObject", f"s3://{s3.bucket}/private/a.json"):
        S3Folder(s3.bucket, "private/").put("a.json", b"", JSON)


@pytest.mark.usefixtures("s3_environment")
def test_the_server_checks_signatures(s3: "LocalS3", monkeypatch: pytest.MonkeyPatch) -> None:
    s3.client.put_object(Bucket=s3.bucket, Key="users/a.jpg", Body=b"photo")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with refused("image_access_denied", "SignatureDoesNotMatch"):
        read_s3(f"s3://{s3.bucket}/users/a.jpg", max_bytes=1000)
    with refused("output_not_writable", "SignatureDoesNotMatch"):
        S3Folder(s3.bucket, "users/").put("a.json", b"", JSON)


@pytest.mark.usefixtures("s3_environment")
def test_missing_credentials_are_named(s3: "LocalS3", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with refused("image_access_denied", "credentials"):
        read_s3(f"s3://{s3.bucket}/users/a.jpg", max_bytes=1000)
    with refused("output_not_writable", "credentials"):
        S3Folder(s3.bucket, "users/").put("a.json", b"", JSON)


@pytest.mark.usefixtures("s3_environment")
def test_threads_share_one_client() -> None:
    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(lambda _: s3_module._s3_client(), range(8)))
    assert len(set(map(id, clients))) == 1


# A server that does not answer, or not as S3 does.


@pytest.fixture
def s3_that_answers(s3_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Call it with the bytes that a stand-in for S3 shall answer to every request, before it hangs up."""
    answers = [b""]

    def serve(server: socket.socket) -> None:
        while True:
            connection, _ = server.accept()
            with connection:
                if not (request := connection.recv(65536)):
                    return
                if b"\r\n\r\n" in request:
                    with suppress(OSError):  # the client may have read enough
                        connection.sendall(answers[0])

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address[0]}:{address[1]}")
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield lambda answer: answers.__setitem__(0, answer)
        socket.create_connection(address).close()
        thread.join()


@pytest.mark.usefixtures("s3_environment")
def test_a_closed_port_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
    with refused("storage_unreachable", "s3://bucket/a.jpg", "Could not connect"):
        read_s3("s3://bucket/a.jpg", max_bytes=1000)
    with refused("storage_unreachable", "s3://bucket/users/a.json"):
        S3Folder("bucket", "users/").put("a.json", b"", JSON)


@pytest.mark.usefixtures("s3_environment")
@pytest.mark.parametrize("variable", ["AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"])
def test_credentials_with_a_line_break_are_not_repeated(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "very\nsecret")
    with refused("storage_unreachable", "line breaks") as reading:
        read_s3("s3://bucket/a.jpg", max_bytes=1000)
    with refused("storage_unreachable", "line breaks") as writing:
        S3Folder("bucket", "users/").put("a.json", b"", JSON)
    for caught in (reading, writing):
        assert "secret" not in "".join(traceback.format_exception(caught.value)), "nor would a log hold it"


@pytest.mark.usefixtures("s3_environment")
def test_an_endpoint_that_is_no_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with refused("storage_unreachable", "nonsense"):
        read_s3("s3://bucket/a.jpg", max_bytes=1000)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [b"", HEAD % 500 + b"cut off", b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n", b"not HTTP\r\n\r\n"],
)
def test_an_answer_that_is_cut_off_or_wrong_is_unreachable(
    answer: bytes, s3_that_answers: Callable[[bytes], None]
) -> None:
    s3_that_answers(answer)
    with refused("storage_unreachable"):
        read_s3("s3://bucket/a.jpg", max_bytes=1000)


@pytest.mark.parametrize(
    ("name", "reading", "writing"),
    [
        ("ExpiredToken", "image_access_denied", "output_not_writable"),
        ("EntityTooLarge", "storage_unreachable", "output_not_writable"),
    ],
)
def test_what_else_s3_refuses_is_named(
    name: str, reading: str, writing: str, s3_that_answers: Callable[[bytes], None]
) -> None:
    body = f"<Error><Code>{name}</Code><Message>arn:aws:iam::1:role/a</Message></Error>".encode()
    s3_that_answers(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    with refused(reading, name) as caught:
        read_s3("s3://bucket/a.jpg", max_bytes=1000)
    assert "arn:" not in caught.value.message  # the account's names are not for everybody
    with refused(writing, name):
        S3Folder("bucket", "users/").put("a.json", b"", JSON)


def test_what_is_no_s3_server_is_unreachable(s3_that_answers: Callable[[bytes], None]) -> None:
    s3_that_answers(HEAD % 6 + b"<html>")
    with refused("storage_unreachable"):
        S3Folder("bucket", "users/").put("a.json", b"", JSON)


def test_a_photo_of_unknown_length_is_read_no_further_than_allowed(
    s3_that_answers: Callable[[bytes], None],
) -> None:
    s3_that_answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" + bytes(2**21))
    with refused("image_too_large"):
        read_s3("s3://bucket/a.jpg", max_bytes=1000)
