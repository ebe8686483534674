"""The API: making a job, uploading its photo, and what nobody may."""

import base64
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.shared.clients import make_client
from lambdas.shared.job_folder import Job, created_at, new_job_id
from lambdas.shared.store import Store
from serve.contract import Request
from tests.lambdas.cloud import Cloud
from tests.lambdas.rig import World, code_of, ended_job, person, picture

FILE = {"name": "cup.jpg", "type": "image/jpeg", "bytes": 5000}
ASKED: dict[str, Any] = {"boxes": [[1, 2, 9, 8]], "file": FILE}


# Making a job.


def test_what_the_lambda_writes_is_what_the_server_reads(world: World) -> None:
    ada = person()
    options = {"quality": "high", "seed": 7, "formats": ["glb", "usdz"], "faces": 20000, "scene": False}
    boxes = [[1, 2.5, 9, 8], {"x_min": 0, "y_min": 0, "x_max": 5, "y_max": 5, "label": "Tasse ☕"}]
    status, made = world.api(ada, "POST", "/api/jobs", {"boxes": boxes, "options": options, "file": FILE})
    assert status == 201
    job = Job(ada.sub, made["id"])
    stored = world.store.get(job.key("request.json"))
    assert stored is not None
    request = Request.model_validate_json(stored.data)
    assert request.job_id == job.id
    assert request.image_uri == f"s3://{world.bucket}/users/{ada.sub}/jobs/{job.id}/image"
    assert request.output_uri == f"s3://{world.bucket}/users/{ada.sub}/jobs/{job.id}/output/"
    assert request.boxes[1].label == "Tasse ☕"
    assert request.options.quality == "high"
    assert request.options.formats == ("glb", "usdz")
    assert ada.email not in stored.data.decode(), "the container has no use for an address"


