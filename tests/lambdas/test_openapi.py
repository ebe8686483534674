"""The OpenAPI file and the handlers say the same: routes, shapes, words and bounds."""

import ast
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from lambdas.jobs import asking
from lambdas.jobs.errors import ApiError
from lambdas.jobs.handler import ROUTES
from lambdas.jobs.logic import PAGE
from lambdas.shared.documents import OUTCOME_CODES
from lambdas.shared.job_folder import LONGEST_LABEL, Status
from lambdas.shared.pictures import MEDIA_TYPES
from serve.contract import Stage
from tests.lambdas.rig import World, person, picture

SPEC: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "lambdas" / "jobs" / "openapi.yaml").read_text())
SCHEMAS = SPEC["components"]["schemas"]
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
KNOWN = {
    "$ref", "type", "const", "enum", "anyOf", "required", "properties", "additionalProperties", "items", "minItems",
    "maxItems", "minimum", "maximum", "minLength", "maxLength", "pattern", "description", "default",
}  # fmt: skip


def fits(value: Any, schema: dict[str, Any], where: str = "$") -> None:
    """Fails where a value is not what a schema says; the schemas may say what is in KNOWN."""
    assert set(schema) <= KNOWN, where
    if "$ref" in schema:
        return fits(value, SCHEMAS[schema["$ref"].rpartition("/")[2]], where)
    if "anyOf" in schema:
        assert any(_passes(value, each, where) for each in schema["anyOf"]), (where, value)
    if "const" in schema:
        assert value == schema["const"], where
    if "enum" in schema:
        assert value in schema["enum"], (where, value)
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        kinds = tuple(
            kind for name in names for kind in (TYPES[name] if isinstance(TYPES[name], tuple) else [TYPES[name]])
        )
        assert isinstance(value, kinds), (where, value)
        assert not isinstance(value, bool) or bool in kinds, (where, value)
    if isinstance(value, dict):
        assert set(schema.get("required", [])) <= set(value), where
        rest = schema.get("additionalProperties", True)
        for name, item in value.items():
            inner = schema.get("properties", {}).get(name, rest)
            assert inner is not False, f"{where}.{name}"
            if isinstance(inner, dict):
                fits(item, inner, f"{where}.{name}")
    if isinstance(value, list):
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)), where
        for index, item in enumerate(value):
            fits(item, schema.get("items", {}), f"{where}[{index}]")
    if isinstance(value, str):
        assert schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)), where
        assert re.search(schema.get("pattern", ""), value), (where, value)
    if isinstance(value, int | float):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), where
    return None


def _passes(value: Any, schema: dict[str, Any], where: str) -> bool:
    try:
        fits(value, schema, where)
    except AssertionError:
        return False
    return True


def answer_schema(method: str, path: str, status: int) -> dict[str, Any] | None:
    """What the file says of an answer's body; None where it has none."""
    responses = SPEC["paths"][path][method.lower()]["responses"]
    said = responses.get(str(status)) or responses["default"]
    if "$ref" in said:
        said = SPEC["components"]["responses"][said["$ref"].rpartition("/")[2]]
    schema = said.get("content", {}).get("application/json", {}).get("schema")
    assert schema is None or isinstance(schema, dict)
    return schema


def test_the_routes_are_the_files() -> None:
    said = {path: {name.upper() for name in methods if name != "parameters"} for path, methods in SPEC["paths"].items()}
    assert said == {path: set(methods) for path, methods in ROUTES.items()}


def test_the_words_and_bounds_are_the_codes() -> None:
    assert set(SCHEMAS["Status"]["enum"]) == set(get_args(Status)) - {"deleted"}
    assert SCHEMAS["Label"]["maxLength"] == LONGEST_LABEL
    assert SCHEMAS["NewJob"]["properties"]["file"]["properties"]["type"]["enum"] == list(MEDIA_TYPES)
    assert SCHEMAS["Summary"]["properties"].items() <= SCHEMAS["Job"]["properties"].items()
    assert set(SCHEMAS["Summary"]["properties"]["stage"]["enum"]) == {*get_args(Stage), None}
    options = SCHEMAS["Options"]["properties"]
    assert tuple(options["quality"]["enum"]) == asking.QUALITIES
    assert tuple(options["formats"]["items"]["enum"]) == asking.FORMATS
    assert tuple(options["texture_format"]["enum"]) == (*asking.TEXTURE_FORMATS, None)
    assert {name for name, each in options.items() if each.get("type") == "boolean"} == set(asking.SWITCHES)
    for name, bounds in (("seed", asking.SEEDS), ("faces", asking.FACES), ("texture_size", asking.TEXTURE_SIZES)):
        assert (options[name]["minimum"], options[name]["maximum"]) == bounds
    (limit,) = [each for each in SPEC["paths"]["/api/jobs"]["get"]["parameters"] if each["name"] == "limit"]
    assert limit["schema"]["maximum"] == PAGE


