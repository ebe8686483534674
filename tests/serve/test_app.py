"""The contract, over HTTP: three forms of a request, three of an answer, and where the results go."""

import base64
import hashlib
import http.client
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from PIL import Image

from serve.contract import Artefact, ErrorBody, Manifest, Progress
from serve.forms import ATTRIBUTES

if TYPE_CHECKING:
    from tests.serve.conftest import LocalS3, Server

JSON, GLB, ZIP = "application/json", "model/gltf-binary", "application/zip"
CUP = [38, 6, 240, 195]
DRAFT = {"quality": "draft"}
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"

Ask = Callable[..., httpx.Response]


def as_json(server: "Server", photo: bytes, fields: dict[str, Any], accept: str = JSON) -> httpx.Response:
    body = {"image_base64": base64.b64encode(photo).decode(), **fields}
    return server.http.post("/invocations", json=body, headers={"Accept": accept})


def as_form(server: "Server", photo: bytes, fields: dict[str, Any], accept: str = JSON) -> httpx.Response:
    parts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return server.http.post("/invocations", data=parts, files={"image": photo}, headers={"Accept": accept})


def as_photo(server: "Server", photo: bytes, fields: dict[str, Any], accept: str = JSON) -> httpx.Response:
    attributes = json.dumps(fields, ensure_ascii=False).encode()
    headers = {b"Content-Type": b"image/jpeg", ATTRIBUTES.encode(): attributes, b"Accept": accept.encode()}
    return server.http.post("/invocations", content=photo, headers=headers)


def artefacts_of(manifest: Manifest) -> list[Artefact]:
    masks = [result.mask.artefact for result in manifest.objects if result.mask]
    return [*manifest.artefacts, *masks, *(artefact for result in manifest.objects for artefact in result.artefacts)]


def assert_is(artefact: Artefact, content: bytes) -> None:
    assert (artefact.bytes, artefact.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def node_names(glb: bytes) -> set[str]:
    """Of the JSON chunk, the first one (glTF 2.0, section 4.4)."""
    magic, _, total, length, kind = struct.unpack_from("<4sII I4s", glb)
    assert (magic, total, kind) == (b"glTF", len(glb), b"JSON")
    return {node["name"] for node in json.loads(glb[20 : 20 + length])["nodes"] if "name" in node}


def test_ping_says_which_engine_is_ready(server: "Server") -> None:
    answer = server.http.get("/ping")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "engine": "preview"})


@pytest.mark.parametrize("accept", [JSON, GLB, ZIP])
@pytest.mark.parametrize("ask", [as_json, as_form, as_photo])
def test_three_forms_of_a_request_and_three_of_an_answer(ask: Ask, accept: str, server: "Server", photo: bytes) -> None:
    answer = ask(server, photo, {"boxes": [CUP], "options": DRAFT}, accept)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == accept
    assert answer.headers["X-Gen3D-Status"] == "succeeded"
    job_id = answer.headers["X-Gen3D-Job-Id"]
    assert server.metrics(job_id)["Status"] == "succeeded"

    files: dict[str, bytes] = {}
    if accept == GLB:
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{job_id}.glb"'
        assert "object-0" in node_names(answer.content)
        return
    if accept == ZIP:
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{job_id}.zip"'
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        assert next(iter(files)) == "manifest.json"
        manifest = Manifest.model_validate_json(files.pop("manifest.json"))
    else:
        manifest = Manifest.model_validate_json(answer.content)
        for artefact in artefacts_of(manifest):
            assert artefact.base64 is not None
            files[artefact.name] = base64.b64decode(artefact.base64, validate=True)
    assert manifest.job_id == job_id
    assert set(files) == {
        *("object-0.glb", "object-0.web.glb", "object-0.mask.png"),
        *("scene.glb", "masks.png", "preview.png", "thumbnail.jpg"),
    }
    assert {artefact.name for artefact in artefacts_of(manifest)} == set(files)
    for artefact in artefacts_of(manifest):
        assert artefact.uri is None
        assert_is(artefact, files[artefact.name])
    assert "object-0" in node_names(files["scene.glb"])


def test_the_form_of_a_request_does_not_matter_to_the_result(server: "Server", photo: bytes) -> None:
    fields = {"boxes": [CUP], "options": {**DRAFT, "formats": ["glb", "ply"], "seed": 7}}
    manifests = [
        Manifest.model_validate_json(ask(server, photo, fields).content) for ask in (as_json, as_form, as_photo)
    ]
    assert len({tuple(artefact.sha256 for artefact in artefacts_of(manifest)) for manifest in manifests}) == 1
    assert manifests[0].options == manifests[1].options == manifests[2].options


