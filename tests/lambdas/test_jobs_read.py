"""Listing jobs and looking at one."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from lambdas.shared.job_folder import Job, new_job_id
from serve.contract import Manifest
from tests.lambdas.rig import World, ended_job, person


def test_a_page_of_twenty_costs_at_most_22_calls_whatever_the_history(world: World) -> None:
    ada = person()
    outcome = json.dumps({"status": "succeeded", "ended_at": "2026-11-23T10:00:00Z"}).encode()
    put: Any = world.store.put
    for number in range(45):
        world.later(seconds=1)
        job = Job(ada.sub, new_job_id(world.now))
        for name in ("image", "submitted.json", "progress.json", "mail-user.json", "mail-admin.json"):
            put(job.key(name), b"{}")
        put(job.key("request.json"), b"{}")
        put(job.key("outcome.json"), outcome)
        put(job.label_key(f"the first name of {number}", world.now), b"")
        put(job.label_key(f"job {number}", world.now + timedelta(seconds=1)), b"")
        for index in range(30 if number % 9 == 0 else 2):
            put(job.key(f"output/object-{index}.glb"), b"glTF")
        if number % 10 == 0:
            put(job.key("deleted.json"), b"{}")
    seen: list[str] = []
    cursor = None
    while True:
        world.watch.calls.clear()
        _, page = world.api(ada, "GET", "/api/jobs", query={"cursor": cursor} if cursor else None)
        assert len(world.watch.calls) <= 22
        assert len(page["jobs"]) <= 20
        seen += [job["label"] for job in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"job {number}" for number in reversed(range(45)) if number % 10]


def test_deleted_jobs_in_their_thousands_cost_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may be short, even empty, where a cursor leads on."""
    ada = person()
    monkeypatch.setattr("lambdas.shared.store._MOST_KEYS", 10)  # instead of thousands of keys
    kept = Job(ada.sub, new_job_id(world.now))
    world.store.put(kept.key("request.json"), b"{}")
    for _ in range(40):
        world.later(seconds=1)
        world.store.put(Job(ada.sub, new_job_id(world.now)).key("deleted.json"), b"{}")
    pages, cursor = 0, None
    while True:
        world.watch.calls.clear()
        _, page = world.api(ada, "GET", "/api/jobs", query={"cursor": cursor} if cursor else None)
        assert len(world.watch.calls) <= 22
        pages, cursor = pages + 1, page["next"]
        if cursor is None:
            break
    assert pages > 1
    assert [job["id"] for job in page["jobs"]] == [kept.id]


def test_links_end_within_15_minutes(world: World) -> None:
    ada = person()
    job = ended_job(world, ada)
    _, told = world.api(ada, "GET", f"/api/jobs/{job.id}")
    url = httpx.URL(told["objects"][0]["files"][0]["url"])
    assert url.params["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert int(url.params["X-Amz-Expires"]) <= 900
    assert httpx.get(url.copy_with(path=url.path.replace("object-0.glb", "preview.png"))).status_code == 403


def test_an_ended_job_has_files_of_its_own_and_the_manifest_that_tells_of_all(world: World) -> None:
    ada = person()
    _, told = world.api(ada, "GET", f"/api/jobs/{ended_job(world, ada).id}")
    assert [file["name"] for file in told["files"]] == ["preview.png", "thumbnail.jpg", "manifest.json"]
    manifest = httpx.get(told["files"][-1]["url"])
    assert len(manifest.content) == told["files"][-1]["bytes"]
    assert Manifest.model_validate_json(manifest.content).status == "succeeded"


def test_a_running_job_shows_what_it_has_made_so_far(world: World) -> None:
    ada = person()
    job = world.submit(ada, boxes=[[0, 0, 9, 9], [5, 5, 9, 9]])
    world.begin(percent=55)
    world.cloud.s3.put_object(Bucket=world.bucket, Key=job.key("output/object-0.glb"), Body=b"glTF")
    _, told = world.api(ada, "GET", f"/api/jobs/{job.id}")
    assert (told["status"], told["stage"], told["object"], told["percent"]) == ("running", "reconstruct", 0, 55)
    assert [[file["name"] for file in each["files"]] for each in told["objects"]] == [["object-0.glb"], []]
    assert {each["status"] for each in told["objects"]} == {"unfinished"}


def test_a_list_shows_a_picture_of_each_job_that_made_something(world: World) -> None:
    ada = person()
    done = ended_job(world, ada)
    waiting, _ = world.create(ada)
    _, page = world.api(ada, "GET", "/api/jobs")
    pictures = {each["id"]: each["thumbnail_url"] for each in page["jobs"]}
    assert pictures[waiting.id] is None
    assert httpx.URL(pictures[done.id]).path.endswith(done.key("output/thumbnail.jpg"))
    assert httpx.get(pictures[done.id]).is_success


def test_what_is_no_job_is_not_listed(world: World) -> None:
    ada = person()
    job, _ = world.create(ada)
    for name in ("0", "a", "8204571999999"):
        world.store.put(f"users/{ada.sub}/jobs/{name}/request.json", b"{}")
    assert [each["id"] for each in world.api(ada, "GET", "/api/jobs")[1]["jobs"]] == [job.id]
    assert world.api(ada, "GET", "/api/limits")[1]["open_jobs"]["used"] == 1


def test_a_folder_of_more_names_than_a_listing_ends_no_listing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = person()
    monkeypatch.setattr("lambdas.shared.store._MOST_KEYS", 10)
    kept, _ = world.create(ada)
    world.later(seconds=1)
    full, _ = world.create(ada)
    for number in range(12):
        world.store.put(full.key(f"a{number:02}"), b"")
    assert world.api(ada, "GET", "/api/limits")[1]["jobs_a_day"]["used"] == 2
    _, page = world.api(ada, "GET", "/api/jobs")
    _, rest = world.api(ada, "GET", "/api/jobs", query={"cursor": page["next"]}) if page["next"] else (200, page)
    assert kept.id in [each["id"] for each in rest["jobs"]]
