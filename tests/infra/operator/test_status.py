"""`gen3d status`, as somebody types it: of a stage that is well, and of one that is not."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.local.stage import Stage
from infra.operator import failures, status
from infra.operator.failures import read_failures
from infra.operator.stage import find_stage
from infra.operator.status import Jobs, Status, read_status
from lambdas.shared.job_folder import PENDING, REQUEST, SUBMITTED, Job, new_job_id
from lambdas.shared.store import Store
from tests.infra.local.visitors import Visitor
from tests.infra.operator.conftest import TRIAL, Told
from tests.infra.operator.outages import put_dead_letter, without_endpoint
from tests.infra.operator.test_logs import put

Command = Callable[..., Told]
pytestmark = pytest.mark.usefixtures("no_other_letters")


@pytest.fixture
def in_aws(stage: Stage, trial: str, aws: pytest.MonkeyPatch) -> str:
    """The name of the stage in AWS, with what moto plays at hand too."""
    for service in ("SAGEMAKER", "APPLICATION_AUTO_SCALING"):
        aws.setenv(f"AWS_ENDPOINT_URL_{service}", stage.cloud.moto)
    return trial


def looks(told: Told) -> list[str]:
    """What needs a look, but for errors in the log, which other tests may have made."""
    _, found, needs = told[1].partition("needs a look:\n")
    return [line for line in needs.splitlines() if found and "errors logged" not in line]


def line(told: Told, what: str) -> str:
    (found,) = [text for text in told[1].splitlines() if text.startswith(f"{what} ")]
    return found.removeprefix(what).strip()


def jobs_in(found: Status) -> Jobs:
    assert found.jobs is not None, found.unknown
    return found.jobs


def measure(stage: Stage, space: str, name: str, dimensions: dict[str, str], values: list[dict[str, Any]]) -> None:
    """As SageMaker does."""
    data = [
        {"MetricName": name, "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()], **each}
        for each in values
    ]
    stage.cloud.client("cloudwatch").put_metric_data(Namespace=space, MetricData=data)


@contextmanager
def old_job(stage: Stage, visitor: Visitor) -> Iterator[Job]:
    """Meanwhile there is a job that was given to the endpoint hours ago: no other is older."""
    store = Store(stage.outputs["BucketName"], stage.cloud.client("s3"))
    now = datetime.now(UTC)
    job = Job(visitor.sub, new_job_id(now - timedelta(hours=3)))
    marker = job.marker(now + timedelta(hours=3))
    for key in (marker, job.key(REQUEST), job.key(SUBMITTED)):
        store.put(key, b"{}")
    try:
        yield job
    finally:
        store.delete_for_good(job.prefix, but="")
        store.delete([marker])


def test_of_a_stage_that_is_well_nothing_needs_a_look(gen3d: Command, stage: Stage, visitor: Visitor) -> None:
    visitor.wait(visitor.submit())
    told = gen3d("status", "--stage", "local")
    assert looks(told) == []
    assert told[0] == ("needs a look:" in told[1])
    name = stage.outputs["EndpointName"]
    assert line(told, "endpoint") == f"{name}, InService: 1 instance, 0 to 1 allowed; ml.m5.large"
    assert line(told, "backlog").endswith(" waiting, 0 at work, 0 being delivered)")
    assert "queue       image-uploaded: 0 waiting, 0 taken, 0 dead letters\n" in told[1]
    assert line(told, "alarms") == "unknown: nothing is measured in the local cloud"
    assert line(told, "GPU hours") == "unknown: nothing is measured in the local cloud"
    assert len(told[1].splitlines()) < 25


def test_without_errors_all_is_well(stage: Stage) -> None:
    found = replace(read_status(find_stage("local")), errors_lately=0)
    assert found.needs_a_look == []


def test_an_endpoint_that_is_gone_and_dead_letters_need_a_look(gen3d: Command, stage: Stage) -> None:
    put_dead_letter(stage, "job-finished", "{}")
    with without_endpoint(stage):
        told = gen3d("status", "--stage", "local")
    name = stage.outputs["EndpointName"]
    assert told[0] == 1
    assert looks(told) == [
        f"- there is no endpoint {name}: jobs wait until there is one, and then are given up",
        "- dead letters in job-finished: 1; `gen3d redrive --stage local` shows them",
    ]
    assert line(told, "endpoint") == f"{name}: there is none"
    assert line(told, "backlog") == "unknown: there is no endpoint"
    assert looks(gen3d("status", "--stage", "local")) == looks(told)[1:]


def test_an_endpoint_that_has_failed_says_why() -> None:
    well = read_status(find_stage("local"))
    assert well.endpoint is not None
    failed = replace(well, endpoint=replace(well.endpoint, status="Failed", reason="No capacity"), errors_lately=0)
    assert failed.needs_a_look == ["the endpoint is Failed: No capacity"]


def test_jobs_under_way_are_counted_and_the_oldest_is_named(visitor: Visitor, stage: Stage) -> None:
    before = jobs_in(read_status(find_stage("local"))).counts
    visitor.create()
    with old_job(stage, visitor) as old:
        found = read_status(find_stage("local"))
    jobs = jobs_in(found)
    assert jobs.counts["queued"] - before.get("queued", 0) == 1
    assert jobs.counts["waiting"] - before.get("waiting", 0) == 1
    assert jobs.oldest is not None
    assert (jobs.oldest.id, jobs.oldest.sub, jobs.oldest.status) == (old.id, visitor.sub, "queued")
    assert jobs.is_all
    assert jobs.oldest.since < found.at - timedelta(hours=2)
    why = f"`gen3d logs {old.id} --stage local` says what became of it"
    assert f"job {old.id} is queued for more than an hour: {why}" in found.needs_a_look


def test_a_job_that_has_ended_is_not_under_way(visitor: Visitor) -> None:
    visitor.create_ended()
    oldest = jobs_in(read_status(find_stage("local"))).oldest
    assert oldest is None or oldest.sub != visitor.sub


def test_of_very_many_jobs_the_oldest_are_looked_at(
    gen3d: Command, stage: Stage, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.create()
    monkeypatch.setattr(status, "_MOST_JOBS", 1)
    with old_job(stage, visitor) as old:
        told = line(gen3d("status", "--stage", "local"), "jobs")
    assert told == f"at least 1 queued; the oldest, {old.id}, since 3 h"


def test_a_sweep_that_does_not_come_needs_a_look(stage: Stage, visitor: Visitor) -> None:
    store = Store(stage.outputs["BucketName"], stage.cloud.client("s3"))
    job, _ = visitor.create()
    marker = job.marker(datetime.now(UTC) - timedelta(hours=1))
    store.put(marker, b"")
    try:
        found = read_status(find_stage("local"))
    finally:
        store.delete([marker])
    assert marker.startswith(PENDING)
    assert jobs_in(found).overdue >= 1
    assert any(need.startswith("jobs that were due and the sweep has not come for: ") for need in found.needs_a_look)


def test_errors_of_the_last_day_are_shown_and_those_of_the_last_hour_need_a_look(
    gen3d: Command, stage: Stage, visitor: Visitor
) -> None:
    job, _ = visitor.create()
    now = datetime.now(UTC)
    before = read_status(find_stage("local")).errors_lately or 0

    def logged(at: datetime, **more: str) -> str:
        return json.dumps({"time": at.isoformat(), "level": "ERROR", "message": "a defect", "job_id": job.id, **more})

    put(
        stage,
        f"AllTraffic/{job.id}",
        logged(now, exception="Traceback\n  somewhere\nValueError: no mesh"),
        logged(now - timedelta(hours=5), message="earlier"),
        logged(now - timedelta(hours=30), message="yesterday"),
        json.dumps({"time": now.isoformat(), "level": "INFO", "message": "all is well", "job_id": job.id}),
        json.dumps({"time": now.isoformat(), "level": "INFO", "message": "job ended", "status": "failed"}),
        "half a line",
    )
    found, is_all = read_failures(find_stage("local"), now - timedelta(days=1))
    own = [failure for failure in found if failure.job == job.id]
    assert [failure.message for failure in own] == ["a defect: ValueError: no mesh", "earlier"]
    assert is_all
    assert any(failure.message == "job ended: failed" and not failure.is_error for failure in found)
    told = gen3d("status", "--stage", "local")
    assert f"{now:%m-%d %H:%M}Z container job {job.id}: a defect: ValueError: no mesh\n" in told[1]
    assert told[0] == 1
    assert f"- errors logged in the last hour: {before + 1}; " in told[1]


def test_a_lambda_that_ended_as_it_should_not_is_an_error(stage: Stage) -> None:
    begun = datetime.now(UTC) - timedelta(seconds=1)
    killed = "RequestId: 5d3f Error: Runtime exited with error: signal: killed"
    put(
        stage,
        "ended",
        "START RequestId: 5d3f Version: $LATEST",
        "2026-11-23T02:00:00.000Z 5d3f Task timed out after 60.06 seconds\n",
        f"{killed}\nRuntime.ExitError\n",
        "[ERROR] Runtime.ImportModuleError: no x\nTraceback",
        # It says the second once more.
        "REPORT RequestId: 5d3f Duration: 60000.00 ms Status: error Error Type: Runtime.ExitError",
        group=f"/aws/lambda/{stage.outputs['NotifyName']}",
    )
    found, _ = read_failures(find_stage("local"), begun)
    own = {each.message for each in found if each.who == "notify" and each.is_error}
    assert own == {"Task timed out after 60.06 seconds", killed, "[ERROR] Runtime.ImportModuleError: no x"}


def test_a_request_that_the_api_could_not_answer_is_an_error(stage: Stage) -> None:
    begun = datetime.now(UTC) - timedelta(seconds=1)
    asked = {"time": "23/Nov/2026:02:00:00 +0000", "method": "GET", "path": "/api/jobs"}
    answers = {"200": "-", "404": "-", "503": "Service Unavailable"}
    lines = [json.dumps({**asked, "status": status, "error": error}) for status, error in answers.items()]
    put(stage, "requests", *lines, "half a line", group="/gen3d/local/api")
    found, _ = read_failures(find_stage("local"), begun)
    own = [(each.message, each.is_error) for each in found if each.who == "api"]
    assert own == [("GET /api/jobs: 503: Service Unavailable", True)]


def test_what_the_container_of_the_local_cloud_writes_is_in_a_file(stage: Stage) -> None:
    now = datetime.now(UTC)
    with (stage.folder / "container.log").open("a") as log:
        log.write(json.dumps({"time": now.isoformat(), "level": "ERROR", "message": "broke", "code": "a_code"}) + "\n")
    found, _ = read_failures(find_stage("local"), now - timedelta(seconds=1))
    assert any(failure.who == "container" and failure.message == "broke: a_code" for failure in found)


def test_where_the_log_is_too_long_to_be_read_it_says_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, gen3d: Command
) -> None:
    monkeypatch.setattr(failures, "_MOST_PAGES", 0)
    assert "there is more in the log than was read" in gen3d("status", "--stage", "local")[1]


def test_it_comes_as_json_for_programs(gen3d: Command, stage: Stage) -> None:
    code, out, _ = gen3d("status", "--stage", "local", "--json")
    found = json.loads(out)
    assert code == (1 if found["needs_a_look"] else 0)
    assert found["stage"] == "local"
    assert found["endpoint"]["status"] == "InService"
    assert found["endpoint"]["desired"] is None
    assert found["alarms"] is None
    assert found["instance_hours"] == {"value": None, "note": "nothing is measured in the local cloud"}
    assert [queue["name"] for queue in found["queues"]] == ["image-uploaded", "job-finished"]
    assert found["at"].endswith("Z")


def test_in_aws_numbers_are_sagemakers_and_cloudwatchs(gen3d: Command, stage: Stage, in_aws: str) -> None:
    name, now = stage.outputs["EndpointName"], datetime.now(UTC)
    told = gen3d("status", "--stage", in_aws)
    assert line(told, "endpoint") == f"{name}, InService: 1 instance, 1 wanted, 0 to 1 allowed; ml.m5.large"
    assert line(told, "backlog") == "unknown: SageMaker has told of none in the last 15 minutes"
    assert line(told, "GPU hours").startswith("0 this month, of ml.m5.large (estimated: ")
    assert line(told, "alarms") == "none"
    backlogs = [{"Timestamp": now - timedelta(minutes=ago), "Value": value} for ago, value in ((9, 5), (3, 7), (6, 6))]
    measure(stage, "AWS/SageMaker", "ApproximateBacklogSize", {"EndpointName": name}, backlogs)
    variant = {"EndpointName": name, "VariantName": "AllTraffic"}
    samples = [{"Timestamp": now - timedelta(minutes=ago), "Value": 50, "Unit": "Percent"} for ago in range(1, 4)]
    # Of the month before, which is none of this one's.
    samples.append({"Timestamp": now.replace(day=1, hour=0, minute=0) - timedelta(hours=2), "Value": 50})
    measure(stage, "/aws/sagemaker/Endpoints", "CPUUtilization", variant, samples)
    told = gen3d("status", "--stage", in_aws)
    at = now - timedelta(minutes=3)
    assert line(told, "backlog") == f"7 jobs at the endpoint (ApproximateBacklogSize at {at:%H:%M}Z)"
    # Three minutes; fewer where a month has just begun.
    assert line(told, "GPU hours").startswith(("0.05 this month", "0.03 this month", "0.02 this month", "0 this month"))


def test_in_aws_an_alarm_that_tells_the_admin_needs_a_look_and_the_one_that_scales_does_not(
    gen3d: Command, stage: Stage, in_aws: str
) -> None:
    watch = stage.cloud.client("cloudwatch")
    alarm = {
        "Namespace": "Gen3D",
        "MetricName": "Any",
        "Statistic": "Sum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    admin, other = stage.outputs["AdminTopicArn"], stage.outputs["InvocationFailedArn"]
    names = {f"Gen3D-{TRIAL}-SweepStopped": admin, f"Gen3D-{TRIAL}-wake-up": other, "Gen3D-trial2-Any": admin}
    description = (
        "The sweep has not run for a quarter of an hour, so nothing finds lost jobs. " * 2 + "See its schedule."
    )
    for name, tells in names.items():
        watch.put_metric_alarm(AlarmName=name, AlarmDescription=description, AlarmActions=[tells], **alarm)
        watch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="Nothing\ncame.")
    try:
        told = gen3d("status", "--stage", in_aws)
    finally:
        watch.delete_alarms(AlarmNames=list(names))
    assert told[0] == 1
    assert looks(told) == [f"- alarm Gen3D-{TRIAL}-SweepStopped: {description}"]
    assert line(told, "alarm").endswith("Z: Nothing came.")


def test_the_help_names_what_the_identity_needs(
    gen3d: Command, in_aws: str, visitor: Visitor, allowed: Callable[[str], None]
) -> None:
    visitor.create()
    allowed(gen3d("status", "--help")[1])
    told = gen3d("status", "--stage", in_aws)
    assert line(told, "jobs"), told[2]


def test_what_may_not_be_read_is_unknown_and_the_rest_is_told(
    gen3d: Command, in_aws: str, allowed: Callable[[str], None]
) -> None:
    allowed(gen3d("status", "--help")[1].replace("s3:ListBucket", ""))
    told = gen3d("status", "--stage", in_aws)
    assert told[0] == 1
    assert line(told, "jobs").startswith("unknown: AWS refuses your identity ListObjectsV2 (AccessDenied")
    assert looks(told)[0].startswith("- unknown: jobs: AWS refuses your identity ListObjectsV2")
    assert "InService" in line(told, "endpoint")
    assert line(told, "alarms") == "none"
    found = json.loads(gen3d("status", "--stage", in_aws, "--json")[1])
    assert (found["jobs"], list(found["unknown"])) == (None, ["jobs"])


@pytest.mark.parametrize(
    ("state", "needs"),
    [("UPDATE_ROLLBACK_FAILED", True), ("DELETE_IN_PROGRESS", True), ("UPDATE_IN_PROGRESS", False)],
)
def test_a_stack_that_is_not_as_it_should_be_is_told_of(
    gen3d: Command, monkeypatch: pytest.MonkeyPatch, state: str, needs: bool
) -> None:
    found = find_stage("local")
    found = replace(found, stacks={**found.stacks, "endpoint": state})
    monkeypatch.setattr("infra.operator.stage.find_stage", lambda *_: found)
    told = gen3d("status", "--stage", "local")
    assert line(told, "stack") == f"Gen3D-local-endpoint: {state}"
    assert (f"- the stack Gen3D-local-endpoint is {state}" in looks(told)) == needs


def test_a_stack_that_is_missing_needs_a_look() -> None:
    stage = find_stage("local")
    found = read_status(replace(stage, stacks={"foundation": "CREATE_COMPLETE", "endpoint": "CREATE_COMPLETE"}))
    assert found.missing == ("service",)
    assert "the stack Gen3D-local-service is not deployed" in found.needs_a_look
