"""Renaming, cancelling, trying again, deleting."""

from tests.lambdas.rig import World, code_of, person, picture


def test_a_name_is_changed_and_the_newest_counts(world: World) -> None:
    ada = person()
    job, _ = world.create(ada)
    for name in ("Großmutters Tasse", "☕ cup", "a/b/../c"):
        world.later(seconds=1)
        assert world.api(ada, "PUT", f"/api/jobs/{job.id}/label", {"label": name})[0] == 200
        assert world.api(ada, "GET", f"/api/jobs/{job.id}")[1]["label"] == name
    assert len([name for name in world.names(job) if name.startswith("label/")]) == 1
    assert code_of(world.api(ada, "PUT", f"/api/jobs/{job.id}/label", {"label": "x" * 81})) == (422, "invalid_label")


def test_a_job_is_cancelled_once(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    assert world.api(ada, "POST", f"/api/jobs/{job.id}/cancel") == (
        200,
        {"schema_version": "1.0", "id": job.id, "status": "cancelled"},
    )
    assert code_of(world.api(ada, "POST", f"/api/jobs/{job.id}/cancel")) == (409, "job_ended")
    assert "cancelled.json" in world.names(job), "the container looks for it"
    world.finish()
    world.drain()
    assert world.outcome(job)["status"] == "cancelled", "who is first counts"
    assert len(world.mails_to(ada.email, job)) == 1


def test_trying_again_is_a_new_job_with_the_same_photo(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    assert code_of(world.api(ada, "POST", f"/api/jobs/{job.id}/retry")) == (409, "job_not_ended")
    world.fail()
    world.drain()
    world.later(seconds=1)
    status, made = world.api(ada, "POST", f"/api/jobs/{job.id}/retry")
    assert status == 201
    world.drain()
    world.finish()
    world.drain()
    _, told = world.api(ada, "GET", f"/api/jobs/{made['id']}")
    assert (told["status"], told["label"], told["boxes"][0]["x_max"]) == ("succeeded", "cup.jpg", 9)
    assert world.outcome(job)["status"] == "failed"
    world.cloud.s3.delete_object(Bucket=world.bucket, Key=job.key("image"))  # as the lifecycle does
    assert code_of(world.api(ada, "POST", f"/api/jobs/{job.id}/retry")) == (410, "image_gone")


def test_a_photo_that_vanishes_while_trying_again_leaves_no_job(world: World) -> None:
    ada = person()
    job, upload = world.create(ada)
    world.upload(upload, picture())
    world.api(ada, "POST", f"/api/jobs/{job.id}/cancel")
    world.later(seconds=1)
    world.watch.meanwhile = (7, lambda: world.cloud.s3.delete_object(Bucket=world.bucket, Key=job.key("image")))
    assert code_of(world.api(ada, "POST", f"/api/jobs/{job.id}/retry")) == (410, "image_gone")
    assert [each["id"] for each in world.api(ada, "GET", "/api/jobs")[1]["jobs"]] == [job.id]
    assert {key.split("/")[3] for key in world.versions("users/")} == {job.id}
    world.messages.clear()
    world.later(hours=8)
    world.settle()


def test_deleting_removes_every_version_and_late_writers_too(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    world.begin()
    assert world.api(ada, "DELETE", f"/api/jobs/{job.id}") == (204, None)
    assert world.versions(job.prefix) == {job.key("deleted.json")}
    assert code_of(world.api(ada, "GET", f"/api/jobs/{job.id}")) == (404, "job_not_found")
    assert world.api(ada, "GET", "/api/jobs")[1]["jobs"] == []
    assert world.api(ada, "DELETE", f"/api/jobs/{job.id}") == (204, None)
    world.finish()  # the container had read the request before
    world.drain()
    assert world.versions(job.prefix) == {job.key("deleted.json")}
    world.begin()  # SageMaker tells of it no more
    world.cloud.s3.put_object(Bucket=world.bucket, Key=job.key("output/object-0.glb"), Body=b"late")
    world.settle()
    assert world.versions(job.prefix) == {job.key("deleted.json")}
    assert world.watch.mails == []


def test_an_upload_after_the_deletion_leaves_nothing(world: World) -> None:
    ada = person()
    job, upload = world.create(ada)
    world.api(ada, "DELETE", f"/api/jobs/{job.id}")
    assert world.upload(upload, picture()).status_code == 204, "the form still works"
    world.drain()
    assert world.versions(job.prefix) == {job.key("deleted.json")}
    assert world.invocations == []