def test_the_codes_of_outcomes_are_all_listed_and_all_there_are() -> None:
    said = re.findall(r"^- `(\w+)`: (.+)$", SCHEMAS["Problem"]["properties"]["code"]["description"], re.MULTILINE)
    assert dict(said) == OUTCOME_CODES
    rooms = Path(__file__).parents[2] / "lambdas"
    written = set()
    for file in rooms.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("ended", "Problem"):
                code = node.args[1 if node.func.id == "ended" else 0]
                if isinstance(code, ast.Constant):
                    written.add(code.value)
                else:  # the one place that hands a code on
                    assert file.name == "outcomes.py"
    assert written == set(OUTCOME_CODES)


def test_every_answer_has_the_shape_that_the_file_says(world: World) -> None:
    ada = person()
    seen: set[tuple[str, str, int]] = set()

    def ask(method: str, path: str, body: Any = None, job: str = "", query: dict[str, str] | None = None) -> Any:
        status, answer = world.api(ada, method, path.replace("{job}", job), body, query)
        schema = answer_schema(method, path, status)
        assert (schema is None) == (answer is None)
        if schema is not None:
            fits(answer, schema if status < 400 else SCHEMAS["ErrorBody"])
            assert ("schema_version" in answer) == (status < 400)
        seen.add((method, path, status))
        return answer

    asked = {
        "boxes": [[1, 2, 9, 8], {"x_min": 0, "y_min": 0, "x_max": 5, "y_max": 5, "label": "cup"}],
        "options": {"quality": "high", "faces": None},
        "file": {"name": "cup.jpg", "type": "image/jpeg", "bytes": len(picture())},
    }
    fits(asked, SCHEMAS["NewJob"])
    made = ask("POST", "/api/jobs", asked)
    job = made["id"]
    ask("GET", "/api/jobs/{job}", job=job)
    world.upload(made["upload"], picture())
    world.drain()
    world.begin()
    ask("GET", "/api/jobs/{job}", job=job)
    ask("GET", "/api/jobs")
    ask("POST", "/api/jobs/{job}/retry", job=job)
    world.finish(status="partial")
    world.drain()
    ask("GET", "/api/jobs/{job}", job=job)
    ask("POST", "/api/jobs/{job}/cancel", job=job)
    world.later(seconds=1)
    again = ask("POST", "/api/jobs/{job}/retry", job=job)["id"]
    ask("POST", "/api/jobs/{job}/cancel", job=again)
    ask("GET", "/api/jobs/{job}", job=again)
    ask("PUT", "/api/jobs/{job}/label", {"label": "mine"}, job=job)
    ask("PUT", "/api/jobs/{job}/label", {"label": ""}, job=job)
    ask("GET", "/api/jobs", query={"limit": "1"})
    ask("GET", "/api/jobs", query={"limit": "100"})
    ask("POST", "/api/jobs", {})
    ask("GET", "/api/limits")
    ask("DELETE", "/api/jobs/{job}", job=job)
    ask("DELETE", "/api/jobs/{job}", job="x")
    told = {(method, path) for path, methods in ROUTES.items() for method in methods}
    assert {(method, path) for method, path, status in seen if status < 300} == told


@pytest.mark.parametrize(
    ("answer", "schema"),
    [
        ({"error": {"code": "x", "message": "y"}}, "ErrorBody"),
        ({"schema_version": "1.0", "id": "x", "status": "waiting"}, "ChangedJob"),
        ({"schema_version": "1.0", "jobs": [], "next": None, "more": 1}, "Page"),
        ({"x_min": True, "y_min": 0, "x_max": 5, "y_max": 5}, "NamedBox"),
    ],
)
def test_the_check_of_shapes_can_fail(answer: Any, schema: str) -> None:
    with pytest.raises(AssertionError):
        fits(answer, SCHEMAS[schema])


def test_errors_have_the_files_shape() -> None:
    fits(ApiError("no_boxes", "Draw one.", most=1).body(), SCHEMAS["ErrorBody"])
