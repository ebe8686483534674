"""Each Lambda killed between any two of its steps: what follows sets it right."""

from collections.abc import Callable, Iterator

import pytest

from lambdas.shared.job_folder import Job
from tests.lambdas.cloud import ADMIN, Cloud
from tests.lambdas.rig import Person, World, created, failed, person, picture
from tests.lambdas.watch import Killed

Act = Callable[[World, Person, Job, int | None], None]


def uploaded(world: World, ada: Person) -> Job:
    job, upload = world.create(ada)
    assert world.upload(upload, picture()).status_code == 204
    return job


def kill_everywhere(
    cloud: Cloud, prepare: Callable[[World, Person], Job], act: Act
) -> Iterator[tuple[World, Person, Job]]:
    """Worlds in which `act` was killed at one of its points each; one after another, as they share the clients."""
    for point in range(1, 100):
        world, ada = World(cloud), person()
        job = prepare(world, ada)
        try:
            act(world, ada, job, point)
        except Killed:
            world.later(minutes=6)  # SQS brings again what was not taken
            yield world, ada, job
        else:
            assert point > 4, "it was hardly killed"
            return
    pytest.fail("it has no end")


def check_ended(world: World, ada: Person, job: Job, *statuses: str) -> None:
    """One outcome, its mails, and nothing left to do."""
    assert world.outcome(job)["status"] in statuses
    versions = world.cloud.s3.list_object_versions(Bucket=world.bucket, Prefix=job.key("outcome.json"))["Versions"]
    assert len(versions) == 1
    repeats = world.watch.repeats.count("sesv2:SendEmail")
    sent = [len(world.mails_to(address, job)) for address in (ada.email, ADMIN)]
    # What a user has stopped himself is no news to the admin.
    wanted = [1, 0] if world.outcome(job)["status"] == "cancelled" else [1, 1]
    assert [min(count, 1) for count in sent] == wanted
    assert sum(sent) <= sum(wanted) + repeats
    assert len(world.invocations) <= 1 + world.watch.repeats.count("sagemaker-runtime:InvokeEndpointAsync")
    assert world.keys("pending/") == []


def test_extract(cloud: Cloud) -> None:
    def submit(world: World, ada: Person, job: Job, point: int | None) -> None:
        assert world.deliver("extract", created(world.bucket, job.key("image")), kill_at=point)

    for world, ada, job in kill_everywhere(cloud, uploaded, submit):
        world.drain()
        world.finish()
        world.settle()
        check_ended(world, ada, job, "succeeded")


def test_extract_with_a_bad_upload(cloud: Cloud) -> None:
    def upload_text(world: World, ada: Person) -> Job:
        job, upload = world.create(ada)
        assert world.upload(upload, b"no picture").status_code == 204
        return job

    def submit(world: World, ada: Person, job: Job, point: int | None) -> None:
        assert world.deliver("extract", created(world.bucket, job.key("image")), kill_at=point)

    for world, ada, job in kill_everywhere(cloud, upload_text, submit):
        world.settle()
        check_ended(world, ada, job, "failed")
        assert world.outcome(job)["error"]["code"] == "image_unsupported"


def test_notify_with_an_answer(cloud: Cloud) -> None:
    def answered(world: World, ada: Person) -> Job:
        job = world.submit(ada)
        world.finish()
        return job

    def read(world: World, ada: Person, job: Job, point: int | None) -> None:
        assert world.deliver("notify", world.messages[0][1], kill_at=point)

    for world, ada, job in kill_everywhere(cloud, answered, read):
        world.settle()
        check_ended(world, ada, job, "succeeded")


def test_notify_with_a_failure(cloud: Cloud) -> None:
    def fail(world: World, ada: Person, job: Job, point: int | None) -> None:
        assert world.deliver("notify", failed(world.invocations[-1], "out of memory"), kill_at=point)

    def given_up(world: World, ada: Person) -> Job:
        job = world.submit(ada)
        world.fail()
        return job

    for world, ada, job in kill_everywhere(cloud, given_up, fail):
        world.settle()
        check_ended(world, ada, job, "failed")


