"""What the server says to bad requests: one JSON shape, with a code and a line that tells what to change."""

import base64
import io
import json
import os
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
from PIL import Image

from serve.contract import ErrorBody, ErrorDetail
from serve.errors import KINDS
from serve.forms import ATTRIBUTES

if TYPE_CHECKING:
    from tests.serve.conftest import LocalS3, Server, ServerProcess

JSON = {"Content-Type": "application/json"}
CUP = [38, 6, 240, 195]
# Whatever is wrong with the rest is said before the photo is looked at.
UNREAD = base64.b64encode(b"no photo at all").decode()
DEEP = 100_000


@pytest.fixture(scope="module", autouse=True)
def the_server_still_works_afterwards(server: "Server", photo: bytes) -> Iterator[None]:
    yield
    answer = server.http.post(
        "/invocations", files={"image": photo}, data={"boxes": json.dumps([CUP]), "options": '{"quality": "draft"}'}
    )
    assert (answer.status_code, answer.headers["X-Gen3D-Status"]) == (200, "succeeded")


def assert_refused(server: "Server", answer: httpx.Response, code: str, *words: str) -> ErrorDetail:
    """An answer of the one shape, and a log that holds the same and no traceback."""
    error = ErrorBody.model_validate_json(answer.content).error
    assert (error.code, answer.status_code) == (code, KINDS[code].status), error
    assert answer.headers["Content-Type"] == "application/json"
    assert len(error.message.splitlines()) == 1
    assert 20 < len(error.message) < 600
    for word in words:
        assert word in error.message
    job_id = answer.headers["X-Gen3D-Job-Id"]
    lines = server.log(job_id)
    assert [line["reason"] for line in lines if line.get("code") == code] == [error.message]
    assert not [line for line in lines if "exception" in line]
    assert server.metrics(job_id)["Status"] == code
    return error


def box(**changes: Any) -> dict[str, Any]:
    return {"x_min": 38, "y_min": 6, "x_max": 240, "y_max": 195, **changes}


# JSON that is no request. `{}` stands for a whole request but for what is given.

