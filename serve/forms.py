"""The three forms a request may come in, read into the one contract. Knows HTTP bodies; does no work on them."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request as HttpRequest
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from serve.contract import Request
from serve.errors import Gen3DError

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
_LONGEST_ATTRIBUTES = 1024
_PARTS = ("image", "boxes", "options", "job_id", "output_uri")
_JSON_PARTS = ("boxes", "options")


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
        asked = _from_json(await limited.body())
    elif media_type == "multipart/form-data":
        asked = await _from_form(limited)
    elif media_type.startswith("image/"):
        asked = _from_photo(await limited.body(), http.headers.get(ATTRIBUTES))
    else:
        message = (
            f"The Content-Type is '{media_type}': send application/json, multipart/form-data or image/* instead."
            if media_type
            else "There is no Content-Type: send application/json, multipart/form-data or image/*."
        )
        raise Gen3DError("unsupported_media_type", message)
    boxes = asked.request.boxes
    if not boxes:
        raise Gen3DError("no_boxes", "There is no box: give at least one, [x_min, y_min, x_max, y_max] in pixels.")
    if len(boxes) > max_boxes:
        message = f"{len(boxes)} boxes are more than the {max_boxes} that one request may hold: send several requests."
        raise Gen3DError("too_many_boxes", message, limit=max_boxes)
    return asked


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


def _from_json(body: bytes) -> Asked:
    request = _validated(body)
    if request.image_base64 is not None and request.image_uri is not None:
        raise Gen3DError("image_ambiguous", "Both image_uri and image_base64 are there: send one of them.")
    if request.image_base64 is not None:
        try:
            image = base64.b64decode("".join(request.image_base64.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise Gen3DError("image_not_base64", f"image_base64 is not base64: {error}.") from None
        return Asked(request, image)
    if request.image_uri is None:
        raise Gen3DError("image_missing", "There is no photo: send image_uri or image_base64.")
    return Asked(request, None)


async def _from_form(http: HttpRequest) -> Asked:
    fields: dict[str, Any] = {}
    image = None
    try:
        async with http.form(max_files=2, max_fields=16) as form:
            for name, value in form.multi_items():
                if name not in _PARTS:
                    message = f"'{name[:80]}' is no part of a request; its parts are {', '.join(_PARTS)}."
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
                else:
                    text = content if isinstance(content, str) else content.decode("utf-8", "replace")
                    fields[name] = _json(text, f"The part '{name}'") if name in _JSON_PARTS else text
    except HTTPException as error:
        raise Gen3DError("invalid_request", f"The multipart body cannot be read: {error.detail}") from None
    if image is None:
        raise Gen3DError("image_missing", "There is no photo: send it as a part named 'image'.")
    return Asked(_validated(fields), image)


def _from_photo(body: bytes, attributes: str | None) -> Asked:
    if attributes is None:
        raise Gen3DError(
            "no_boxes", f'There is no box: send {{"boxes": [[x0, y0, x1, y1]]}} in the header {ATTRIBUTES}.'
        )
    if len(attributes) > _LONGEST_ATTRIBUTES:
        message = f"The header {ATTRIBUTES} has {len(attributes)} characters; SageMaker takes {_LONGEST_ATTRIBUTES}."
        raise Gen3DError("invalid_request", message)
    fields = _json(attributes, f"The header {ATTRIBUTES}")
    if not isinstance(fields, dict):
        message = f'The header {ATTRIBUTES} must hold a JSON object such as {{"boxes": [[x0, y0, x1, y1]]}}.'
        raise Gen3DError("invalid_request", message)
    for name in ("image_uri", "image_base64"):
        if name in fields:
            raise Gen3DError("image_ambiguous", f"The body is the photo, so '{name}' cannot be given too.")
    return Asked(_validated(fields), body)


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Gen3DError("invalid_json", f"{what} is not JSON: {error}.") from None


def _validated(source: bytes | Mapping[str, Any]) -> Request:
    """The request in the contract's terms, or an error that names the field."""
    try:
        if isinstance(source, bytes):
            return Request.model_validate_json(source)
        return Request.model_validate(source)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise Gen3DError("invalid_json", f"The body is not JSON: {first['msg']}.") from None
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        if place == "boxes" and first["type"] == "missing":
            raise Gen3DError("no_boxes", "There is no box: give 'boxes', each [x_min, y_min, x_max, y_max].") from None
        code = "invalid_box" if place.startswith("boxes[") else "invalid_request"
        said = first["msg"].removeprefix("Value error, ")
        raise Gen3DError(code, f"{place or 'The request'}: {said}", field=place) from None