def test_notify_with_an_outcome(cloud: Cloud) -> None:
    def ended(world: World, ada: Person) -> Job:
        job = world.submit(ada)
        world.finish()
        assert world.deliver(*world.messages.pop(0))
        return job

    def tell(world: World, ada: Person, job: Job, point: int | None) -> None:
        assert world.deliver("notify", created(world.bucket, job.key("outcome.json")), kill_at=point)

    sent: list[int] = []
    for world, ada, job in kill_everywhere(cloud, ended, tell):
        world.settle()
        check_ended(world, ada, job, "succeeded")
        sent += [len(world.mails_to(address, job)) for address in (ada.email, ADMIN)]
    assert sent.count(2) == 4, (
        "each mail is repeated where the kill fell between sending and recording, and there alone"
    )


@pytest.mark.parametrize("lost", ["the event of the upload", "the answer's event", "all notice", "the upload"])
def test_sweep(cloud: Cloud, lost: str) -> None:
    def lose(world: World, ada: Person) -> Job:
        if lost == "the upload":
            job, _ = world.create(ada)
        elif lost == "the event of the upload":
            job = uploaded(world, ada)
        else:
            job = world.submit(ada)
            if lost == "the answer's event":
                world.finish()
        world.messages.clear()
        world.later(hours=8 if world.invocations else 1.5)
        return job

    def sweep(world: World, ada: Person, job: Job, point: int | None) -> None:
        world.sweep(kill_at=point)
        world.take_nudges()

    for world, ada, job in kill_everywhere(cloud, lose, sweep):
        world.take_nudges()
        world.sweep()
        world.take_nudges()
        world.drain()
        if lost == "the event of the upload":
            world.finish()
        world.settle()
        expected = {"all notice": "lost", "the upload": "failed"}.get(lost, "succeeded")
        check_ended(world, ada, job, expected)


def test_cancelling(cloud: Cloud) -> None:
    def cancel(world: World, ada: Person, job: Job, point: int | None) -> None:
        world.api(ada, "POST", f"/api/jobs/{job.id}/cancel", kill_at=point)

    for world, ada, job in kill_everywhere(cloud, World.submit, cancel):
        _, told = world.api(ada, "GET", f"/api/jobs/{job.id}")
        world.finish()
        world.settle()
        # Where it died before that was written, nothing was cancelled.
        check_ended(world, ada, job, "cancelled" if told["status"] == "cancelled" else "succeeded")


def test_deleting(cloud: Cloud) -> None:
    def ended(world: World, ada: Person) -> Job:
        job = world.submit(ada)
        world.finish()
        world.drain()
        return job

    def delete(world: World, ada: Person, job: Job, point: int | None) -> None:
        world.api(ada, "DELETE", f"/api/jobs/{job.id}", kill_at=point)

    for world, ada, job in kill_everywhere(cloud, ended, delete):
        is_gone = world.api(ada, "GET", f"/api/jobs/{job.id}")[0] == 404
        world.settle()
        if is_gone:
            assert world.versions(job.prefix) == {job.key("deleted.json")}
        else:  # it died before the tombstone stood
            check_ended(world, ada, job, "succeeded")


def test_creating_and_trying_again(cloud: Cloud) -> None:
    """Whoever got no answer may try anew; what was begun ends like an upload that never came."""

    def ended(world: World, ada: Person) -> Job:
        job, upload = world.create(ada)
        world.upload(upload, b"no picture")
        world.drain()
        return job

    def retry(world: World, ada: Person, job: Job, point: int | None) -> None:
        world.later(seconds=1)  # jobs of the same millisecond have no order
        world.api(ada, "POST", f"/api/jobs/{job.id}/retry", kill_at=point)

    for world, ada, job in kill_everywhere(cloud, ended, retry):
        world.settle()
        _, page = world.api(ada, "GET", "/api/jobs")
        for one in page["jobs"]:
            check_ended(world, ada, Job(ada.sub, one["id"]), "failed")
        assert page["jobs"][-1]["id"] == job.id