FIELDS: list[tuple[dict[str, Any], str, str]] = [
    # Boxes.
    ({"boxes": []}, "no_boxes", "give at least one, [x_min, y_min, x_max, y_max]"),
    ({"boxes": None}, "invalid_request", "boxes: must be a JSON array"),
    ({"boxes": "38,6,240,195"}, "invalid_request", "boxes: must be a JSON array"),
    ({"boxes": box()}, "invalid_request", "boxes: must be a JSON array"),
    ({"boxes": CUP}, "invalid_box", "boxes[0]: a box must be [x_min, y_min, x_max, y_max]"),
    ({"boxes": [CUP, None]}, "invalid_box", "boxes[1]: a box must be"),
    ({"boxes": ["38,6,240,195"]}, "invalid_box", "boxes[0]: a box must be"),
    ({"boxes": [[1, 2, 3]]}, "invalid_box", "boxes[0]: a box needs four numbers, this one has 3"),
    ({"boxes": [[1, 2, 3, 4, 5]]}, "invalid_box", "this one has 5"),
    ({"boxes": [["38", 6, 240, 195]]}, "invalid_box", "boxes[0].x_min: Input should be a valid number"),
    ({"boxes": [[38, True, 240, 195]]}, "invalid_box", "boxes[0].y_min: Input should be a valid number"),
    ({"boxes": [[38, 6, None, 195]]}, "invalid_box", "boxes[0].x_max: Input should be a valid number"),
    ({"boxes": [[38, 6, 240, float("nan")]]}, "invalid_box", "boxes[0].y_max: Input should be a finite number"),
    ({"boxes": [[38, 6, float("inf"), 195]]}, "invalid_box", "boxes[0].x_max: Input should be a finite number"),
    ({"boxes": [[10**400, 6, 240, 195]]}, "invalid_box", "boxes[0].x_min: Input should be a valid number"),
    ({"boxes": [{"x_min": 1, "y_min": 2, "x_max": 3}]}, "invalid_box", "boxes[0].y_max: Field required"),
    ({"boxes": [box(name="cup")]}, "invalid_box", "boxes[0].name: there is no such field; there are x_min, y_min"),
    ({"boxes": [box(label="x" * 81)]}, "invalid_box", "boxes[0].label: String should have at most 80 characters"),
    ({"boxes": [box(label="two\nlines")]}, "invalid_box", "boxes[0].label: must have no control characters"),
    ({"boxes": [box(label="\0")]}, "invalid_box", "boxes[0].label: must have no control characters"),
    ({"boxes": [box(label=5)]}, "invalid_box", "boxes[0].label: Input should be a valid string"),
    ({"boxes": [CUP] * 200}, "too_many_boxes", "200 boxes are more than the 32"),
    ({"boxes": [[]] * 100_000}, "too_many_boxes", "far more values in it than the 32 boxes of one request can have"),
    # Options.
    ({"options": {"qualty": "draft"}}, "invalid_request", "options.qualty: there is no such field; there are quality"),
    ({"options": {"a\nb\u2028\x1b" + "c" * 9999: 1}}, "invalid_request", "options.a\\nb\\u2028\\x1bccc"),
    ({"options": []}, "invalid_request", "options: must be a JSON object"),
    ({"options": {"quality": "best"}}, "invalid_request", "quality: Input should be 'draft', 'standard' or 'high'"),
    ({"options": {"formats": []}}, "invalid_request", "options.formats: must not be empty"),
    ({"options": {"formats": "glb"}}, "invalid_request", "options.formats: must be a JSON array"),
    ({"options": {"formats": ["fbx"]}}, "invalid_request", "options.formats[0]: Input should be 'glb', 'obj'"),
    ({"options": {"faces": 10}}, "invalid_request", "options.faces: Input should be greater than or equal to 1000"),
    ({"options": {"seed": "7"}}, "invalid_request", "options.seed: Input should be a valid integer"),
    ({"options": {"scene": "yes"}}, "invalid_request", "options.scene: Input should be a valid boolean"),
    ({"options": {"seed": 10**400}}, "invalid_request", "options.seed: Input should be less than 4294967296"),
    ({"options": {"formats": ["glb", "splats"]}}, "format_unsupported", "cannot make 'splats'; it makes glb, obj"),
    # The photo.
    ({"image_base64": None}, "image_missing", "send image_uri or image_base64"),
    ({"image_uri": "s3://bucket/key"}, "image_ambiguous", "send one of them"),
    ({"image_base64": "abc"}, "image_not_base64", "Incorrect padding"),
    ({"image_base64": "QQ==QUJD"}, "image_not_base64", "padding"),
    ({"image_base64": "_-_-"}, "image_not_base64", "standard base64"),
    ({"image_base64": "ä☕ä☕"}, "image_not_base64", "ASCII"),
    ({"image_base64": "data:image/png;base64,QUJD"}, "image_not_base64", "put no 'data:' before it"),
    ({"image_base64": 5}, "invalid_request", "image_base64: Input should be a valid string"),
    ({"image_base64": " "}, "image_empty", "send the file itself"),
    # The rest.
    ({"job_id": "a/b"}, "invalid_request", "job_id: must be 1 to 64 letters, digits"),
    ({"job_id": ".."}, "invalid_request", "job_id: must be 1 to 64 letters, digits"),
    ({"job_id": "a\n"}, "invalid_request", "job_id: must be 1 to 64 letters, digits"),
    ({"job_id": ""}, "invalid_request", "job_id: must be 1 to 64 letters, digits"),
    ({"job_id": "a" * 65}, "invalid_request", "job_id: must be 1 to 64 letters, digits"),
    (
        {"image_url": "s3://bucket/key"},
        "invalid_request",
        "image_url: there is no such field; there are job_id, image_",
    ),
]


