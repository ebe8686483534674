"""The three forms a request may come in, read into the one contract. Knows HTTP bodies; does no work on them."""

import asyncio
import base64
import binascii
from dataclasses import dataclass
from typing import Any

from fastapi import Request as HttpRequest
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from serve.contract import Box, Options, Request
from serve.errors import Gen3DError

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
_LONGEST_ATTRIBUTES = 1024
_PARTS = ("image", "boxes", "options", "job_id", "output_uri")
_JSON_PARTS = ("boxes", "options")
_LONGEST_SHOWN = 80
# What is decoded at a time, so that no other thread waits long for Python's lock.
_BASE64_PIECE = 2**20

# pydantic's words for what it wants, where JSON has others.
_SAID = {
    "model_type": "must be a JSON object",
    "tuple_type": "must be a JSON array",
    "too_short": "must not be empty",
}
# And what the patterns of its fields mean.
_MATCHES = {
    "job_id": "must be 1 to 64 letters, digits, '.', '_' or '-', and begin with a letter or a digit",
    "label": "must have no control characters, such as line breaks, in it",
}


@dataclass(frozen=True)
class Asked:
    """What was asked for, and the photo's bytes unless they lie at `request.image_uri`."""

    request: Request
    image: bytes | None


async def read_request(http: HttpRequest, *, max_body_bytes: int, max_boxes: int) -> Asked:
    """Reads the body, which may be JSON, multipart/form-data or the photo itself.

    Raises:
        Gen3DError: What is wrong with it.
        ClientDisconnect: The client went away before all of it had come.
    """
    declared = http.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_body_bytes:
        raise _too_large(max_body_bytes)
    limited = HttpRequest(http.scope, _limited(http.receive, max_body_bytes))
    media_type = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return await _from_json(await limited.body(), max_boxes)
    if media_type == "multipart/form-data":
        return await _from_form(limited, max_boxes)
    if media_type.startswith("image/"):
        return _from_photo(await limited.body(), http.headers.get(ATTRIBUTES), max_boxes)
    message = (
        f"The Content-Type is '{shown(media_type)}': send application/json, multipart/form-data or image/* instead."
        if media_type
        else "There is no Content-Type: send application/json, multipart/form-data or image/*."
    )
    raise Gen3DError("unsupported_media_type", message)


def shown(text: str) -> str:
    """What a client wrote, fit for a message of one line: not long, and what cannot be printed escaped."""
    if len(text) > _LONGEST_SHOWN:
        text = text[: _LONGEST_SHOWN - 1] + "…"
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _too_large(limit: int) -> Gen3DError:
    message = f"The body is larger than {limit} bytes: send a smaller photo, or put it on S3 and send its image_uri."
    return Gen3DError("body_too_large", message, limit=limit)


