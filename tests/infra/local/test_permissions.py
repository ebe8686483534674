"""What each role did, in the lives of many jobs in the whole service, is what it may do: nothing missing, nothing more.

The calls are those that the stage's roles were heard to make. What AWS itself does in a role's name cannot be heard
here, it is in the tables as such: locally, who polls the queues or writes the Lambdas' logs asks for nobody's leave,
and no image is pulled. Nor does the local S3 ask for `s3:PutObjectTagging` where an object is written with tags.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

import pytest

from infra import actions
from infra.local.cloud import REGION
from lambdas.actions import CALLS, ON_ITS_BEHALF, Grant, grants
from lambdas.shared.documents import Origin, Step, to_json
from lambdas.shared.events import created_message
from lambdas.shared.job_folder import Job
from lambdas.shared.store import Store
from tests.infra.local.recorder import Call, RecordedStage
from tests.infra.local.visitors import BOX, PHOTO, send, sign_up, wait_until

# The first test is charged for the lives of all jobs, which take as long as ten others.
pytestmark = pytest.mark.timeout(300)

# What SageMaker does and the local one does as well: it puts answers down and tells of failures.
PLAYED: Final = {Grant("s3:PutObject", "bucket/async/*"), Grant("sns:Publish", "failure-topic")}
# What AWS does in a role's name and nobody does here; of the Lambdas, what lambdas/actions.py has as such.
BY_AWS: Final[dict[str, set[Grant]]] = {
    "endpoint": set(actions.ON_ITS_BEHALF["endpoint"]) - PLAYED,
    # AWS's reference has SESv2's SendEmail under its own name; SES asks for ses:SendRawEmail where the content is raw.
    "notify": {Grant("ses:SendEmail", "mail-identity")},
}


class Lives:
    """Jobs to which everything happens that a role has a branch for."""

    def __init__(self, recorded: RecordedStage) -> None:
        self.recorded, self.stage = recorded, recorded.stage
        self.bucket = self.stage.outputs["BucketName"]
        self.s3 = self.stage.cloud.client("s3")
        self.store = Store(self.bucket, self.s3)
        self.past = datetime.now(UTC) - timedelta(minutes=5)
        self.ada, self.bob = (sign_up(self.stage, recorded.http) for _ in range(2))

    def walk(self) -> None:
        self.s3.put_object(Bucket=self.bucket, Key="PUBLIC/index.html", Body=b"page")
        assert self.recorded.http.get(f"{self.stage.page}/").text == "page"
        assert self.recorded.http.head(f"{self.stage.page}/index.html").is_success
        self.succeed()
        self.fail()
        self.stop()
        self.write_late()
        self.lose()

    def succeed(self) -> None:
        job = self.ada.submit([BOX, [500, 500, 600, 600]])
        told = self.ada.wait(job)
        assert told["status"] == "partial"
        for address in (told["image_url"], told["objects"][0]["files"][0]["url"]):
            assert self.ada.http.get(address).is_success
        for label in ("one", "two"):
            assert self.ada.ask("PUT", f"/api/jobs/{job.id}/label", {"label": label}).is_success
        assert self.ada.ask("GET", "/api/jobs").json()["jobs"][0]["label"] == "two"
        assert self.ada.ask("GET", "/api/limits").is_success
        again = self.ada.ask("POST", f"/api/jobs/{job.id}/retry")
        assert self.ada.wait(Job(self.ada.sub, again.json()["id"]))["status"] == "partial"
        assert self.ada.ask("DELETE", f"/api/jobs/{job.id}").status_code == 204
        assert self.names(job) == {"deleted.json"}

    def fail(self) -> None:
        """At the door, and in the container."""
        for data, code in ((b"<html>", "image_unsupported"), (PHOTO[:300], None)):
            told = self.bob.wait(self.bob.submit(data=data))
            assert told["status"] == "failed"
            assert code in (None, told["error"]["code"])

    def stop(self) -> None:
        job, form = self.bob.create_ended()
        assert send(self.bob.http, form, PHOTO).is_success
        assert self.bob.wait(job)["status"] == "cancelled"

    def write_late(self) -> None:
        """Each Lambda meets what was written after the job was deleted."""
        job, form = self.deleted()
        assert send(self.bob.http, form, PHOTO).is_success
        wait_until(lambda: self.names(job) == {"deleted.json"})
        job, _ = self.deleted()
        self.put(job, "output/object-0.glb", b"late")
        message = created_message(self.bucket, job.key("outcome.json"))
        sqs = self.stage.cloud.client("sqs")
        sqs.send_message(QueueUrl=self.stage.outputs["JobFinishedUrl"], MessageBody=message)
        wait_until(lambda: self.names(job) == {"deleted.json"})
        job, _ = self.deleted()
        self.put(job, "output/object-0.glb", b"late")
        self.sweep(job)
        assert self.names(job) == {"deleted.json"}

    def lose(self) -> None:
        """The sweep finds what was lost: a mail, an event, an answer, a photo, and time."""
        mailed = self.bob.submit(data=b"<html>")
        self.bob.wait(mailed)
        self.s3.delete_object(Bucket=self.bucket, Key=mailed.key("mail-user.json"))
        self.sweep(mailed)
        wait_until(lambda: "mail-user.json" in self.names(mailed))
        waiting, _ = self.bob.create()
        self.sweep(waiting)
        assert self.bob.read(waiting)["status"] == "waiting"
        self.ask_again(waiting)
        self.sweep(waiting)
        assert self.bob.read(waiting)["error"]["code"] == "upload_missing"
        # Somebody had begun to submit it, and died.
        begun, form = self.ada.create()
        self.put(begun, "submitted.json", to_json(self.step("begun", {})))
        self.ask_again(begun)
        assert send(self.ada.http, form, PHOTO).is_success
        self.sweep(begun)
        assert self.ada.ask("DELETE", f"/api/jobs/{begun.id}").status_code == 204
        # SageMaker's word did not come, and its failure lies there.
        failed, _ = self.ada.create()
        places = {name: f"s3://{self.bucket}/async/{name}/{failed.id}.out" for name in ("output", "failure")}
        self.s3.put_object(Bucket=self.bucket, Key=f"async/failure/{failed.id}.out", Body=b"it broke")
        result = {f"{name}_location": place for name, place in places.items()}
        self.put(failed, "submitted.json", to_json(self.step("done", result)))
        self.sweep(failed)
        assert self.ada.wait(failed)["error"]["message"] == "it broke"

    def deleted(self) -> tuple[Job, dict[str, Any]]:
        job, form = self.bob.create()
        assert self.bob.ask("DELETE", f"/api/jobs/{job.id}").status_code == 204
        return job, form

    def sweep(self, job: Job) -> None:
        """Has the sweep look at a job now."""
        self.store.put(job.marker(self.past), b"")
        client = self.stage.cloud.client("lambda")
        answer = client.invoke(FunctionName=self.stage.outputs["SweepName"], Payload=b"{}")
        assert "FunctionError" not in answer, answer["Payload"].read()

    def ask_again(self, job: Job) -> None:
        """As if the time to upload the photo were over."""
        stored = self.store.get(job.key("request.json"))
        assert stored is not None
        asked = Origin.parse(stored.metadata)
        late = Origin(asked.sub, asked.email, self.past)
        self.store.put(job.key("request.json"), stored.data, metadata=late.to_metadata())

    def step(self, state: Any, result: dict[str, str]) -> Step:
        later = datetime.now(UTC) + timedelta(minutes=10)
        return Step(state=state, by="another", until=later, deadline=self.past, result=result)

    def put(self, job: Job, name: str, data: bytes) -> None:
        self.store.put(job.key(name), data)

    def names(self, job: Job) -> set[str]:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=job.prefix).get("Contents", [])
        return {one["Key"].removeprefix(job.prefix) for one in found}


@pytest.fixture(scope="module")
def calls(recorded: RecordedStage) -> list[Call]:
    """All calls of roles in the lives of many jobs."""
    begin = recorded.mark()
    Lives(recorded).walk()
    return recorded.calls(begin)


def named(resource: str, outputs: dict[str, str]) -> str:
    """A resource, by its ARN or as a call has it, in the words of the tables."""
    bucket = f"arn:aws:s3:::{outputs['BucketName']}"
    if resource.startswith(bucket):
        return f"bucket{resource.removeprefix(bucket)}"
    if resource == "*" or resource == "bucket" or resource.startswith("bucket/"):
        return resource
    ends = {
        "ImageUploaded": "uploaded-queue",
        "JobFinished": "finished-queue",
        "InvocationFailed": "failure-topic",
        # SageMaker has it in lower case in the ARN.
        "endpoint/gen3d-local": "endpoint",
        "repository/gen3d-local": "images",
        "identity/*": "mail-identity",
        "configuration-set/gen3d-local": "mail-identity",
        "gen3d@example.com": "mail-identity",
    }
    if ":log-group:" in resource:
        return "log-group"
    (name,) = {name for end, name in ends.items() if resource.lower().endswith(end.lower())} or {
        {"Gen3D-local": "endpoint"}[resource]
    }
    return name


def allowed(recorded: RecordedStage, who: str) -> set[Grant]:
    """What the policies of a role allow that was deployed; of the front's user, as of CloudFront."""
    iam = recorded.stage.cloud.client("iam")
    if who == "page":
        kind, owner = "user", {"UserName": "Gen3D-local-page"}
    else:
        kind, owner = "role", {"RoleName": f"Gen3D-local-{who}-{REGION}"}
    found = set()
    for policy in getattr(iam, f"list_{kind}_policies")(**owner)["PolicyNames"]:
        document = getattr(iam, f"get_{kind}_policy")(**owner, PolicyName=policy)["PolicyDocument"]
        for statement in document["Statement"]:
            assert statement["Effect"] == "Allow"
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    found.add(Grant(action, named(resource, recorded.stage.outputs)))
    return found


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def needed(recorded: RecordedStage, calls: list[Call], who: str) -> Iterator[tuple[Call, Grant]]:
    """What a role's calls needed, each on the very thing."""
    for call in calls:
        # A form or a link that was changed is refused, as it should be: that is no call of the role's.
        if call.who == who and not (call.presigned and call.status in (400, 403)):
            for action, resource in call.needs():
                yield call, Grant(action, named(resource, recorded.stage.outputs))