@pytest.mark.parametrize(("fields", "code", "words"), FIELDS, ids=[f"{str(field)[:60]}" for field, _, _ in FIELDS])
def test_fields_that_are_wrong(fields: dict[str, Any], code: str, words: str, server: "Server") -> None:
    body = {"image_base64": UNREAD, "boxes": [CUP], **fields}
    # Not httpx's own `json`, which refuses NaN.
    answer = server.http.post("/invocations", content=json.dumps(body), headers=JSON)
    assert_refused(server, answer, code, words)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "invalid_json", "EOF while parsing"),
        (b"{", "invalid_json", "The body is not JSON: EOF"),
        (b"boxes=[[1,2,3,4]]", "invalid_json", "line 1 column 1"),
        (b"{'boxes': []}", "invalid_json", "key must be a string"),
        (b'{"boxes": [[1, 2, 3, 4]]} {}', "invalid_json", "trailing characters"),
        (b'{"job_id": "\xff"}', "invalid_json", "invalid unicode"),
        (b'{"job_id": "\\ud800"}', "invalid_json", "hex escape"),
        ('{"boxes": []}'.encode("utf-16"), "invalid_json", "not JSON"),
        (b"[" * DEEP, "invalid_json", "recursion limit exceeded"),
        (b'{"a":' * DEEP, "invalid_json", "recursion limit exceeded"),
        (b'{"boxes": [[1, 2, 3, 1' + b"0" * 5000 + b"]]}", "invalid_json", "number out of range"),
        (b"null", "invalid_request", "The request: must be a JSON object"),
        (b"[]", "invalid_request", "The request: must be a JSON object"),
        (b'"request"', "invalid_request", "The request: must be a JSON object"),
        (b"{}", "no_boxes", "give 'boxes', each [x_min, y_min, x_max, y_max]"),
        (b'{"' + b"k" * 1_000_000 + b'": 1, "boxes": []}', "invalid_request", "kkk…: there is no such field"),
    ],
    ids=lambda value: str(value[:30]) if isinstance(value, bytes) else "",
)
def test_bodies_that_are_no_request(body: bytes, code: str, words: str, server: "Server") -> None:
    assert_refused(server, server.http.post("/invocations", content=body, headers=JSON), code, words)


# Forms.


def part(name: str, content: bytes, file_name: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name is not None else "")
    return b"--b\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"


IMAGE, BOXES, END = part("image", b"no photo", "photo.jpg"), part("boxes", b"[[38, 6, 240, 195]]"), b"--b--\r\n"
MULTIPART = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "image_missing", "send it as a part named 'image'"),
        (END, "image_missing", "send it as a part named 'image'"),
        (b"no multipart at all", "invalid_request", "The multipart body cannot be read"),
        (BOXES + END, "image_missing", "send it as a part named 'image'"),
        (part("image", b"photo.jpg") + BOXES + END, "image_missing", "curl: -F image=@photo.jpg"),
        (IMAGE + BOXES + IMAGE + END, "image_ambiguous", "two parts named 'image'"),
        (IMAGE * 4 + BOXES + END, "image_ambiguous", "two parts named 'image'"),
        (IMAGE + BOXES + BOXES + END, "invalid_request", "two parts named 'boxes'"),
        (IMAGE + END, "no_boxes", "give 'boxes'"),
        (IMAGE + BOXES, "no_boxes", "give 'boxes'"),  # cut off before the last part ended
        (IMAGE + part("boxes", b"38,6,240,195") + END, "invalid_json", "The part 'boxes' is not JSON: trailing"),
        (IMAGE + part("boxes", b"\xff") + END, "invalid_json", "The part 'boxes' is not JSON"),
        (IMAGE + part("boxes", b"[" * DEEP) + END, "invalid_json", "recursion limit exceeded"),
        (IMAGE + part("boxes", b" " * 1_100_000) + END, "invalid_request", "Part exceeded maximum size of 1024KB"),
        (IMAGE + part("boxes", b"[[NaN, 6, 240, 195]]") + END, "invalid_box", "Input should be a finite number"),
        (IMAGE + part("boxes", b'[["\\ud800", 6, 240, 195]]') + END, "invalid_json", "hex escape"),
        (IMAGE + BOXES + part("options", b"draft") + END, "invalid_json", "The part 'options' is not JSON"),
        (
            IMAGE + BOXES + part("image_uri", b"s3://b/k") + END,
            "invalid_request",
            "its parts are image, boxes, options",
        ),
        (IMAGE + BOXES + part("a\x1b\u2028" * 99, b"") + END, "invalid_request", "'a\\x1b\\u2028a"),
        (IMAGE + part("x", b"") * 30 + END, "invalid_request", "Too many fields"),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\n\r\n" + END, "invalid_request", '"name" must be provided'),
        (part("image", b"", "photo.jpg") + BOXES + END, "image_empty", "send the file itself"),
    ],
    ids=lambda value: str(value[:40]) if isinstance(value, bytes) else "",
)
def test_forms_that_are_no_request(body: bytes, code: str, words: str, server: "Server") -> None:
    answer = server.http.post("/invocations", content=body, headers={"Content-Type": MULTIPART})
    assert_refused(server, answer, code, words)


