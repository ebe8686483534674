import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

import serve.contract
from serve.contract import Artefact, Box, Camera, Options, Perspective, Request, json_schema

SCHEMA = Path(serve.contract.__file__).with_name("contract.schema.json")


def test_the_published_schema_is_up_to_date() -> None:
    assert SCHEMA.read_text() == json_schema(), "run `make schema`"


def test_the_schema_names_every_part_of_the_contract() -> None:
    assert {"Request", "Manifest", "Progress", "ErrorBody"} <= set(json.loads(json_schema())["$defs"])


def test_a_box_is_written_in_two_ways() -> None:
    assert Box.model_validate([1, 2, 3.5, 4]) == Box(x_min=1, y_min=2, x_max=3.5, y_max=4)
    assert Box.model_validate({"x_min": 1, "y_min": 2, "x_max": 3, "y_max": 4, "label": "cup"}).label == "cup"


@pytest.mark.parametrize("box", [[1, 2, 3], [1, 2, 3, 4, 5], ["1", 2, 3, 4], [1, 2, 3, True], [1, 2, 3, float("nan")]])
def test_what_is_no_box(box: list[object]) -> None:
    with pytest.raises(ValidationError):
        Box.model_validate(box)


def test_a_misspelt_option_is_never_ignored() -> None:
    with pytest.raises(ValidationError, match="qualty"):
        Options.model_validate({"qualty": "high"})


def test_a_photo_in_a_request_is_not_printed() -> None:
    request = Request.model_validate({"image_base64": "c2VjcmV0", "boxes": [[0, 0, 9, 9]]})
    assert "c2VjcmV0" not in repr(request)


def test_an_artefact_lies_in_one_place() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Artefact(name="a", media_type="b/c", bytes=0, sha256="0" * 64, uri="file:///a", base64="")


def test_a_camera_is_of_the_kind_it_says() -> None:
    cameras: TypeAdapter[Camera] = TypeAdapter(Camera)
    pinhole = {"type": "perspective", "position": [0, 0, 0], "yfov": 0.8, "aspect_ratio": 1.5}
    assert isinstance(cameras.validate_python(pinhole), Perspective)
    with pytest.raises(ValidationError, match="aspect_ratio"):
        cameras.validate_python({**pinhole, "type": "orthographic"})
