"""What a person asks for, read from JSON and checked. Knows no S3.

The rules are the contract's; a test holds what passes here to what the server takes.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

from lambdas.jobs.errors import ApiError
from lambdas.shared.job_folder import LONGEST_LABEL, to_label
from lambdas.shared.pictures import MEDIA_TYPES

QUALITIES: Final = ("draft", "standard", "high")
FORMATS: Final = ("glb", "obj", "stl", "ply", "usdz", "splats")
TEXTURE_FORMATS: Final = ("jpeg", "png", "webp")
SWITCHES: Final = ("normal_map", "scene")
# Least and most.
SEEDS: Final = (0, 2**32 - 1)
FACES: Final = (1_000, 1_000_000)
TEXTURE_SIZES: Final = (64, 8192)
_SIDES: Final = ("x_min", "y_min", "x_max", "y_max")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_BODY = 100_000
_LONGEST_FILE_NAME = 255


@dataclass(frozen=True)
class Asked:
    """A new job as it is asked for.

    Attributes:
        boxes: As the contract has them, each an object.
        options: As given; what is not given is the server's to choose.
        media_type: The photo's, as announced.
        size: The photo's, in bytes, as announced.
        label: The user's name for the job, at first the file's.
    """

    boxes: list[dict[str, Any]]
    options: dict[str, Any]
    media_type: str
    size: int
    label: str


def read_body(text: str) -> dict[str, Any]:
    """The JSON object in a body.

    Raises:
        ApiError: `invalid_json` or `invalid_request`.
    """
    if len(text) > _LONGEST_BODY:
        raise ApiError("invalid_request", f"The body has {len(text)} characters, at most {_LONGEST_BODY} are read.")
    try:
        body = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ApiError("invalid_json", "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise ApiError("invalid_request", "The body must be a JSON object.")
    return body


def read_job(body: dict[str, Any], *, max_boxes: int, max_image_bytes: int) -> Asked:
    """A new job.

    Raises:
        ApiError: What is wrong with it.
    """
    _only(body, "The body", "boxes", "options", "file", "label")
    boxes = body.get("boxes")
    if not isinstance(boxes, list):
        raise ApiError("invalid_request", "boxes must be a JSON array.")
    if not boxes:
        raise ApiError("no_boxes", "There is no box: draw at least one.")
    if len(boxes) > max_boxes:
        raise ApiError("too_many_boxes", f"There are {len(boxes)} boxes, at most {max_boxes}.", max_boxes=max_boxes)
    options = body.get("options", {})
    _check_options(options)
    name, media_type, size = _read_file(body.get("file"), max_image_bytes)
    label = read_label(body["label"]) if body.get("label") is not None else _label_of_file(name)
    return Asked([_box(box, index) for index, box in enumerate(boxes)], options, media_type, size, label)


def read_label(label: object) -> str:
    """A job's name.

    Raises:
        ApiError: `invalid_label`.
    """
    if not isinstance(label, str):
        raise ApiError("invalid_label", "The label must be a string.")
    try:
        return to_label(label)
    except ValueError as error:
        raise ApiError("invalid_label", f"The label {error}.") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _only(given: object, what: str, *known: str) -> None:
    if not isinstance(given, dict):
        raise ApiError("invalid_request", f"{what} must be a JSON object.")
    unknown = [name for name in given if name not in known]
    if unknown:
        shown = "".join(character if character.isprintable() else "?" for character in unknown[0][:80])
        raise ApiError("invalid_request", f"{what} has no field '{shown}'; it may have {', '.join(known)}.")


def _box(given: object, index: int) -> dict[str, Any]:
    """A box as the contract has it, from either of its forms."""
    if isinstance(given, list):
        if len(given) != 4:
            raise ApiError("invalid_box", f"boxes[{index}] needs four numbers, it has {len(given)}.")
        given = dict(zip(_SIDES, given, strict=True))
    _only(given, f"boxes[{index}]", *_SIDES, "label")
    assert isinstance(given, dict)  # noqa: S101 - _only has seen to it
    box: dict[str, Any] = {}
    for side in _SIDES:
        value = given.get(side)
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise ApiError("invalid_box", f"boxes[{index}].{side} must be a finite number.")
        box[side] = value
    label = given.get("label")
    if label is not None:
        if not isinstance(label, str) or len(label) > LONGEST_LABEL or _CONTROL.search(label):
            rule = f"a string of at most {LONGEST_LABEL} characters without control characters"
            raise ApiError("invalid_request", f"boxes[{index}].label must be {rule}.")
        box["label"] = label
    return box


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def _check_options(options: object) -> None:
    _only(options, "options", "quality", "seed", "formats", "faces", "texture_size", "texture_format", *SWITCHES)
    assert isinstance(options, dict)  # noqa: S101 - _only has seen to it
    for name, bounds in (("seed", SEEDS), ("faces", FACES), ("texture_size", TEXTURE_SIZES)):
        value = options.get(name)
        if value is None and (name not in options or name != "seed"):
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not bounds[0] <= value <= bounds[1]:
            raise ApiError("invalid_request", f"options.{name} must be an integer from {bounds[0]} to {bounds[1]}.")
    if "quality" in options and options["quality"] not in QUALITIES:
        raise ApiError("invalid_request", f"options.quality must be one of {', '.join(QUALITIES)}.")
    if "formats" in options:
        formats = options["formats"]
        if not isinstance(formats, list) or not formats or any(each not in FORMATS for each in formats):
            raise ApiError("invalid_request", f"options.formats must be an array with some of {', '.join(FORMATS)}.")
        if len(formats) > len(FORMATS):
            raise ApiError("invalid_request", "options.formats must name each format once.")
    if options.get("texture_format") not in (None, *TEXTURE_FORMATS):
        raise ApiError("invalid_request", f"options.texture_format must be one of {', '.join(TEXTURE_FORMATS)}.")
    for name in SWITCHES:
        if name in options and not isinstance(options[name], bool):
            raise ApiError("invalid_request", f"options.{name} must be true or false.")


def _read_file(given: object, max_image_bytes: int) -> tuple[str, str, int]:
    """The announced photo's name, media type and size."""
    _only(given, "file", "name", "type", "bytes")
    assert isinstance(given, dict)  # noqa: S101 - _only has seen to it
    name, media_type, size = given.get("name"), given.get("type"), given.get("bytes")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_FILE_NAME or _CONTROL.search(name):
        rule = f"a string of 1 to {_LONGEST_FILE_NAME} characters without control characters"
        raise ApiError("invalid_request", f"file.name must be {rule}.")
    if "/" in name or "\\" in name:
        raise ApiError("invalid_request", "file.name must be the file's own name, without folders.")
    if not isinstance(media_type, str) or media_type not in MEDIA_TYPES:
        known = ", ".join(MEDIA_TYPES)
        raise ApiError("image_unsupported", f"file.type must be one of {known}.", types=list(MEDIA_TYPES))
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ApiError("invalid_request", "file.bytes must be the file's size, an integer of at least 1.")
    if size > max_image_bytes:
        message = f"The file has {size} bytes, at most {max_image_bytes} are taken: send a smaller one."
        raise ApiError("image_too_large", message, max_image_bytes=max_image_bytes)
    return name, media_type, size


def _label_of_file(name: str) -> str:
    try:
        return to_label(name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…")
    except ValueError:  # nothing but blanks
        return "photo"