@pytest.mark.parametrize(
    ("content_type", "code", "words"),
    [
        ("multipart/form-data", "invalid_request", "Missing boundary"),
        ("multipart/form-data; boundary=", "invalid_request", "The multipart body cannot be read"),
        ("multipart/form-data; boundary=" + "x" * 5000, "invalid_request", "The multipart body cannot be read"),
        (f"{MULTIPART}; charset=undefined", "invalid_request", "not in the charset it names"),
        ("application/json", "invalid_json", "The body is not JSON"),
        ("application/x-www-form-urlencoded", "unsupported_media_type", "The Content-Type is 'application/x-www-form-"),
        ("text/plain", "unsupported_media_type", "send application/json, multipart/form-data or image/*"),
        ("x" * 5000, "unsupported_media_type", "xxx…'"),
        (";", "unsupported_media_type", "There is no Content-Type"),
        (None, "unsupported_media_type", "There is no Content-Type"),
    ],
)
def test_content_types(content_type: str | None, code: str, words: str, server: "Server") -> None:
    headers = {"Content-Type": content_type} if content_type is not None else {}
    assert_refused(server, server.http.post("/invocations", content=IMAGE + BOXES + END, headers=headers), code, words)


# The photo itself as the body, and the rest in a header.


@pytest.mark.parametrize(
    ("attributes", "code", "words"),
    [
        (None, "no_boxes", f'send {{"boxes": [[x0, y0, x1, y1]]}} in the header {ATTRIBUTES}'),
        (b"", "invalid_json", f"The header {ATTRIBUTES} is not JSON"),
        (b"boxes=[[1,2,3,4]]", "invalid_json", f"The header {ATTRIBUTES} is not JSON"),
        (b'{"boxes": [[1, 2, 3, 4]], "job_id": "\xff"}', "invalid_json", "invalid unicode"),
        (b"[[38, 6, 240, 195]]", "invalid_request", "must hold a JSON object such as"),
        (b"[" * 1000, "invalid_json", "recursion limit exceeded"),
        (b'{"boxes": [%s]}' % b", ".join([b"[38, 6, 240, 195]"] * 60), "invalid_request", "SageMaker takes 1024"),
        (b'{"boxes": []}', "no_boxes", "give at least one"),
        (b'{"boxes": [[38, 6, 240, NaN]]}', "invalid_box", "boxes[0].y_max: Input should be a finite number"),
        (b'{"boxes": [[38, 6, 240, 195]], "image_uri": "s3://b/k"}', "image_ambiguous", "'image_uri' cannot be given"),
        (b'{"boxes": [[38, 6, 240, 195]], "image_base64": ""}', "image_ambiguous", "'image_base64' cannot be given"),
    ],
)
def test_attributes(attributes: bytes | None, code: str, words: str, server: "Server") -> None:
    headers = {b"Content-Type": b"image/jpeg"} | ({ATTRIBUTES.encode(): attributes} if attributes is not None else {})
    assert_refused(server, server.http.post("/invocations", content=b"no photo", headers=headers), code, words)


# Photos.