def test_a_job_is_its_owners_by_the_token_and_not_by_a_field(world: World) -> None:
    ada, eve = person(), person("eve")
    status, _ = world.api(eve, "POST", "/api/jobs", {**ASKED, "sub": ada.sub})
    assert status == 422
    assert world.keys() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "invalid_json"),
        ("[]", "invalid_request"),
        ('{"boxes": [[1, 2, 3, NaN]]}', "invalid_json"),
        ({"boxes": [[1, 2, 9, 8]]}, "invalid_request"),
        ({**ASKED, "boxes": []}, "no_boxes"),
        ({**ASKED, "boxes": [[0, 0, 9, 9]] * 33}, "too_many_boxes"),
        ({**ASKED, "boxes": [[0, 0, 9]]}, "invalid_box"),
        ({**ASKED, "boxes": [[0, 0, 9, "9"]]}, "invalid_box"),
        ({**ASKED, "boxes": [[0, 0, 9, True]]}, "invalid_box"),
        ({**ASKED, "boxes": "all"}, "invalid_request"),
        ({**ASKED, "options": {"quality": "best"}}, "invalid_request"),
        ({**ASKED, "options": {"qualty": "high"}}, "invalid_request"),
        ({**ASKED, "options": {"formats": ["exe"]}}, "invalid_request"),
        ({**ASKED, "options": {"formats": [["glb"]]}}, "invalid_request"),
        ({**ASKED, "options": {"faces": 1}}, "invalid_request"),
        ({**ASKED, "file": {**FILE, "type": "text/html"}}, "image_unsupported"),
        ({**ASKED, "file": {**FILE, "bytes": 10**9}}, "image_too_large"),
        ({**ASKED, "file": {**FILE, "bytes": 0}}, "invalid_request"),
        ({**ASKED, "file": {**FILE, "name": "../../../etc/passwd"}}, "invalid_request"),
        ({**ASKED, "file": {**FILE, "name": "a\nb.jpg"}}, "invalid_request"),
        ({**ASKED, "label": " "}, "invalid_label"),
        ({**ASKED, "label": "a\r\nBcc: all@example.com"}, "invalid_label"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(world: World, body: Any, code: str) -> None:
    status, said = code_of(world.api(person(), "POST", "/api/jobs", body))
    assert said == code
    assert status in (400, 422)
    assert world.keys() == []


def test_the_body_may_come_in_base64(world: World) -> None:
    event = {
        "rawPath": "/api/jobs",
        "requestContext": {
            "http": {"method": "POST", "path": "/api/jobs"},
            "authorizer": {"jwt": {"claims": person().claims()}},
        },
        "body": base64.b64encode(json.dumps(ASKED).encode()).decode(),
        "isBase64Encoded": True,
    }
    with world.working("jobs") as handler:
        assert handler.handle(event, None)["statusCode"] == 201


def test_nobody_has_more_jobs_under_way_than_the_quota(world: World) -> None:
    ada = person()
    jobs = [world.create(ada)[0] for _ in range(5)]
    assert code_of(world.api(ada, "POST", "/api/jobs", ASKED)) == (429, "too_many_open_jobs")
    assert world.api(ada, "GET", "/api/limits")[1]["open_jobs"] == {"used": 5, "most": 5}
    assert world.api(person("grace"), "POST", "/api/jobs", ASKED)[0] == 201
    world.api(ada, "POST", f"/api/jobs/{jobs[0].id}/cancel")
    assert world.api(ada, "POST", "/api/jobs", ASKED)[0] == 201


def test_nobody_makes_more_jobs_in_a_day_than_the_quota(world: World) -> None:
    ada = person()
    most = world.cloud.services["jobs"].settings.max_jobs_a_day
    for _ in range(most):
        world.later(seconds=1)
        world.store.put(Job(ada.sub, new_job_id(world.now)).key("deleted.json"), b"{}")
    assert world.api(ada, "GET", "/api/limits")[1]["jobs_a_day"] == {"used": most, "most": 200}
    assert code_of(world.api(ada, "POST", "/api/jobs", ASKED)) == (429, "too_many_jobs")
    world.later(days=1)
    assert world.api(ada, "POST", "/api/jobs", ASKED)[0] == 201


# Uploading.


def test_a_form_takes_the_announced_photo_and_nothing_else(world: World) -> None:
    ada = person()
    job, upload = world.create(ada)
    size = len(picture())
    assert world.upload(upload, picture() + b"x").status_code == 400, "bigger than announced"
    assert world.upload(upload, picture(), media_type="text/html").status_code == 403
    other = Job(ada.sub, job.id[:-1] + ("0" if job.id[-1] != "0" else "1"))
    for key in (other.key("image"), job.key("request.json"), Job(person().sub, job.id).key("image"), "PUBLIC/x.html"):
        elsewhere = {**upload, "fields": {**upload["fields"], "key": key}}
        assert world.upload(elsewhere, picture()).status_code == 403, key
    untagged = {**upload, "fields": {**upload["fields"], "tagging": "<Tagging><TagSet></TagSet></Tagging>"}}
    assert world.upload(untagged, picture()).status_code == 403
    assert world.upload(upload, b"").status_code == 400
    assert world.upload(upload, picture()).status_code == 204
    stored = world.store.get(job.key("image"))
    assert stored is not None
    assert stored.size == size


def test_a_forms_policy_ends_and_tags_the_photo(world: World) -> None:
    _, upload = world.create(person())
    policy = json.loads(base64.b64decode(upload["fields"]["policy"]))
    left = datetime.fromisoformat(policy["expiration"]) - datetime.now(UTC)
    assert timedelta(minutes=50) < left <= timedelta(minutes=60)
    tags = "<Tagging><TagSet><Tag><Key>Gen3D</Key><Value>input</Value></Tag></TagSet></Tagging>"
    assert {"tagging": tags} in policy["conditions"]
    assert {"bucket": world.bucket} in policy["conditions"]


# Nobody gets in.


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/jobs/{job}"),
        ("DELETE", "/api/jobs/{job}"),
        ("PUT", "/api/jobs/{job}/label"),
        ("POST", "/api/jobs/{job}/cancel"),
        ("POST", "/api/jobs/{job}/retry"),
    ],
)
def test_anothers_job_is_no_job(world: World, method: str, path: str) -> None:
    ada, eve = person(), person("eve")
    job = ended_job(world, ada)
    before = world.keys()
    body = {"label": "mine"} if method == "PUT" else None
    assert code_of(world.api(eve, method, path.replace("{job}", job.id), body)) == (404, "job_not_found")
    assert world.keys() == before
    assert world.api(eve, "GET", "/api/jobs")[1]["jobs"] == []