def test_the_manifest_says_what_was_asked_and_what_was_done(server: "Server", photo: bytes) -> None:
    spoon = {"x_min": 150.5, "y_min": 100, "x_max": 204, "y_max": 1e9, "label": "spoon"}
    answer = as_json(server, photo, {"job_id": "job.1", "boxes": [CUP, spoon], "options": DRAFT})
    manifest = Manifest.model_validate_json(answer.content)
    assert (manifest.job_id, manifest.status, manifest.output_uri) == ("job.1", "succeeded", None)
    assert (manifest.engine.name, manifest.engine.preview, manifest.engine.weights) == ("preview", True, None)
    assert (manifest.image.width, manifest.image.height, manifest.image.format) == (300, 200, "JPEG")
    assert manifest.options.quality == "draft"
    assert set(manifest.timings) >= {"decode", "segment", "reconstruct", "finish", "store"}
    cup, spoon_result = manifest.objects
    assert [cup.index, cup.label, spoon_result.index, spoon_result.label] == [0, None, 1, "spoon"]
    assert spoon_result.requested_box.model_dump() == spoon
    assert spoon_result.box is not None
    assert spoon_result.box.model_dump(exclude_none=True) == {"x_min": 150, "y_min": 100, "x_max": 204, "y_max": 200}
    assert [warning.code for warning in spoon_result.warnings][:1] == ["box_clipped"]
    assert cup.mesh is not None
    assert cup.mesh.closed
    assert cup.mask is not None
    assert cup.mask.artefact.base64 is not None
    with Image.open(io.BytesIO(base64.b64decode(cup.mask.artefact.base64))) as mask:
        assert (mask.size, mask.mode) == ((300, 200), "L")
        assert cup.mask.pixels == sum(mask.histogram()[128:])


def test_one_bad_box_never_costs_the_others(server: "Server", photo: bytes) -> None:
    boxes = [[400, 0, 500, 100], CUP, [20, 30, 10, 40], [5, 5, 6, 6]]
    answer = as_json(server, photo, {"boxes": boxes, "options": DRAFT})
    assert (answer.status_code, answer.headers["X-Gen3D-Status"]) == (200, "partial")
    manifest = Manifest.model_validate_json(answer.content)
    codes = [result.error.code if result.error else None for result in manifest.objects]
    assert codes == ["box_outside_image", None, "box_reversed", "box_too_small"]
    assert [result.index for result in manifest.objects] == [0, 1, 2, 3]
    assert {artefact.name for artefact in artefacts_of(manifest)} >= {"object-1.glb", "object-1.mask.png", "scene.glb"}


def test_a_box_over_plain_sky_is_that_objects_failure(server: "Server", photo: bytes) -> None:
    with Image.open(io.BytesIO(photo)) as picture:
        picture.paste((120, 160, 220), (240, 0, 300, 200))
        file = io.BytesIO()
        picture.save(file, "PNG")
    answer = as_form(server, file.getvalue(), {"boxes": [[250, 10, 295, 190], CUP], "options": DRAFT})
    sky, cup = Manifest.model_validate_json(answer.content).objects
    assert sky.error is not None
    assert (sky.error.code, cup.status) == ("no_object_in_box", "succeeded")


@pytest.mark.parametrize("accept", [JSON, GLB, ZIP])
def test_when_every_object_failed(accept: str, server: "Server", photo: bytes) -> None:
    answer = as_form(server, photo, {"boxes": [[400, 0, 500, 100]], "options": DRAFT}, accept)
    if accept == GLB:
        assert answer.status_code == 422
        error = ErrorBody.model_validate_json(answer.content).error
        assert error.code == "nothing_made"
        assert [reason["code"] for reason in error.details["objects"]] == ["box_outside_image"]
        return
    assert (answer.status_code, answer.headers["X-Gen3D-Status"]) == (200, "failed")
    if accept == ZIP:
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert set(archive.namelist()) == {"manifest.json", "masks.png", "preview.png", "thumbnail.jpg"}
    else:
        assert Manifest.model_validate_json(answer.content).status == "failed"


