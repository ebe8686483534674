"""`gen3d logs`, as somebody types it, and what it makes of lines."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from infra.local.stage import Stage
from infra.operator.logs import Line, read_logs
from infra.operator.stage import find_stage
from serve.errors import Gen3DError
from tests.infra.local.visitors import wait_until
from tests.infra.operator.conftest import CUP, Told
from tests.infra.operator.test_submit import job_in

Command = Callable[..., Told]
NOON = datetime(2026, 11, 23, 12, 0, 0, 5000, tzinfo=UTC)
LINE = re.compile(r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z)  (?P<who>\w+) +(?P<level>[A-Z]+) +(?P<rest>.+)")


def line(text: str) -> Line:
    return Line("1", NOON, "jobs", text)


def put(stage: Stage, stream: str, *messages: str, group: str | None = None) -> None:
    """As SageMaker logs what its container writes, or Lambda where its group is named."""
    logs, group = stage.cloud.client("logs"), group or stage.outputs["EndpointLogName"]
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": message} for message in messages]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def test_all_that_was_logged_of_a_job_in_order_of_time(gen3d: Command, submit: Command) -> None:
    job, other = (job_in(submit("--box", CUP)[2]) for _ in range(2))
    # The command ends with the job; the Lambda that ended that, whose lines come last, sends mails still.
    wait_until(lambda: "job ended" in gen3d("logs", job, "--stage", "local")[1])
    status, out, err = gen3d("logs", job, "--stage", "local")
    assert (status, err) == (0, "")
    lines = [LINE.fullmatch(text) for text in out.splitlines()]
    told = [match.groupdict() for match in lines if match]
    assert len(told) == len(lines)
    assert [each["at"] for each in told] == sorted(each["at"] for each in told)
    assert {each["who"] for each in told} == {"jobs", "extract", "endpoint", "container", "notify"}
    rests = [each["rest"] for each in told]
    assert rests[0] == "job made  boxes=1"
    assert "job ended  status=succeeded" in rests
    assert any(rest.startswith("stage  stage=segment") for rest in rests)
    assert job not in out
    assert other not in out


def test_as_written_each_line_is_json_and_metrics_are_there(gen3d: Command, submit: Command) -> None:
    job = job_in(submit("--box", CUP)[2])
    lines = [json.loads(text) for text in gen3d("logs", job, "--stage", "local", "--json")[1].splitlines()]
    assert all(job in (each.get("job_id"), each.get("inference_id")) for each in lines)
    assert any("_aws" in each for each in lines)


def test_without_a_job_it_is_of_late(gen3d: Command, submit: Command) -> None:
    job = job_in(submit("--box", CUP)[2])
    assert f"job made  job_id={job}" in gen3d("logs", "--stage", "local")[1]


def test_nothing_older_than_asked_for_is_shown() -> None:
    assert read_logs(find_stage("local"), datetime.now(UTC) - timedelta(hours=1), None)
    assert read_logs(find_stage("local"), datetime.now(UTC) + timedelta(hours=1), None) == []


def test_it_begins_as_long_ago_as_is_said_be_that_before_our_time(gen3d: Command, submit: Command) -> None:
    job = job_in(submit("--box", CUP)[2])
    for since, is_there in (("1h", True), ("700000d", True), ("999999d", True), ("0s", False)):
        status, out, _ = gen3d("logs", "--stage", "local", "--since", since)
        assert (status, f"job made  job_id={job}" in out) == (0, is_there), since


def test_of_a_job_of_nobody_nothing_is_logged(gen3d: Command) -> None:
    job = "8204561455749-fbeae30ea5daffa3"
    told = f"nothing of job {job} is logged since 2026-11-23 12:55:44Z\n"
    assert gen3d("logs", job, "--stage", "local") == (0, "", told)


def test_in_aws_all_is_in_cloudwatch(gen3d: Command, stage: Stage, trial: str, aws: pytest.MonkeyPatch) -> None:
    job = f"{10**13 - 1 - int(time.time() * 1000) + 60_000:013d}-fbeae30ea5daffa3"
    put(stage, "AllTraffic/i-1", json.dumps({"level": "INFO", "message": "job accepted", "job_id": job}), "other")
    put(stage, "AllTraffic/i-1/data-log", f"Inference of {job} begins")
    status, out, _ = gen3d("logs", job, "--stage", trial)
    assert status == 0
    told = [text.split(maxsplit=2)[2] for text in out.splitlines()]
    assert sorted(re.sub(" +", " ", text) for text in told) == [
        "container INFO job accepted",
        f"endpoint Inference of {job} begins",
    ]


def test_followed_it_goes_on_with_what_comes_and_says_nothing_twice(
    gen3d: Command, stage: Stage, trial: str, aws: pytest.MonkeyPatch
) -> None:
    put(stage, "AllTraffic/i-2", "the first")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            put(stage, "AllTraffic/i-3", "the second")
        elif len(pauses) == 3:
            raise KeyboardInterrupt

    aws.setattr("gen3d.logs.time", SimpleNamespace(sleep=pause, time=time.time))
    status, out, _ = gen3d("logs", "--stage", trial, "--follow")
    assert status == 130
    assert (out.count("the first"), out.count("the second")) == (1, 1)
    assert out.index("the first") < out.index("the second")


def test_followed_it_goes_on_where_aws_does_not_answer_for_once(
    gen3d: Command, stage: Stage, trial: str, aws: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    def read(*asked: Any) -> list[Line]:
        if len(pauses) == 1:
            raise Gen3DError("aws_unreachable", "AWS answers FilterLogEvents with ThrottlingException, status 400.")
        return read_logs(*asked)

    put(stage, "AllTraffic/i-4", "all the time")
    aws.setattr("infra.operator.logs.read_logs", read)
    aws.setattr("gen3d.logs.time", SimpleNamespace(sleep=pause, time=time.time))
    status, out, err = gen3d("logs", "--stage", trial, "--follow")
    assert (status, out.count("all the time")) == (130, 1)
    assert err.splitlines()[0].endswith("ThrottlingException, status 400. It is asked again.")


def test_where_there_are_frames_alone_nothing_is_logged(
    gen3d: Command, stage: Stage, trial: str, aws: pytest.MonkeyPatch
) -> None:
    put(stage, "AllTraffic/frames", "START RequestId: 8204561455749-aaaae30ea5daffa3")
    status, out, err = gen3d("logs", "8204561455749-aaaae30ea5daffa3", "--stage", trial)
    assert (status, out) == (0, "")
    assert err.startswith("nothing of job 8204561455749-aaaae30ea5daffa3 is logged since ")


def test_the_help_names_what_the_identity_needs(
    gen3d: Command, stage: Stage, trial: str, allowed: Callable[[str], None]
) -> None:
    put(stage, "AllTraffic/allowed", "seen by who is allowed to")
    allowed(gen3d("logs", "--help")[1])
    assert "seen by who is allowed to" in gen3d("logs", "--stage", trial)[1]


def test_what_would_move_the_cursor_is_shown_as_it_is_written() -> None:
    assert line('{"message": "a\\u001b[2Jb", "path": "\\u009b1A"}').shown(None) == (
        "2026-11-23 12:00:00.005Z  jobs                a\\x1b[2Jb  path=\\x9b1A"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"level": "INFO", "message": "a", "service": "Gen3D-jobs", "n": null}', "INFO     a  n=null"),
        ('{"level": "ERROR", "message": "a", "exception": "Traceback\\n  b"}', "ERROR    a\n    Traceback\n      b"),
        ('{"method": "GET", "path": "/api/jobs", "status": "200"}', "         method=GET path=/api/jobs status=200"),
        ("2026-11-23T12:00:00Z x Task timed out after 60.00 seconds", None),
        ("{half a line", None),
    ],
)
def test_people_see_time_writer_level_message_and_fields(text: str, shown: str | None) -> None:
    assert line(text).shown(None) == f"2026-11-23 12:00:00.005Z  jobs       {shown or '         ' + text}"


@pytest.mark.parametrize("text", ["START RequestId: 1 Version: 2", "REPORT RequestId: 1", '{"_aws": {}, "Jobs": [1]}'])
def test_people_do_not_see_metrics_and_frames(text: str) -> None:
    assert line(text).shown(None) is None


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--since", "yesterday"], "such as 10m"), (["mine"], "is no job's id")]
)
def test_wrong_usage_is_status_2_and_says_what(gen3d: Command, arguments: list[str], said: str) -> None:
    status, _, err = gen3d("logs", *arguments)
    assert status == 2
    assert said in err
