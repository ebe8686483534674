"""`gen3d redrive`, as somebody types it, and how dead letters are read and moved."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gen3d.redrive import QUEUES
from infra.local.stage import Stage
from infra.operator import queues
from infra.operator.queues import Letter, Queue, move_back, read_letters, subject_of
from infra.operator.stage import DeployedStage, find_stage
from lambdas.shared.events import created_message
from lambdas.shared.job_folder import IMAGE, OUTCOME, REQUEST, SUBMITTED, Job
from tests.infra.local.visitors import Visitor, wait_until
from tests.infra.operator.conftest import Told
from tests.infra.operator.outages import (
    given_up_at_once,
    letters_of,
    put_dead_letter,
    queue_named,
    without_endpoint,
)

Command = Callable[..., Told]
pytestmark = pytest.mark.usefixtures("no_other_letters")
# What S3 says of a queue that it is told of: both Lambdas take it for nothing.
HARMLESS = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})
NOBODYS = Job("00000000-0000-4000-8000-000000000000", "8204561455749-fbeae30ea5daffa3")


@pytest.fixture
def local() -> DeployedStage:
    return find_stage("local")


@pytest.fixture
def own(stage: Stage) -> Iterator[Queue]:
    """A queue that no Lambda reads, and its dead letters."""
    sqs = stage.cloud.client("sqs")
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("own", "own-dead")]
    yield Queue("image-uploaded", *urls)
    for url in urls:
        sqs.delete_queue(QueueUrl=url)


def bodies(stage: Stage, url: str) -> list[str]:
    """All that lies in a queue."""
    return sorted(letter.body for letter in read_letters(find_stage("local"), Queue("any", url, url)))


def letter(body: str) -> Letter:
    return Letter("1", datetime.now(UTC), 6, body)


def test_a_job_that_no_endpoint_took_is_done_once_it_is_back(gen3d: Command, stage: Stage, visitor: Visitor) -> None:
    with without_endpoint(stage), given_up_at_once(stage):
        job = visitor.submit()
        told: list[str] = []

        def is_shown() -> bool:
            told.append(gen3d("redrive", "--stage", "local")[1])
            return "ValidationError" in told[-1]

        wait_until(is_shown)
    # The message came within the minute and was received once by the Lambda, and once by each look.
    assert re.search(
        rf"^image-uploaded: 1 message\n +\d+ s old, received \d+ times?: the photo of job {job.id}, queued;"
        r" ValidationError: .*Gen3D-local.* not found.*\njob-finished: no dead letters$",
        told[-1],
        re.MULTILINE,
    )
    assert visitor.read(job)["status"] == "queued"
    status, out, err = gen3d("redrive", "--stage", "local", "--yes")
    assert (status, out.splitlines()[-1]) == (0, "image-uploaded: 1 message put back"), err
    wait_until(lambda: visitor.read(job)["ended_at"])
    assert visitor.read(job)["status"] == "succeeded"
    assert letters_of("image-uploaded") == []


def test_looking_changes_nothing_but_the_count(gen3d: Command, stage: Stage) -> None:
    put_dead_letter(stage, "job-finished", HARMLESS)
    first, second = (gen3d("redrive", "--stage", "local", "--queue", "job-finished") for _ in range(2))
    assert "received 1 time: no job: an event of another kind" in first[1]
    assert "received 2 times: no job: an event of another kind" in second[1]
    assert [found.body for found in letters_of("job-finished")] == [HARMLESS]


def test_where_nobody_can_be_asked_nothing_is_moved(gen3d: Command, stage: Stage) -> None:
    put_dead_letter(stage, "job-finished", HARMLESS)
    status, _, err = gen3d("redrive", "--stage", "local")
    assert status == 1
    assert err.startswith("gen3d: not_confirmed: Nobody is here to be asked")
    assert len(letters_of("job-finished")) == 1


def test_only_the_queue_that_was_named_is_shown_and_moved(gen3d: Command, stage: Stage) -> None:
    for name in ("image-uploaded", "job-finished"):
        put_dead_letter(stage, name, HARMLESS)
    status, out, _ = gen3d("redrive", "--stage", "local", "--queue", "job-finished", "--yes")
    assert status == 0
    assert "image-uploaded" not in out
    assert [len(letters_of(name)) for name in ("image-uploaded", "job-finished")] == [1, 0]


def test_without_dead_letters_nothing_is_asked(gen3d: Command) -> None:
    told = "image-uploaded: no dead letters\njob-finished: no dead letters\n"
    assert gen3d("redrive", "--stage", "local") == (0, told, "")


def test_a_stage_in_aws_is_served_the_same_way(
    gen3d: Command, stage: Stage, trial: str, aws: pytest.MonkeyPatch
) -> None:
    put_dead_letter(stage, "job-finished", HARMLESS)
    status, out, _ = gen3d("redrive", "--stage", trial, "--yes")
    assert (status, out.splitlines()[-1]) == (0, "job-finished: 1 message put back")
    assert letters_of("job-finished") == []


def test_the_help_names_what_the_identity_may_need(
    gen3d: Command, stage: Stage, trial: str, allowed: Callable[[str], None], visitor: Visitor
) -> None:
    job, _ = visitor.create_ended()
    put_dead_letter(stage, "job-finished", created_message(stage.outputs["BucketName"], job.key(OUTCOME)))
    allowed(gen3d("redrive", "--help")[1])
    status, out, err = gen3d("redrive", "--stage", trial, "--yes")
    assert (status, f"the outcome of job {job.id}, cancelled" in out) == (0, True), err
    assert letters_of("job-finished") == []


def test_of_many_the_oldest_are_shown_and_all_are_moved(gen3d: Command, stage: Stage) -> None:
    for _ in range(23):
        put_dead_letter(stage, "job-finished", HARMLESS)
    _, out, _ = gen3d("redrive", "--stage", "local", "--queue", "job-finished", "--yes")
    lines = out.splitlines()
    assert lines[0] == "job-finished: 23 messages"
    assert lines[21:] == ["  … and 3 younger ones", "job-finished: 23 messages put back"]
    assert letters_of("job-finished") == []


def test_what_came_after_the_question_stays(stage: Stage, local: DeployedStage, own: Queue) -> None:
    sqs = stage.cloud.client("sqs")
    for body in ("shown", "shown too"):
        sqs.send_message(QueueUrl=own.dead, MessageBody=body)
    shown = read_letters(local, own)
    sqs.send_message(QueueUrl=own.dead, MessageBody="later")
    assert move_back(local, own, shown) == 2
    assert bodies(stage, own.url) == ["shown", "shown too"]
    assert bodies(stage, own.dead) == ["later"]


def test_what_somebody_else_has_moved_meanwhile_is_not_counted(stage: Stage, local: DeployedStage, own: Queue) -> None:
    stage.cloud.client("sqs").send_message(QueueUrl=own.dead, MessageBody="a")
    shown = read_letters(local, own)
    assert [move_back(local, own, shown) for _ in range(2)] == [1, 0]


def test_interrupted_it_loses_nothing_and_says_how_to_go_on(
    gen3d: Command, stage: Stage, own: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [f"message {number}" for number in range(12)]
    for body in sent:
        stage.cloud.client("sqs").send_message(QueueUrl=own.dead, MessageBody=body)
    deleted: list[object] = []
    delete = queues._Held.delete

    def interrupted(held: Any, message: dict[str, Any]) -> None:
        if len(deleted) == 7:
            raise KeyboardInterrupt
        deleted.append(message)
        delete(held, message)

    monkeypatch.setattr(queues._Held, "delete", interrupted)
    monkeypatch.setattr("infra.operator.queues.find_queues", lambda _: [own])
    status, _, err = gen3d("redrive", "--stage", "local", "--queue", "image-uploaded", "--yes")
    assert status == 130
    assert "a dead letter still; to go on: gen3d redrive --stage local --queue image-uploaded\n" in err
    moved, left = bodies(stage, own.url), bodies(stage, own.dead)
    assert (len(moved), len(left)) == (8, 5)
    assert set(moved) | set(left) == set(sent)


def test_a_message_comes_back_with_its_attributes(stage: Stage, local: DeployedStage, own: Queue) -> None:
    sqs = stage.cloud.client("sqs")
    attributes = {"kind": {"DataType": "String", "StringValue": "photo"}}
    sqs.send_message(QueueUrl=own.dead, MessageBody="a", MessageAttributes=attributes)
    move_back(local, own, read_letters(local, own))
    (message,) = sqs.receive_message(QueueUrl=own.url, MessageAttributeNames=["All"])["Messages"]
    assert message["MessageAttributes"] == attributes


def test_what_was_held_for_too_long_is_no_error(
    stage: Stage, local: DeployedStage, own: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.cloud.client("sqs").send_message(QueueUrl=own.dead, MessageBody="a")
    let_go = queues._Held.let_go

    def late(held: Any) -> None:
        stage.cloud.client("sqs").purge_queue(QueueUrl=own.dead)  # as if somebody else had moved it since
        let_go(held)

    monkeypatch.setattr(queues._Held, "let_go", late)
    assert len(read_letters(local, own)) == 1


def test_letters_are_told_of_from_the_oldest_on(stage: Stage, local: DeployedStage, own: Queue) -> None:
    for body in ("first", "second", "third"):
        stage.cloud.client("sqs").send_message(QueueUrl=own.dead, MessageBody=body)
    found = read_letters(local, own)
    assert [each.body for each in found] == ["first", "second", "third"]
    assert all(datetime.now(UTC) - each.sent_at < timedelta(minutes=1) for each in found)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("{", "unreadable: "),
        ("[]", "unreadable: the message is no JSON object"),
        (HARMLESS, "no job: an event of another kind, such as S3's test"),
        (created_message("another", "users/a/image"), "something in another bucket, another"),
    ],
)
def test_what_is_about_no_job_says_so(local: DeployedStage, body: str, what: str) -> None:
    found = subject_of(local, queue_named("image-uploaded"), letter(body))
    assert found.what.startswith(what)
    assert found.job is None


def test_a_photo_of_which_nothing_is_there(local: DeployedStage) -> None:
    body = created_message(local.outputs["BucketName"], NOBODYS.key(IMAGE))
    found = subject_of(local, queue_named("image-uploaded"), letter(body))
    assert (found.what, found.job, found.status, found.error) == ("the photo", NOBODYS, None, None)


def test_a_failure_is_found_by_the_request_that_failed(local: DeployedStage, visitor: Visitor) -> None:
    job, _ = visitor.create()
    place = f"s3://{local.outputs['BucketName']}/{job.key(REQUEST)}"
    told = {"invocationStatus": "Failed", "requestParameters": {"inputLocation": place}, "failureReason": "why"}
    body = json.dumps({"TopicArn": "arn", "Message": json.dumps(told)})
    found = subject_of(local, queue_named("job-finished"), letter(body))
    assert (found.what, found.job, found.status) == ("the failure", job, "waiting")


def test_an_answer_is_found_by_the_manifest_that_it_is(local: DeployedStage, stage: Stage, visitor: Visitor) -> None:
    job = visitor.submit()
    visitor.wait(job)
    s3, bucket = stage.cloud.client("s3"), local.outputs["BucketName"]
    place = json.loads(s3.get_object(Bucket=bucket, Key=job.key(SUBMITTED))["Body"].read())["result"]
    body = created_message(bucket, place["output_location"].removeprefix(f"s3://{bucket}/"))
    found = subject_of(local, queue_named("job-finished"), letter(body))
    assert (found.what, found.job, found.status) == ("the answer", job, "succeeded")


def test_an_outcome_that_cannot_be_read_says_why(local: DeployedStage, stage: Stage, visitor: Visitor) -> None:
    job, _ = visitor.create()
    bucket = local.outputs["BucketName"]
    stage.cloud.client("s3").put_object(Bucket=bucket, Key=job.key(OUTCOME), Body=b"half")
    found = subject_of(local, queue_named("job-finished"), letter(created_message(bucket, job.key(OUTCOME))))
    assert (found.status, found.error) == ("unclear", "outcome.json is not JSON")


def test_the_command_knows_both_queues() -> None:
    assert QUEUES == queues.QUEUES


def test_a_queue_that_there_is_not_is_wrong_usage(gen3d: Command) -> None:
    assert gen3d("redrive", "--queue", "other", "--stage", "local")[0] == 2