@pytest.mark.parametrize(
    "trick", ["..", "%2e%2e", "a" * 200, "*", "8204571999999-ZZZZZZZZZZZZZZZZ", "x%2Fy", "\n", "٣" * 13]
)
def test_path_tricks_in_ids_are_no_jobs(world: World, trick: str) -> None:
    assert code_of(world.api(person(), "GET", f"/api/jobs/{trick}")) == (404, "job_not_found")
    assert code_of(world.api(person(), "GET", f"/api/jobs/../{trick}"))[0] == 404
    assert world.watch.calls == []


@pytest.mark.parametrize("cursor", ["", "..", "../../x", "8204571999999", "0" * 400])
def test_a_cursor_is_one_that_a_listing_gave(world: World, cursor: str) -> None:
    assert code_of(world.api(person(), "GET", "/api/jobs", query={"cursor": cursor})) == (422, "invalid_cursor")


@pytest.mark.parametrize(
    "claims",
    [
        None,
        {},
        {"token_use": "access", "sub": "11111111-1111-1111-1111-111111111111"},
        {"token_use": "id", "sub": "../someone"},
        {"token_use": "id", "sub": "11111111-1111-1111-1111-111111111111/jobs"},
    ],
)
def test_without_an_id_token_there_is_nobody(world: World, claims: Any) -> None:
    assert code_of(world.api(None, "GET", "/api/jobs", claims=claims)) == (401, "unauthorized")
    assert world.watch.calls == []


def test_an_unverified_address_gets_no_mail_and_so_no_job(world: World) -> None:
    ada = person()
    claims = {**ada.claims(), "email_verified": "false"}
    assert code_of(world.api(ada, "POST", "/api/jobs", ASKED, claims=claims)) == (403, "email_unverified")
    assert world.api(ada, "GET", "/api/jobs", claims=claims)[0] == 200


def test_other_paths_and_methods_are_told_apart(world: World) -> None:
    assert code_of(world.api(person(), "GET", "/api/job")) == (404, "not_found")
    assert code_of(world.api(person(), "PATCH", "/api/jobs")) == (405, "method_not_allowed")


def test_a_defect_is_logged_and_not_told(world: World) -> None:
    world.watch.refuse = lambda call: call == "s3:ListObjectsV2"
    written = io.StringIO()
    handler: Any = world.cloud.handlers["jobs"].log.registered_handler
    before = handler.setStream(written)
    try:
        status, body = world.api(person(), "GET", "/api/jobs")
    finally:
        handler.setStream(before)
    assert (status, body["error"]["code"]) == (500, "internal_error")
    assert "ServiceUnavailable" not in json.dumps(body)
    (line,) = [json.loads(line) for line in written.getvalue().splitlines()]
    assert line["level"] == "ERROR"
    assert "ServiceUnavailable" in line["exception"]


def test_links_are_of_the_buckets_region(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """SigV4, the bucket in the host's name: else a browser is redirected, and CORS fails."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    store = Store("gen3d-bucket", make_client("s3"))
    host = "https://gen3d-bucket.s3.eu-central-1.amazonaws.com/"
    assert store.presigned_get("users/x", 60).startswith(host + "users/x?X-Amz-Algorithm=AWS4-HMAC-SHA256")
    url, _ = store.presigned_post("k", media_type="image/png", most_bytes=9, tags={}, seconds=60)
    assert url == host


def test_ids_say_when_a_job_was_made(world: World) -> None:
    job, _ = world.create(person())
    assert created_at(job.id) == world.now