def fitting(need: Grant, among: set[Grant]) -> set[Grant]:
    return {grant for grant in among if grant.action == need.action and fnmatchcase(need.resource, grant.resource)}


def table(who: str) -> set[Grant]:
    """What a role is seen to do, by the tables."""
    if who == "endpoint":
        return PLAYED | {grant for granted in actions.CALLS[who].values() for grant in granted}
    if who == "page":
        return {Grant("s3:GetObject", "bucket/PUBLIC/*")}
    return {grant for granted in CALLS[who].values() for grant in granted}


ROLES: Final = (*CALLS, "endpoint", "page")


def test_each_role_did_what_the_tables_say_and_nothing_more(recorded: RecordedStage, calls: list[Call]) -> None:
    for who in ROLES:
        used: set[Grant] = set()
        for call, need in needed(recorded, calls, who):
            expected = set(ON_ITS_BEHALF[who]) if call.presigned else table(who)
            assert fitting(need, expected), (who, call.method, call.target, need)
            used |= fitting(need, expected)
        assert used >= table(who), who
    assert {call.who for call in calls if call.presigned} == {"jobs"}
    with_forms_and_links = {need.action for call, need in needed(recorded, calls, "jobs") if call.presigned}
    assert with_forms_and_links == {"s3:GetObject", "s3:PutObject", "s3:PutObjectTagging"}


def test_each_role_may_do_what_it_did_and_what_aws_does_for_it_and_nothing_more(
    recorded: RecordedStage, calls: list[Call]
) -> None:
    """Nor was a role refused anything: the local cloud checks signatures and nearly all of these actions."""
    assert not [(call.who, call.method, call.target) for call in calls if call.status in (401, 403)]
    assert {call.who for call in calls} == set(ROLES)
    for who in ROLES:
        may = allowed(recorded, who)
        used: set[Grant] = set()
        for call, need in needed(recorded, calls, who):
            assert fitting(need, may), (who, call.method, call.target, need)
            used |= fitting(need, may)
        by_aws = BY_AWS.get(who, set()) | set(ON_ITS_BEHALF.get(who, ()))
        assert may - used <= by_aws, who
        assert by_aws <= may, who


def test_all_that_a_lambda_is_granted_is_in_one_of_the_tables() -> None:
    for who in CALLS:
        assert set(grants(who)) == table(who) | set(ON_ITS_BEHALF[who])
