"""A form uploads the photo that was announced, as announced, and nothing else."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from infra.local.stage import Stage
from lambdas.shared.job_folder import IMAGE_TAGS
from tests.infra.local.visitors import PHOTO, SignUp, jobs_store, keys, send, wait_until


def changed_policy(_: Stage, form: dict[str, Any]) -> str:
    """The form's policy, with a larger photo allowed."""
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    policy["conditions"] = [
        [each[0], 1, 10**9] if isinstance(each, list) and each[0] == "content-length-range" else each
        for each in policy["conditions"]
    ]
    return base64.b64encode(json.dumps(policy).encode()).decode()


def anothers_key(stage: Stage, form: dict[str, Any]) -> str:
    """The form's credential, with the key of the container."""
    return "/".join([stage.container.id, *form["fields"]["x-amz-credential"].split("/")[1:]])


@pytest.mark.parametrize(
    ("changed", "data"),
    [
        ({}, PHOTO + b"\0"),
        ({}, PHOTO * 1000),
        ({}, b""),
        ({"Content-Type": "text/html"}, PHOTO),
        ({"Content-Type": "image/svg+xml"}, PHOTO),
        ({"key": "PUBLIC/index.html"}, PHOTO),
        ({"key": "users/${filename}"}, PHOTO),
        ({"tagging": "<Tagging><TagSet></TagSet></Tagging>"}, PHOTO),
        ({"acl": "public-read"}, PHOTO),
        ({"success_action_redirect": "https://example.com/"}, PHOTO),
        ({"x-amz-meta-sub": "another"}, PHOTO),
        ({"x-amz-website-redirect-location": "https://example.com/"}, PHOTO),
        ({"policy": changed_policy}, PHOTO + b"\0"),
        ({"policy": ""}, PHOTO),
        ({"x-amz-signature": "0" * 64}, PHOTO),
        ({"x-amz-security-token": "another"}, PHOTO),
        ({"x-amz-credential": anothers_key}, PHOTO),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else str(list(value)),
)
def test_a_form_is_refused_with_other(newcomer: SignUp, changed: dict[str, Any], data: bytes) -> None:
    ada = newcomer()
    job, form = ada.create_ended()
    given = {name: value(ada.stage, form) if callable(value) else value for name, value in changed.items()}
    assert send(ada.http, form, data, **given).status_code in (400, 403)
    assert not keys(ada.stage, "", "${filename}")
    assert not keys(ada.stage, job.key("image"))
    assert send(ada.http, form, PHOTO).status_code == 204
    assert keys(ada.stage, job.key("image"))


def test_a_form_without_one_of_its_fields_is_refused(newcomer: SignUp) -> None:
    ada = newcomer()
    job, form = ada.create_ended()
    for name in form["fields"]:
        rest = {**form, "fields": {other: value for other, value in form["fields"].items() if other != name}}
        assert send(ada.http, rest, PHOTO).status_code in (400, 403), name
    assert not keys(ada.stage, job.key("image"))
    assert send(ada.http, form, PHOTO).status_code == 204


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "GET", "HEAD"])
def test_without_the_form_nothing_is_done(newcomer: SignUp, stage: Stage, method: str) -> None:
    ada = newcomer()
    job, form = ada.create_ended()
    assert send(ada.http, form, PHOTO).status_code == 204
    before = ada.versions()
    address = f"{form['url'].rstrip('/')}/{job.key('image')}"
    for headers in ({}, {"Authorization": f"Bearer {ada.token}"}):
        assert ada.http.request(method, address, content=b"other", headers=headers).status_code == 403
    assert ada.versions() == before


def test_a_form_ends(newcomer: SignUp, stage: Stage) -> None:
    """Made by the same code, and signed by the same role."""
    ada = newcomer()
    job, _ = ada.create_ended()
    store = jobs_store(stage)

    def uploaded(seconds: int) -> httpx.Response:
        url, fields = store.presigned_post(
            job.key("image"), media_type="image/jpeg", most_bytes=len(PHOTO), tags=IMAGE_TAGS, seconds=seconds
        )
        return send(ada.http, {"url": url, "fields": fields}, PHOTO)

    assert uploaded(-1).status_code == 403
    assert not keys(stage, job.key("image"))
    assert uploaded(60).status_code == 204


def test_the_forms_of_the_api_end_an_hour_after_they_are_made(newcomer: SignUp) -> None:
    ada, began = newcomer(), datetime.now(UTC)
    _, form = ada.create()
    told = datetime.now(UTC)
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    for end in (policy["expiration"], form["expires_at"]):
        made = datetime.fromisoformat(end) - timedelta(hours=1)
        assert began - timedelta(seconds=1) <= made <= told  # they have whole seconds


@pytest.mark.parametrize(
    "data", [b"<html><script>alert(1)</script>", b"PK\x03\x04" + bytes(100)], ids=["page", "archive"]
)
def test_a_file_that_is_no_photo_ends_the_job(newcomer: SignUp, data: bytes) -> None:
    ada = newcomer()
    told = ada.wait(ada.submit(data=data))
    assert (told["status"], told["error"]["code"]) == ("failed", "image_unsupported")


def test_a_file_that_only_begins_like_a_photo_ends_the_job(newcomer: SignUp) -> None:
    ada = newcomer()
    told = ada.wait(ada.submit(data=PHOTO[:200] + b"<html>"))
    assert (told["status"], told["error"]["code"]) == ("failed", "image_truncated")
    assert told["objects"][0]["files"] == []


def test_a_second_photo_does_not_take_the_place_of_the_first(newcomer: SignUp, stage: Stage) -> None:
    """The form works till its time is over; what comes after the first photo is removed."""
    ada = newcomer()
    job, form = ada.create()
    other = PHOTO[::-1]
    assert send(ada.http, form, PHOTO).status_code == 204
    ada.wait(job)
    assert send(ada.http, form, other).status_code == 204
    wait_until(lambda: ada.http.get(ada.read(job)["image_url"]).content == PHOTO)
