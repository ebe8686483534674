"""Whatever comes as a request is one, or is refused in one line: here with bytes that nobody thought of."""

import asyncio
import base64
import json
import re
from typing import Any

import pytest
from fastapi import Request as HttpRequest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.responses import JSONResponse
from starlette.types import Message

from serve import forms
from serve.errors import Gen3DError, error_body
from serve.forms import ATTRIBUTES, Asked, read_request, shown


def read(body: bytes, content_type: bytes, attributes: bytes | None = None, piece: int = 4096) -> Asked:
    """What `read_request` makes of a body that comes in pieces, as uvicorn hands it on."""
    headers = [(b"content-type", content_type)]
    if attributes is not None:
        headers.append((ATTRIBUTES.lower().encode(), attributes))
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)] or [b""]
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in pieces]
    messages[-1]["more_body"] = False

    async def receive() -> Message:
        return messages.pop(0)

    http = HttpRequest({"type": "http", "method": "POST", "headers": headers, "app": None}, receive)
    return asyncio.run(read_request(http, max_body_bytes=100_000, max_boxes=3))


def assert_asked_or_refused(body: bytes, content_type: bytes, attributes: bytes | None = None) -> None:
    refusal = None
    try:
        asked = read(body, content_type, attributes)
    except Gen3DError as error:
        refusal = error
    if refusal is not None:
        assert len(refusal.message.splitlines()) == 1
        assert JSONResponse(error_body(refusal)).body
        return
    assert 1 <= len(asked.request.boxes) <= 3
    assert (asked.image is None) == (asked.request.image_uri is not None)


NAMES = st.sampled_from(["boxes", "options", "image_uri", "image_base64", "job_id", "output_uri", "quality", "x_min"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["draft", "QUJD", "s3://b/k"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES | st.text(), inner, max_size=5),
    max_leaves=20,
)
NUMBERS = st.integers(-(10**400), 10**400) | st.floats() | st.integers(-9, 999)
BOXES = st.lists(st.lists(NUMBERS, min_size=4, max_size=4), max_size=4)
# Near enough to a request that much of what is read is right.
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "boxes": BOXES | VALUES,
        "options": st.fixed_dictionaries({}, optional={"quality": VALUES, "seed": NUMBERS, "formats": VALUES}) | VALUES,
        "image_base64": st.text(alphabet="AQgw=\n +/") | VALUES,
        "image_uri": VALUES,
        "job_id": VALUES,
        "output_uri": VALUES,
    },
)


@settings(deadline=None)
@given(VALUES | FIELDS)
def test_json_of_any_content(value: Any) -> None:
    assert_asked_or_refused(json.dumps(value).encode(), b"application/json")
    assert_asked_or_refused(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), b"application/json")


@settings(deadline=None)
@given(st.binary() | st.text().map(str.encode))
@example(b"[" * 50_000)
@example(b'{"":' * 20_000)
@example(b'{"boxes":[' + b"[]," * 30_000 + b"[]]}")
@example(b'{"boxes":[[1,1,1' + b"0" * 5000 + b",1]]}")
@example(b'{"\\ud800":1}')
def test_bytes_for_json(body: bytes) -> None:
    assert_asked_or_refused(body, b"application/json")


@settings(deadline=None)
@given(
    st.binary(max_size=1100)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | FIELDS.map(json.dumps).map(str.encode)
)
def test_headers_of_any_content(attributes: bytes) -> None:
    assert_asked_or_refused(b"a photo", b"image/jpeg", attributes)


PARTS = st.tuples(
    st.sampled_from(
        [b'name="image"; filename="a"', b'name="image"', b'name="boxes"', b'name="options"', b'name="job_id"']
    )
    | st.binary(max_size=20),
    st.binary(max_size=50) | VALUES.map(lambda value: json.dumps(value).encode()) | st.just(b"[[1, 1, 9, 9]]"),
)


# Starlette leaves the file of a part that never ends to Python to close.
@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")
@settings(deadline=None)
@given(
    st.lists(PARTS, max_size=5).map(
        lambda parts: b"".join(b"--b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % part for part in parts)
    )
    | st.binary(),
    st.sampled_from([b"--b--\r\n", b"--b--", b""]) | st.binary(max_size=20),
    st.sampled_from([b"", b"; charset=utf-7", b"; charset=undefined", b"; charset=hex", b"; charset=utf-16"]),
)
@example(b'--b\r\nContent-Disposition: form-data; name="+2AA-"\r\n\r\n\r\n', b"--b--\r\n", b"; charset=utf-7")
def test_forms_of_any_content(body: bytes, end: bytes, charset: bytes) -> None:
    assert_asked_or_refused(body + end, b"multipart/form-data; boundary=b" + charset)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_content_types_of_any_content(content_type: bytes) -> None:
    assert_asked_or_refused(b"--b\r\n\r\n", content_type)
    assert_asked_or_refused(b"--b\r\n\r\n", b"multipart/form-data;" + content_type)


@settings(deadline=None)
@given(st.integers(1, 7))
def test_it_does_not_matter_how_a_body_is_cut_into_pieces(piece: int) -> None:
    body = (
        '{"image_base64": "QUJD", "boxes": [{"x_min": 1, "y_min": 2, "x_max": 3, "y_max": 4, "label": "☕"}]}'.encode()
    )
    asked = read(body, b"application/json", piece=piece)
    assert asked.image == b"ABC"
    assert asked.request.boxes[0].label == "☕"
    assert asked.request.image_base64 is None  # not kept twice


def test_a_field_given_twice_counts_as_given_last() -> None:
    asked = read(
        b'{"boxes": [], "boxes": [[1, 2, 3, 4]], "image_uri": "s3://a/b", "image_uri": "s3://c/d"}', b"application/json"
    )
    assert (len(asked.request.boxes), asked.request.image_uri) == (1, "s3://c/d")


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(1, 80), st.integers(1, 9))
def test_base64_in_lines_of_any_length(photo: bytes, width: int, piece: int) -> None:
    text = base64.b64encode(photo).decode()
    lines = "\r\n".join(text[start : start + width] for start in range(0, len(text), width)) + " \n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "_BASE64_PIECE", piece)
        assert forms._decode_base64(lines) == photo


BASE64 = re.compile("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@settings(deadline=None)
@given(st.text(alphabet="AZaz09+/=_- \n\u2003ä", max_size=30), st.integers(1, 9))
@example("QQ==QUJD", 4)
@example("QQ= =\n", 4)
@example("QQ", 1)
@example("QUJD=", 1)
def test_what_is_base64_does_not_depend_on_how_it_is_cut(text: str, piece: int) -> None:
    whole = "".join(text.split())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "_BASE64_PIECE", piece)
        if BASE64.fullmatch(whole):
            assert forms._decode_base64(text) == base64.b64decode(whole)
        else:
            with pytest.raises(Gen3DError, match="image_not_base64"):
                forms._decode_base64(text)


@settings(deadline=None)
@given(st.text())
def test_what_is_shown_is_short_and_in_one_line(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) <= 80 * len("\\U0010ffff")
    if text.isprintable() and len(text) <= 80:
        assert shown(text) == text