def test_labels_are_for_people_and_name_no_file(server: "Server", photo: bytes) -> None:
    labels = ["☕ Tasse", "../../etc/passwd", "C:\\nul", "\u202eright to left", "é" * 80, ""]
    boxes = [dict(zip(("x_min", "y_min", "x_max", "y_max"), CUP, strict=True), label=label) for label in labels]
    fields = {"boxes": boxes, "options": {**DRAFT, "formats": ["obj"]}}
    manifest = Manifest.model_validate_json(as_json(server, photo, fields).content)
    assert [result.label for result in manifest.objects] == labels
    of_objects = {f"object-{index}.{ending}" for index in range(6) for ending in ("obj.zip", "mask.png")}
    assert {artefact.name for artefact in artefacts_of(manifest)} == of_objects | {
        "scene.glb",
        "masks.png",
        "preview.png",
        "thumbnail.jpg",
    }
    (scene,) = [artefact for artefact in manifest.artefacts if artefact.name == "scene.glb"]
    assert {*labels[:-1], "object-5"} <= node_names(base64.b64decode(scene.base64 or ""))


def test_a_label_in_a_header_is_utf_8(server: "Server", photo: bytes) -> None:
    box = {"x_min": 400, "y_min": 0, "x_max": 500, "y_max": 9, "label": "Café ☕"}
    answer = as_photo(server, photo, {"boxes": [box]})
    assert answer.json()["objects"][0]["label"] == "Café ☕"


def test_json_may_begin_with_a_byte_order_mark(server: "Server") -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"image_base64": "", "boxes": [CUP]}).encode()
    answer = server.http.post("/invocations", content=body, headers={"Content-Type": JSON})
    assert answer.json()["error"]["code"] == "image_empty"


# Which job it was.


@pytest.mark.parametrize(
    ("inference_id", "field", "job_id"),
    [
        ("from-sagemaker", None, "from-sagemaker"),
        ("from-sagemaker", "the-callers", "the-callers"),
        ("../no job id", "the-callers", "the-callers"),
    ],
)
def test_a_job_is_named_by_its_caller_else_by_sagemaker(
    inference_id: str, field: str | None, job_id: str, server: "Server"
) -> None:
    body = {"image_base64": "", "boxes": [CUP], "job_id": field}
    answer = server.http.post("/invocations", json=body, headers={INFERENCE_ID: inference_id})
    assert answer.headers["X-Gen3D-Job-Id"] == job_id


@pytest.mark.parametrize("inference_id", [b"../x", b"a" * 65, b"", b"a b", "ä".encode(), b"\xff"])
def test_a_job_that_nobody_named_well_gets_a_name(inference_id: bytes, server: "Server") -> None:
    headers = {b"Content-Type": JSON.encode(), INFERENCE_ID.encode(): inference_id}
    answer = server.http.post("/invocations", content=b"{", headers=headers)
    assert len(answer.headers["X-Gen3D-Job-Id"]) == 32


# Where the results go.


def test_results_in_a_folder(server: "Server", photo: bytes, storage_folder: Path) -> None:
    job = storage_folder / "jobs" / "job-1"
    output_uri = (job / "output").as_uri()
    answer = as_json(server, photo, {"job_id": "job-1", "boxes": [CUP], "options": DRAFT, "output_uri": output_uri})
    assert answer.status_code == 200, answer.text
    assert answer.content == (job / "output" / "manifest.json").read_bytes()
    manifest = Manifest.model_validate_json(answer.content)
    assert manifest.output_uri == output_uri + "/"
    for artefact in artefacts_of(manifest):
        assert (artefact.uri, artefact.base64) == (f"{output_uri}/{artefact.name}", None)
        assert_is(artefact, (job / "output" / artefact.name).read_bytes())
    names = {artefact.name for artefact in artefacts_of(manifest)}
    assert {file.name for file in (job / "output").iterdir()} == names | {"manifest.json"}
    assert {file.name for file in job.iterdir()} == {"output", "progress.json"}
    progress = Progress.model_validate_json((job / "progress.json").read_bytes())
    assert (progress.job_id, progress.stage, progress.objects, progress.percent) == ("job-1", "done", 1, 100)


def test_results_on_s3_of_a_photo_on_s3(server: "Server", photo: bytes, s3: "LocalS3") -> None:
    s3.client.put_object(Bucket=s3.bucket, Key="users/ann/jobs/j/image ☕.jpg", Body=photo)
    folder = f"s3://{s3.bucket}/users/ann/jobs/j"
    body = {
        "job_id": "j",
        "image_uri": f"{folder}/image ☕.jpg",
        "boxes": [CUP],
        "options": DRAFT,
        "output_uri": f"{folder}/output/",
    }
    answer = server.http.post("/invocations", json=body)
    assert answer.status_code == 200, answer.text
    manifest = Manifest.model_validate_json(answer.content)

    def stored(name: str) -> tuple[str, bytes]:
        found = s3.client.get_object(Bucket=s3.bucket, Key=f"users/ann/jobs/j/{name}")
        return found["ContentType"], found["Body"].read()

    assert stored("output/manifest.json") == (JSON, answer.content)
    for artefact in artefacts_of(manifest):
        media_type, content = stored(f"output/{artefact.name}")
        assert (artefact.uri, artefact.media_type) == (f"{folder}/output/{artefact.name}", media_type)
        assert_is(artefact, content)
    assert Progress.model_validate_json(stored("progress.json")[1]).percent == 100