def _limited(receive: Receive, limit: int) -> Receive:
    """A body that ends in `body_too_large` once more than `limit` bytes have come."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise _too_large(limit)
        return message

    return counted


async def _from_json(body: bytes, max_boxes: int) -> Asked:
    request = _validated(_json(body, "The body", max_boxes), max_boxes)
    if request.image_base64 is not None and request.image_uri is not None:
        raise Gen3DError("image_ambiguous", "Both image_uri and image_base64 are there: send one of them.")
    if request.image_base64 is not None:
        image = await asyncio.to_thread(_decode_base64, request.image_base64)
        return Asked(request.model_copy(update={"image_base64": None}), image)
    if request.image_uri is None:
        raise Gen3DError("image_missing", "There is no photo: send image_uri or image_base64.")
    return Asked(request, None)


def _decode_base64(text: str) -> bytes:
    """The bytes that standard base64 (RFC 4648, section 4) stands for; whitespace may be anywhere in it."""
    decoded = bytearray()
    rest = ""
    try:
        for start in range(0, len(text), _BASE64_PIECE):
            piece = rest + "".join(text[start : start + _BASE64_PIECE].split())
            whole = max(0, len(piece) - 1) // 4 * 4  # without the last group, which alone may be padded
            if "=" in piece[:whole]:
                raise ValueError("something follows its padding")
            decoded += base64.b64decode(piece[:whole], validate=True)
            rest = piece[whole:]
        decoded += base64.b64decode(rest, validate=True)
    except (binascii.Error, ValueError) as error:
        said = str(error).rstrip(".")
        message = f"image_base64 is not standard base64 ({said}): encode the photo file, and put no 'data:' before it."
        raise Gen3DError("image_not_base64", message) from None
    return bytes(decoded)


async def _from_form(http: HttpRequest, max_boxes: int) -> Asked:
    fields: dict[str, Any] = {}
    image = None
    try:
        # One more than can be right, so that the message can name the one that is too many.
        async with http.form(max_files=len(_PARTS) + 1, max_fields=len(_PARTS) + 1) as form:
            for name, value in form.multi_items():
                if name not in _PARTS:
                    message = f"'{shown(name)}' is no part of a request; its parts are {', '.join(_PARTS)}."
                    raise Gen3DError("invalid_request", message)
                if name in fields or (name == "image" and image is not None):
                    code = "image_ambiguous" if name == "image" else "invalid_request"
                    raise Gen3DError(code, f"There are two parts named '{name}': send one.")
                content = await value.read() if isinstance(value, UploadFile) else value
                if name == "image":
                    if isinstance(content, str):
                        message = "The part 'image' is text: send the photo as a file (curl: -F image=@photo.jpg)."
                        raise Gen3DError("image_missing", message)
                    image = content
                elif name in _JSON_PARTS:
                    fields[name] = _json(content, f"The part '{name}'", max_boxes)
                else:
                    fields[name] = content if isinstance(content, str) else content.decode("utf-8", "replace")
    except HTTPException as error:
        raise Gen3DError("invalid_request", f"The multipart body cannot be read: {error.detail}") from None
    except UnicodeError as error:
        raise Gen3DError("invalid_request", f"The multipart body is not in the charset it names: {error}.") from None
    if image is None:
        raise Gen3DError("image_missing", "There is no photo: send it as a part named 'image'.")
    return Asked(_validated(fields, max_boxes), image)


def _from_photo(body: bytes, attributes: str | None, max_boxes: int) -> Asked:
    if attributes is None:
        raise Gen3DError(
            "no_boxes", f'There is no box: send {{"boxes": [[x0, y0, x1, y1]]}} in the header {ATTRIBUTES}.'
        )
    if len(attributes) > _LONGEST_ATTRIBUTES:
        message = f"The header {ATTRIBUTES} has {len(attributes)} characters; SageMaker takes {_LONGEST_ATTRIBUTES}."
        raise Gen3DError("invalid_request", message)
    # Header values come decoded as Latin-1, whatever they are; JSON is in UTF-8.
    fields = _json(attributes.encode("latin-1"), f"The header {ATTRIBUTES}", max_boxes)
    if not isinstance(fields, dict):
        message = f'The header {ATTRIBUTES} must hold a JSON object such as {{"boxes": [[x0, y0, x1, y1]]}}.'
        raise Gen3DError("invalid_request", message)
    for name in ("image_uri", "image_base64"):
        if name in fields:
            raise Gen3DError("image_ambiguous", f"The body is the photo, so '{name}' cannot be given too.")
    return Asked(_validated(fields, max_boxes), body)


def _json(source: str | bytes, what: str, max_boxes: int) -> Any:
    """The JSON value; a byte order mark before it is ignored (RFC 8259, section 8.1 allows it)."""
    text = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    # Millions of tiny values would take gigabytes and minutes before anybody could count them. A box has no more than
    # four commas, one after it, and those in its label.
    if text.count(b",") > 100 * (max_boxes + 1):
        message = f"{what} has far more values in it than the {max_boxes} boxes of one request can have: send fewer."
        raise Gen3DError("too_many_boxes", message, limit=max_boxes)
    try:
        return from_json(text.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise Gen3DError("invalid_json", f"{what} is not JSON: {error}.") from None


def _validated(fields: Any, max_boxes: int) -> Request:
    """The request in the contract's terms, or an error that names the field."""
    boxes = fields.get("boxes") if isinstance(fields, dict) else None
    if isinstance(boxes, list) and len(boxes) > max_boxes:
        message = f"{len(boxes)} boxes are more than the {max_boxes} that one request may hold: send several requests."
        raise Gen3DError("too_many_boxes", message, limit=max_boxes)
    try:
        request = Request.model_validate(fields)
    except ValidationError as error:
        raise _refusal(error) from None
    if not request.boxes:
        raise Gen3DError("no_boxes", "There is no box: give at least one, [x_min, y_min, x_max, y_max] in pixels.")
    return request


def _refusal(error: ValidationError) -> Gen3DError:
    """The first thing that is wrong, and where."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    kind, at = first["type"], first["loc"]
    if kind == "missing" and at == ("boxes",):
        return Gen3DError("no_boxes", "There is no box: give 'boxes', each [x_min, y_min, x_max, y_max].")
    is_box = len(at) > 1 and at[0] == "boxes"
    if kind == "extra_forbidden":
        model: type[BaseModel] = Request if len(at) == 1 else Box if is_box else Options
        said = f"there is no such field; there are {', '.join(model.model_fields)}"
    elif kind == "model_type" and is_box:
        said = "a box must be [x_min, y_min, x_max, y_max], or a JSON object with these names"
    elif kind == "string_pattern_mismatch":
        said = _MATCHES.get(str(at[-1]), first["msg"])
    else:
        said = _SAID.get(kind, first["msg"].removeprefix("Value error, "))
    place = shown("".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at).lstrip("."))
    code = "invalid_box" if is_box else "invalid_request"
    return Gen3DError(code, f"{place or 'The request'}: {said}.", field=place)
