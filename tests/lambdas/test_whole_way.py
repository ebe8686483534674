"""The way of one photo through the Lambdas."""

import httpx

from lambdas.shared.job_folder import Job
from tests.lambdas.cloud import ADMIN
from tests.lambdas.rig import Person, World, person, picture, text_of


def test_a_photo_becomes_an_outcome_with_links_and_mails(world: World) -> None:
    ada = person()
    job, upload = world.create(
        ada, boxes=[[1, 2, 9, 8], {"x_min": 0, "y_min": 0, "x_max": 5, "y_max": 5, "label": "cup"}]
    )
    assert status(world, job) == "waiting"
    assert world.upload(upload, picture()).status_code == 204
    assert status(world, job) == "uploaded"
    world.drain()
    assert status(world, job) == "queued"
    (taken,) = world.invocations
    assert taken.inference_id == job.id
    world.begin()
    assert status(world, job) == "running"
    world.finish(status="partial")
    world.drain()
    _, told = world.api(ada, "GET", f"/api/jobs/{job.id}")
    assert told["status"] == "partial"
    assert told["percent"] == 100
    first, second = told["objects"]
    assert httpx.get(first["files"][0]["url"]).content == b"glTF"
    assert second["label"] == "cup"
    assert second["error"]["code"] == "box_outside_image"
    assert world.keys("pending/") == []
    (mail,) = world.mails_to(ada.email, job)
    assert mail["Subject"] == "1 of your 2 3D objects are ready: cup.jpg"
    assert f"https://gen3d.example/#/jobs/{job.id}" in text_of(mail)
    (to_admin,) = world.mails_to(ADMIN, job)
    assert f"https://logs.example/?job={job.id}" in text_of(to_admin)


def status(world: World, job: Job) -> str:
    """The job's status, which is the same in the list."""
    who = Person(job.sub, "")
    _, one = world.api(who, "GET", f"/api/jobs/{job.id}")
    _, page = world.api(who, "GET", "/api/jobs")
    assert [each["status"] for each in page["jobs"] if each["id"] == job.id] == [one["status"]]
    return str(one["status"])