@pytest.mark.parametrize("accept", [GLB, ZIP])
def test_results_may_be_stored_and_sent(accept: str, server: "Server", photo: bytes, storage_folder: Path) -> None:
    folder = storage_folder / accept.replace("/", "-")
    answer = as_form(server, photo, {"boxes": [CUP], "options": DRAFT, "output_uri": folder.as_uri()}, accept)
    if accept == GLB:
        assert answer.content == (folder / "scene.glb").read_bytes()
        return
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        for name in archive.namelist():
            assert archive.read(name) == (folder / name).read_bytes()
    assert set(archive.namelist()) | {"progress.json"} == {file.name for file in folder.iterdir()}


def test_a_job_that_fails_as_a_whole_leaves_word_in_its_folder(server: "Server", storage_folder: Path) -> None:
    folder = storage_folder / "failing"
    answer = as_form(server, b"no photo", {"boxes": [CUP], "output_uri": folder.as_uri()})
    assert answer.status_code == 422
    assert Progress.model_validate_json((folder / "progress.json").read_bytes()).stage == "failed"


# What a log tells.


def test_the_log_follows_a_job_and_ends_with_its_metrics(server: "Server", photo: bytes) -> None:
    fields = {"job_id": "followed", "boxes": [CUP, [400, 0, 500, 9]], "options": DRAFT}
    assert as_form(server, photo, fields).status_code == 200
    lines = server.log("followed")
    stages = [(line["stage"], line["object"]) for line in lines if line["message"] == "stage"]
    assert stages[0] == ("decode", None)
    assert stages[-2:] == [("store", None), ("done", None)]
    # One object may overtake another.
    of_object = [[stage for stage, index in stages if index == each] for each in (0, 1)]
    assert of_object == [["segment", "reconstruct", "finish", "store"], ["store"]]
    metrics = server.metrics("followed")
    assert metrics == lines[-1]
    assert (metrics["Engine"], metrics["Status"], metrics["Requests"], metrics["Objects"]) == (
        "preview",
        "partial",
        1,
        2,
    )
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("Gen3D", [["Engine", "Status"]])
    assert {metric["Name"] for metric in directive["Metrics"]} == {"Requests", "Objects", "Latency"}


# HTTP itself.


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ping/",
        "/invocations/",
        "//ping",
        "/PING",
        "/..%2fping",
        "/a%0Ab%1B%FF",
        "/%F0%9F%98%80",
        "/" + "x" * 5000,
    ],
)
def test_other_paths_do_not_exist(path: str, server: "Server") -> None:
    for method in ("GET", "POST"):
        answer = server.http.request(method, path)
        assert answer.status_code == 404
        error = ErrorBody.model_validate_json(answer.content).error
        assert error.code == "not_found"
        assert error.message.endswith(": the server has GET /ping and POST /invocations.")
        assert len(error.message.splitlines()) == 1
        assert len(error.message) < 300


@pytest.mark.parametrize(
    ("path", "allowed", "method"),
    [("/ping", "GET", method) for method in ("HEAD", "OPTIONS", "POST", "DELETE", "BREW")]
    + [("/invocations", "POST", method) for method in ("GET", "HEAD", "OPTIONS", "PUT", "BREW")],
)
def test_other_methods_are_refused_with_the_one_there_is(
    path: str, allowed: str, method: str, server: "Server"
) -> None:
    answer = server.http.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    if method == "HEAD":
        assert answer.content == b""
    else:
        assert answer.json()["error"]["code"] == "method_not_allowed"


def test_a_connection_outlives_an_error(server: "Server", photo: bytes) -> None:
    host, port = server.http.base_url.host, server.http.base_url.port
    connection = http.client.HTTPConnection(host, port, timeout=60)
    connection.connect()
    ours = connection.sock.getsockname()
    for content_type, status in (("text/plain", 415), (JSON, 400), ("image/png", 422)):
        connection.request("POST", "/invocations", body=photo, headers={"Content-Type": content_type})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.request("GET", "/ping")
    assert connection.getresponse().status == 200
    assert connection.sock.getsockname() == ours
    connection.close()
