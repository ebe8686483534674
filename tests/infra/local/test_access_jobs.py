"""A user's jobs are nobody else's."""

from typing import Any

import httpx
import pytest

from lambdas.shared.job_folder import Job
from tests.infra.local.visitors import PHOTO, SignUp, Visitor, keys, send


def test_anothers_job_cannot_be_read(done: tuple[Visitor, Job], newcomer: SignUp) -> None:
    owner, job = done
    refused = newcomer().ask("GET", f"/api/jobs/{job.id}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "job_not_found")
    assert owner.read(job)["objects"][0]["files"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/label", {"label": "mine"}, 200),
        ("POST", "/cancel", None, 200),
        ("DELETE", "", None, 204),
    ],
    ids=["named", "cancelled", "deleted"],
)
def test_anothers_job_cannot_be(newcomer: SignUp, method: str, path: str, body: Any, status: int) -> None:
    ada, bob = newcomer(), newcomer()
    job, _ = ada.create()
    before = ada.versions(), ada.read(job)
    refused = bob.ask(method, f"/api/jobs/{job.id}{path}", body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "job_not_found")
    assert (ada.versions(), ada.read(job)) == before
    assert bob.versions() == set()
    assert ada.ask(method, f"/api/jobs/{job.id}{path}", body).status_code == status


def test_anothers_job_cannot_be_tried_again(newcomer: SignUp) -> None:
    ada, bob = newcomer(), newcomer()
    job, form = ada.create_ended()
    assert send(ada.http, form, PHOTO).status_code == 204
    refused = bob.ask("POST", f"/api/jobs/{job.id}/retry")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "job_not_found")
    assert bob.versions() == set()
    again = ada.ask("POST", f"/api/jobs/{job.id}/retry")
    assert again.status_code == 201
    assert ada.wait(Job(ada.sub, again.json()["id"]))["status"] == "succeeded"


def test_a_list_holds_ones_own_jobs(newcomer: SignUp) -> None:
    ada, bob = newcomer(), newcomer()
    adas, bobs = ada.create()[0].id, bob.create()[0].id
    for who, own in ((ada, adas), (bob, bobs)):
        assert [job["id"] for job in who.ask("GET", "/api/jobs").json()["jobs"]] == [own]


def test_a_cursor_of_anothers_list_leads_through_ones_own(newcomer: SignUp) -> None:
    ada, bob = newcomer(), newcomer()
    adas_first, bobs = ada.create()[0].id, bob.create()[0].id
    ada.create()
    cursor = ada.ask("GET", "/api/jobs?limit=1").json()["next"]
    assert [job["id"] for job in bob.ask("GET", f"/api/jobs?cursor={cursor}").json()["jobs"]] == [bobs]
    assert [job["id"] for job in ada.ask("GET", f"/api/jobs?cursor={cursor}").json()["jobs"]] == [adas_first]


def test_ones_own_form_puts_nothing_into_anothers_folder(newcomer: SignUp) -> None:
    ada, bob = newcomer(), newcomer()
    (adas, form), (bobs, _) = ada.create_ended(), bob.create_ended()
    before = bob.versions()
    own = "request.json", "outcome.json", "output/object-0.glb"
    for key in (bobs.key("image"), Job(bob.sub, adas.id).key("image"), *(adas.key(name) for name in own)):
        assert send(ada.http, form, PHOTO, key=key).status_code == 403, key
    assert bob.versions() == before
    assert not keys(ada.stage, adas.key("image"))
    assert send(ada.http, form, PHOTO).status_code == 204
    assert keys(ada.stage, adas.key("image"))


def test_ones_own_link_reads_nothing_of_anothers(done: tuple[Visitor, Job], newcomer: SignUp) -> None:
    owner, job = done
    bob = newcomer()
    bobs, form = bob.create_ended()
    assert send(bob.http, form, PHOTO).status_code == 204
    link = httpx.URL(bob.read(bobs)["image_url"])
    assert bob.http.get(link).content == PHOTO
    for path in (job.key("image"), job.key("output/object-0.glb"), bobs.key("request.json")):
        there = link.copy_with(path=link.path.replace(bobs.key("image"), path))
        assert there != link
        refused = bob.http.get(there)
        assert (refused.status_code, b"SignatureDoesNotMatch" in refused.content) == (403, True), path
    assert owner.http.get(owner.read(job)["image_url"]).content == PHOTO
