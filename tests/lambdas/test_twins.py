"""Two Lambdas at the same event at the same time: one comes in between any two steps of the other."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from lambdas.shared.job_folder import Job
from tests.lambdas.cloud import ADMIN, Cloud
from tests.lambdas.rig import Person, World, created, person, picture
from tests.lambdas.watch import Killed


def at_every_point(
    cloud: Cloud,
    prepare: Callable[[World, Person], Job],
    first: Callable[[World, Person, Job], object],
    second: Callable[[World, Person, Job], object],
) -> Iterator[tuple[World, Person, Job]]:
    """Worlds in which the second came in at one of the first's points each."""
    for point in range(1, 100):
        world, ada = World(cloud), person()
        job = prepare(world, ada)
        world.watch.meanwhile = (point, partial(second, world, ada, job))
        first(world, ada, job)
        if world.watch.points < point:
            assert point > 4
            return
        yield world, ada, job


def deliver(name: str, what: str) -> Callable[[World, Person, Job], object]:
    """What is not taken comes again, after a while."""

    def act(world: World, ada: Person, job: Job) -> None:
        body = created(world.bucket, job.key(what))
        if not world.deliver(name, body):
            world.messages.append((name, body))

    return act


def answered(world: World, ada: Person) -> Job:
    job = world.submit(ada)
    world.finish()
    return job


def read(world: World, ada: Person, job: Job) -> object:
    return world.deliver(*world.messages.pop(0))


def uploaded(world: World, ada: Person) -> Job:
    job, upload = world.create(ada)
    world.upload(upload, picture())
    world.messages.clear()
    return job


def ended(world: World, ada: Person) -> Job:
    job = world.submit(ada)
    world.finish()
    world.deliver(*world.messages.pop(0))
    world.messages.clear()
    return job


def delete(world: World, ada: Person, job: Job) -> object:
    return world.api(ada, "DELETE", f"/api/jobs/{job.id}")


def test_a_job_is_submitted_once(cloud: Cloud) -> None:
    submit = deliver("extract", "image")
    for world, _, _ in at_every_point(cloud, uploaded, submit, submit):
        world.later(minutes=6)
        world.drain()
        assert len(world.invocations) == 1


def test_each_mail_is_sent_once(cloud: Cloud) -> None:
    tell = deliver("notify", "outcome.json")
    for world, ada, job in at_every_point(cloud, ended, tell, tell):
        world.later(minutes=6)
        world.drain()
        assert [len(world.mails_to(address, job)) for address in (ada.email, ADMIN)] == [1, 1]
        assert world.keys("pending/") == []


def test_deleting_while_the_photo_is_submitted_leaves_nothing(cloud: Cloud) -> None:
    for world, _, job in at_every_point(cloud, uploaded, deliver("extract", "image"), delete):
        world.settle()
        assert world.versions(job.prefix) == {job.key("deleted.json")}


def test_deleting_while_mails_are_sent_leaves_nothing(cloud: Cloud) -> None:
    for world, _, job in at_every_point(cloud, ended, deliver("notify", "outcome.json"), delete):
        world.settle()
        assert world.versions(job.prefix) == {job.key("deleted.json")}


def test_cancelling_and_the_answer_together_give_one_outcome(cloud: Cloud) -> None:
    def cancel(world: World, ada: Person, job: Job) -> object:
        return world.api(ada, "POST", f"/api/jobs/{job.id}/cancel")

    for world, ada, job in at_every_point(cloud, answered, read, cancel):
        world.settle()
        assert world.outcome(job)["status"] in ("cancelled", "succeeded")
        assert len(world.mails_to(ada.email, job)) == 1


def test_what_is_told_as_cancelled_stays_so(cloud: Cloud) -> None:
    """Whoever cancels dies just after; the answer is read at the same time."""
    told: dict[str, str] = {}

    def cancel(world: World, ada: Person, job: Job) -> None:
        with suppress(Killed):
            world.api(ada, "POST", f"/api/jobs/{job.id}/cancel", kill_at=5)
        world.watch.at_work, world.watch.kill_at = "", None
        told[job.id] = world.api(ada, "GET", f"/api/jobs/{job.id}")[1]["status"]

    for world, _, job in at_every_point(cloud, answered, read, cancel):
        world.drain()
        if told[job.id] == "cancelled":
            assert world.outcome(job)["status"] == "cancelled"
    assert "cancelled" in told.values()


def test_deleting_while_a_job_ends_leaves_nothing_and_no_sweep_is_needed(cloud: Cloud) -> None:
    for prepare, first in ((answered, read), (ended, deliver("notify", "outcome.json"))):
        for world, _, job in at_every_point(cloud, prepare, first, delete):
            world.drain()
            assert world.versions(job.prefix) == {job.key("deleted.json")}