def png(size: tuple[int, int], rows: bytes = b"") -> bytes:
    """A black and white PNG file (its specification, section 11.2), whatever its rows really are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", *size, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"\0\1\2\3 no photo", "image_unsupported", "no known picture format: export the photo as JPEG or PNG"),
        (b"", "image_empty", "send the file itself"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image_unsupported", "an SVG drawing"),
        (b"<!doctype html><title>404</title>", "image_unsupported", "an HTML page"),
        (b"%PDF-1.7", "image_unsupported", "a PDF document"),
        (png((100, 100)), "image_truncated", "send it again, or export it anew"),
        (png((30_000, 30_000), bytes(1000)), "image_too_large", "30000 × 30000 pixels, 900.0 million"),
    ],
    ids=lambda value: str(value[:20]) if isinstance(value, bytes) else "",
)
def test_files_that_are_no_photo(content: bytes, code: str, words: str, server: "Server") -> None:
    answer = server.http.post(
        "/invocations", files={"image": ("photo.jpg", content, "image/jpeg")}, data={"boxes": json.dumps([CUP])}
    )
    assert_refused(server, answer, code, words)


def test_a_photo_that_ends_too_early(server: "Server", photo: bytes) -> None:
    answer = server.http.post("/invocations", files={"image": photo[:3000]}, data={"boxes": json.dumps([CUP])})
    assert_refused(server, answer, "image_truncated", "JPEG")


def test_photos_of_many_kinds_are_read(server: "Server", photo: bytes) -> None:
    with Image.open(io.BytesIO(photo)) as picture:
        for mode, kind in (("CMYK", "TIFF"), ("L", "PNG"), ("P", "GIF"), ("RGBA", "WEBP"), ("RGB", "AVIF")):
            file = io.BytesIO()
            picture.convert(mode).save(file, kind)
            # No box is inside: the photo is read, and nothing is made.
            fields = {"boxes": "[[900, 0, 999, 9]]"}
            answer = server.http.post("/invocations", files={"image": file.getvalue()}, data=fields)
            assert answer.json()["image"] == {"width": 300, "height": 200, "format": kind}


@pytest.mark.parametrize(
    ("uri", "code", "words"),
    [
        ("s3://gen3d-photos/users/missing.jpg", "image_not_found", "check the bucket and the key"),
        ("s3://no-such-bucket-at-all/users/a.jpg", "image_not_found", "check the bucket and the key"),
        ("s3://gen3d-photos/private/a.jpg", "image_access_denied", "s3:GetObject"),
        ("s3://gen3d-photos/users/huge.jpg", "image_too_large", "GEN3D_MAX_IMAGE_BYTES allows 1000000"),
        ("https://example.org/photo.jpg", "image_uri_invalid", "must be s3://bucket/key"),
        ("file:///etc/passwd", "image_uri_invalid", "must be s3://bucket/key"),
        ("s3://gen3d-photos", "image_uri_invalid", "must be s3://bucket/key"),
        ("s3://Bucket/a\nb", "image_uri_invalid", "must be s3://bucket/key"),
        ("", "image_uri_invalid", "must be s3://bucket/key"),
    ],
)
def test_photos_on_s3_that_cannot_be_had(uri: str, code: str, words: str, server: "Server", s3: "LocalS3") -> None:
    s3.client.put_object(Bucket=s3.bucket, Key="private/a.jpg", Body=b"no photo")
    s3.client.put_object(Bucket=s3.bucket, Key="users/huge.jpg", Body=bytes(1_000_001))
    answer = server.http.post("/invocations", json={"image_uri": uri, "boxes": [CUP]})
    assert_refused(server, answer, code, words)


# Where the results are to go.


@pytest.mark.parametrize(
    ("output_uri", "code", "words"),
    [
        ("file:///etc/", "output_not_allowed", "is not inside a folder of GEN3D_OUTPUT_PREFIXES"),
        ("{folder}/../elsewhere/", "output_uri_invalid", "has '..' for a folder's name"),
        ("{folder}/%2e%2e/elsewhere/", "output_uri_invalid", "has '..' for a folder's name"),
        ("{folder}-sibling/", "output_not_allowed", "is not inside"),
        ("{folder}/link/inside/", "output_not_allowed", "leads through a symbolic link out of"),
        ("{folder}/a%0Ab/", "output_uri_invalid", "for a folder's name"),
        ("s3://gen3d-photos/private/", "output_not_allowed", "is not inside"),
        ("s3://another-bucket/users/", "output_not_allowed", "is not inside"),
        ("/tmp/", "output_uri_invalid", "does not start with s3:// or file:///"),
        ("", "output_uri_invalid", "does not start with s3:// or file:///"),
    ],
)
def test_output_uris(
    output_uri: str, code: str, words: str, server: "Server", storage_folder: Path, tmp_path: Path
) -> None:
    link = storage_folder / "link"
    link.unlink(missing_ok=True)
    link.symlink_to(tmp_path)
    asked = output_uri.format(folder=storage_folder.as_uri())
    answer = server.http.post("/invocations", json={"image_base64": UNREAD, "boxes": [CUP], "output_uri": asked})
    assert_refused(server, answer, code, words)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(server: "Server", storage_folder: Path) -> None:
    (storage_folder / "a-file").write_bytes(b"")
    folder = f"{storage_folder.as_uri()}/a-file/output/"
    answer = server.http.post("/invocations", json={"image_base64": UNREAD, "boxes": [CUP], "output_uri": folder})
    assert_refused(server, answer, "output_not_writable", "a-file")


# The answer's form.


@pytest.mark.parametrize(
    "accept", ["text/html", "image/*", "*/*;q=0", "application/json;q=nan", "nonsense", "x" * 9999]
)
def test_answers_that_cannot_be_had(accept: str, server: "Server") -> None:
    answer = server.http.post("/invocations", json={}, headers={"Accept": accept})
    assert_refused(server, answer, "not_acceptable", "application/json, model/gltf-binary, application/zip")


def test_a_scene_that_is_not_to_be_made(server: "Server") -> None:
    body = {"image_base64": UNREAD, "boxes": [CUP], "options": {"scene": False}}
    answer = server.http.post("/invocations", json=body, headers={"Accept": "model/gltf-binary"})
    assert_refused(server, answer, "invalid_request", "options.scene is false: leave it out, or accept JSON")


# Bodies over the limit, which is 2,000,000 bytes here.


def connect(server: "Server") -> socket.socket:
    return socket.create_connection((server.http.base_url.host, server.http.base_url.port or 0), timeout=30)


def read_answer(connection: socket.socket) -> httpx.Response:
    """One answer with a Content-Length, as it comes."""
    with connection.makefile("rb") as file:
        status = int(file.readline().split()[1])
        headers = dict(line.decode().strip().split(": ", 1) for line in iter(file.readline, b"\r\n"))
        length = {name.lower(): value for name, value in headers.items()}.get("content-length", "0")
        return httpx.Response(status, headers=headers, content=file.read(int(length)))


START = b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: image/jpeg\r\n" + (
    ATTRIBUTES.encode() + b': {"boxes": [[38, 6, 240, 195]]}\r\n'
)


def test_a_body_that_says_it_is_too_large_is_refused_unread(server: "Server") -> None:
    with connect(server) as connection:
        connection.sendall(START + b"Content-Length: 999999999999\r\n\r\n")
        assert_refused(server, read_answer(connection), "body_too_large", "larger than 2000000 bytes")


def test_a_client_that_asks_first_is_told_before_it_sends_a_byte(server: "Server", photo: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(START + b"Expect: 100-continue\r\nContent-Length: 2000001\r\n\r\n")
        assert_refused(server, read_answer(connection), "body_too_large", "send a smaller photo")
    with connect(server) as connection:
        connection.sendall(START + b"Expect: 100-continue\r\nContent-Length: 8\r\n\r\n")
        assert read_answer(connection).status_code == 100
        connection.sendall(b"no photo")
        assert_refused(server, read_answer(connection), "image_unsupported")


def test_a_body_without_a_length_is_cut_off_at_the_limit_and_not_kept(server: "ServerProcess") -> None:
    process = psutil.Process(server.process.pid)
    piece = b"%x\r\n%s\r\n" % (500_000, bytes(500_000))
    with connect(server) as connection:
        connection.sendall(START + b"Transfer-Encoding: chunked\r\n\r\n" + piece * 4 + b"1\r\n")
        connection.sendall(b"x\r\n")
        assert_refused(server, read_answer(connection), "body_too_large", "larger than 2000000 bytes")
        before = process.memory_info().rss
        for _ in range(200):
            connection.sendall(piece)
        connection.sendall(b"0\r\n\r\nGET /ping HTTP/1.1\r\nHost: here\r\n\r\n")
        assert read_answer(connection).json()["status"] == "ready"
        assert process.memory_info().rss - before < 20_000_000


def test_a_body_as_large_as_the_limit_is_read(server: "Server") -> None:
    answer = server.http.post(
        "/invocations",
        content=bytes(2_000_000),
        headers={"Content-Type": "image/jpeg", ATTRIBUTES: '{"boxes": [[38, 6, 240, 195]]}'},
    )
    assert_refused(server, answer, "image_unsupported")


def test_what_is_not_http_is_refused_by_the_http_library_and_logged(server: "Server") -> None:
    with connect(server) as connection:
        connection.sendall(b"\x16\x03\x01" + os.urandom(100) + b"\r\n\r\n")
        assert b"400 Bad Request" in connection.recv(1000)
    assert [line for line in server.log() if line["message"] == "Invalid HTTP request received."]
