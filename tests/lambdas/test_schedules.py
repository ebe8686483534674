"""Nothing is lost or doubled, whatever comes twice, late, in another order or never, and whoever dies on the way."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.shared.job_folder import Job
from lambdas.sweep.logic import SweepError
from tests.lambdas.cloud import ADMIN, Cloud
from tests.lambdas.rig import Person, World, person, picture
from tests.lambdas.watch import Killed

# How long SageMaker keeps a request and works on it, by the Lambda's settings.
LONGEST = timedelta(seconds=21600 + 3600)


class Schedule:
    """A world in which things happen as they are drawn: each takes a number that chooses among what there is."""

    def __init__(self, cloud: Cloud) -> None:
        self.world = World(cloud)
        self.people = [person("ada"), person("grace")]
        self.uploads: list[tuple[Job, dict[str, Any]]] = []
        self.retried: list[Job] = []
        self.kill: int | None = None

    def owner(self, job: Job) -> Person:
        return next(each for each in self.people if each.sub == job.sub)

    def jobs(self) -> list[Job]:
        """Those that anybody was told of, or that were begun."""
        keys = self.world.versions("users/")
        return sorted({found[0] for key in keys if (found := Job.of_key(key)) and found[1] == "request.json"})

    def _job(self, which: int) -> Job | None:
        return self.uploads[which % len(self.uploads)][0] if self.uploads else None

    def begin_jobs(self) -> None:
        """One job that SageMaker works on, one that has just ended, and one whose photo has just come."""
        world = self.world
        for which, data in enumerate((picture(), b"no picture", picture())):
            self.create(which)
            world.upload(self.uploads[which][1], data)
            if which < 2:
                world.deliver(*world.messages.pop(0))

    # What happens.

    def create(self, which: int) -> None:
        who = self.people[which % 2]
        file = {"name": "a photo.jpg", "type": "image/jpeg", "bytes": 5000}
        body = {"boxes": [[0, 0, 9, 9]] * (1 + which % 3), "file": file}
        status, made = self.world.api(who, "POST", "/api/jobs", body, kill_at=self.kill)
        assert status in (201, 429, 500)
        if status == 201:
            self.uploads.append((Job(who.sub, made["id"]), made["upload"]))

    def upload(self, which: int) -> None:
        if self.uploads:
            data = b"no picture" if which % 5 == 0 else picture()
            self.world.upload(self.uploads[which % len(self.uploads)][1], data)

    def deliver(self, which: int, *, again: bool = False) -> None:
        """Any message may come first; what is not taken comes again."""
        messages = self.world.messages
        if messages:
            name, body = messages.pop(which % len(messages))
            if again:
                messages.append((name, body))
            try:
                taken = self.world.deliver(name, body, kill_at=self.kill)
            except Killed:
                taken = False
            if not taken:
                messages.append((name, body))

    def deliver_and_again(self, which: int) -> None:
        self.deliver(which, again=True)

    def lose(self, which: int) -> None:
        if self.world.messages:
            self.world.messages.pop(which % len(self.world.messages))

    def _work(self, which: int, work: Callable[[int], None]) -> None:
        """The container works on what SageMaker has not given up yet."""
        world = self.world
        at_work = [
            index
            for index, each in enumerate(world.invocations)
            if not each.ended and world.now < each.taken_at + LONGEST
        ]
        if at_work:
            work(at_work[which % len(at_work)])

    def begin(self, which: int) -> None:
        self._work(which, self.world.begin)

    def finish(self, which: int) -> None:
        self._work(which, lambda index: self.world.finish(index, status=("succeeded", "partial", "failed")[which % 3]))

    def fail(self, which: int) -> None:
        self._work(which, lambda index: self.world.fail(index, lose_notice=which % 2 == 0))

    def cancel(self, which: int) -> None:
        if job := self._job(which):
            status, _ = self.world.api(self.owner(job), "POST", f"/api/jobs/{job.id}/cancel", kill_at=self.kill)
            assert status in (200, 404, 409, 500)

    def delete(self, which: int) -> None:
        if job := self._job(which):
            status, _ = self.world.api(self.owner(job), "DELETE", f"/api/jobs/{job.id}", kill_at=self.kill)
            assert status in (204, 404, 500)

    def rename(self, which: int) -> None:
        if job := self._job(which):
            body = {"label": f"name {which}"}
            self.world.api(self.owner(job), "PUT", f"/api/jobs/{job.id}/label", body, kill_at=self.kill)

    def retry(self, which: int) -> None:
        if job := self._job(which):
            self.world.api(self.owner(job), "POST", f"/api/jobs/{job.id}/retry", kill_at=self.kill)

    def sweep(self, which: int) -> None:
        try:
            self.world.sweep(kill_at=self.kill)
        except (SweepError, ClientError):
            assert self.world.watch.refuse("s3:PutObject") or self.world.watch.refuse("sqs:SendMessage")
        finally:
            self.world.take_nudges()

    def wait(self, which: int) -> None:
        self.world.later(minutes=(1, 4, 20, 70, 200)[which % 5])

    def refuse(self, which: int) -> None:
        """For a while S3's writes, SES, SageMaker or SQS refuse everything; or all is well again."""
        refusing = ("s3:PutObject", "sesv2:SendEmail", "sagemaker-runtime:InvokeEndpointAsync", "sqs:SendMessage", "")
        name = refusing[which % 5]
        self.world.watch.refuse = lambda call: call == name


ACTIONS = (
    *("create", "upload", "upload", "deliver", "deliver", "deliver", "deliver_and_again", "lose", "begin", "finish"),
    *("finish", "fail", "cancel", "delete", "rename", "retry", "sweep", "wait", "wait", "refuse"),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 29), st.one_of(st.none(), st.none(), st.integers(1, 40))),
        min_size=8,
        max_size=45,
    )
)
def test_every_job_ends_once_with_its_mails(cloud: Cloud, happenings: list[tuple[str, int, int | None]]) -> None:
    schedule = Schedule(cloud)
    world = schedule.world
    schedule.begin_jobs()
    for action, which, schedule.kill in happenings:
        try:
            getattr(schedule, action)(which)
        except Killed:
            world.later(seconds=1)
    world.watch.refuse = lambda _: False
    world.take_nudges()
    began = schedule.jobs()
    world.settle()
    repeats = world.watch.repeats.count("sesv2:SendEmail")
    for job in began:
        names = world.names(job)
        if "deleted.json" in names:
            assert world.versions(job.prefix) == {job.key("deleted.json")}
            continue
        kept = cloud.s3.list_object_versions(Bucket=world.bucket, Prefix=job.key("outcome.json")).get("Versions", [])
        assert len(kept) == 1, names
        sent = [len(world.mails_to(address, job)) for address in (schedule.owner(job).email, ADMIN)]
        # What a user has stopped himself is no news to the admin.
        wanted = [1, 0] if world.outcome(job)["status"] == "cancelled" else [1, 1]
        assert [min(count, 1) for count in sent] == wanted
        repeats -= sum(sent) - sum(wanted)
    assert repeats >= 0, "a mail came twice where nothing had died"
    assert world.keys("pending/") == []
