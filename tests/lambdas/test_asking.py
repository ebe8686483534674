"""What the API lets through, the server takes: the two meet in the contract's JSON alone."""

import json
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from lambdas.jobs import asking
from lambdas.jobs.asking import read_body, read_job
from lambdas.jobs.errors import KINDS, ApiError
from lambdas.shared.pictures import MEDIA_TYPES, kind_of_picture
from serve.contract import Box, Format, Options, Quality, Request, TextureFormat
from serve.errors import KINDS as SERVER_KINDS
from serve.errors import Gen3DError
from serve.file_kinds import identify

FILE = {"name": "cup.jpg", "type": "image/jpeg", "bytes": 10}
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=100)
coordinates = st.integers(-10, 5000) | st.floats() | st.integers(10**400, 10**401) | scalars
boxes = st.lists(coordinates, max_size=6) | st.dictionaries(
    st.sampled_from(["x_min", "y_min", "x_max", "y_max", "label", "z"]), coordinates
)
options = st.dictionaries(
    st.sampled_from(
        ["quality", "seed", "formats", "faces", "texture_size", "texture_format", "normal_map", "scene", "other"]
    ),
    scalars
    | st.sampled_from(get_args(Quality))
    | st.lists(st.sampled_from([*get_args(Format), "exe"]), max_size=8)
    | st.integers(0, 2**33),
)


@given(st.lists(boxes, max_size=4) | scalars, options | scalars)
def test_whatever_passes_is_taken_by_the_server(some_boxes: Any, some_options: Any) -> None:
    text = json.dumps({"boxes": some_boxes, "options": some_options, "file": FILE})
    try:
        asked = read_job(read_body(text), max_boxes=32, max_image_bytes=1000)
    except ApiError as error:
        refusal = error.message
    else:
        written = json.dumps({"job_id": "a", "boxes": asked.boxes, "options": asked.options})
        request = Request.model_validate_json(written)
        assert len(request.boxes) == len(asked.boxes)
        return
    assert "\n" not in refusal
    assert len(refusal) < 1000


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4), min_size=1, max_size=3
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "quality": st.sampled_from(get_args(Quality)),
            "seed": st.integers(0, 2**32 - 1),
            "formats": st.lists(st.sampled_from(get_args(Format)), min_size=1, unique=True),
            "faces": st.integers(1000, 1_000_000),
            "texture_size": st.integers(64, 8192),
            "texture_format": st.sampled_from([None, *asking.TEXTURE_FORMATS]),
            "normal_map": st.booleans(),
            "scene": st.booleans(),
        },
    ),
)
def test_whatever_the_server_takes_passes(some_boxes: Any, some_options: Any) -> None:
    Options.model_validate(some_options)
    for box in some_boxes:
        Box.model_validate(box)
    text = json.dumps({"boxes": some_boxes, "options": some_options, "file": FILE})
    asked = read_job(read_body(text), max_boxes=32, max_image_bytes=1000)
    assert asked.options == some_options


def test_the_words_and_bounds_are_the_contracts() -> None:
    assert get_args(Quality) == asking.QUALITIES
    assert {name for each in get_args(Format) for name in (get_args(each) or (each,))} == set(asking.FORMATS)
    fields = Options.model_json_schema()["properties"]
    assert set(fields) == {"quality", "seed", "formats", "faces", "texture_size", "texture_format", *asking.SWITCHES}
    assert (fields["seed"]["minimum"], fields["seed"]["exclusiveMaximum"] - 1) == asking.SEEDS
    assert get_args(TextureFormat) == asking.TEXTURE_FORMATS
    for name, bounds in (("faces", asking.FACES), ("texture_size", asking.TEXTURE_SIZES)):
        number = fields[name]["anyOf"][0]
        assert (number["minimum"], number["maximum"]) == bounds


@given(
    st.binary(max_size=64) | st.sampled_from([b"\xff\xd8", b"RIFF....WEBP", b"BM", b"GIF89a", b"\0\0\0\x18ftypheic"])
)
def test_the_lambda_refuses_no_picture_that_the_server_reads(head: bytes) -> None:
    try:
        kind = identify(head)
    except Gen3DError:
        return
    assert kind_of_picture(head) == kind
    assert kind in MEDIA_TYPES.values()


def test_a_code_means_the_same_everywhere() -> None:
    for code in KINDS.keys() & SERVER_KINDS.keys():
        assert KINDS[code][0] == SERVER_KINDS[code].status, code
