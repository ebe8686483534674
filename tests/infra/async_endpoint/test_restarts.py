"""The queue outlives the process that serves it."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import EndpointConnectionError

from infra.local.async_endpoint.endpoint import Scaling
from tests.conftest import ROOT
from tests.infra.async_endpoint.play import REGION, Call, Place, TestedContainer, echo, wait_until


def test_requests_that_wait_are_still_there_after_a_restart(place: Place) -> None:
    with place.served(scaling=Scaling(wake_seconds=300)):
        answers = [place.ask(body) for body in (b"1", b"2", b"3")]
        place.wait_for_state(queued=3)
    with place.served():
        place.wait_until_done()
    assert place.model.bodies == [b"1", b"2", b"3"]
    assert place.results().keys() == {answer["OutputLocation"] for answer in answers}
    assert [message["inferenceId"] for message in place.messages()] == [answer["InferenceId"] for answer in answers]


def test_a_request_that_ran_is_sent_anew_before_those_that_wait(place: Place) -> None:
    end = threading.Event()
    place.model.answer = lambda call: (end.wait(60), (200, {}, b""))[1]
    with place.served():
        place.ask(b"1")
        place.ask(b"2")
        wait_until(lambda: place.model.calls)
    end.set()
    assert place.results() == {}
    place.model.answer = echo
    with place.served():
        place.ask(b"3")
        place.wait_until_done()
    assert place.model.bodies == [b"1", b"1", b"2", b"3"]
    assert len(place.results()) == len(place.messages()) == 3


def test_an_answer_on_its_way_to_s3_is_stored_after_a_restart_without_being_made_again(place: Place) -> None:
    bucket = f"{place.bucket}-2"
    place.control_plane.output["S3OutputPath"] = f"s3://{bucket}/output"
    with place.served(retry_seconds=(60,)):
        answer = place.ask(b"a cup")
        place.wait_for_state(delivering=1)
    place.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    with place.served():
        assert place.message()["inferenceId"] == answer["InferenceId"]
    key = answer["OutputLocation"].removeprefix(f"s3://{bucket}/")
    assert place.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"made of a cup"
    assert len(place.model.calls) == 1


def test_an_answer_that_was_given_up_stays_a_failure_after_a_restart(place: Place) -> None:
    is_tried, is_stopping = threading.Event(), threading.Event()

    class Refusing:
        """S3, which stores no answer and is slow to refuse a failure."""

        get_object = place.s3.get_object

        @staticmethod
        def put_object(**asked: Any) -> None:
            if asked["Key"].startswith("failure/"):
                is_tried.set()
                is_stopping.wait(60)
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    with place.served(s3=Refusing()):
        answer = place.ask(b"a cup")
        assert is_tried.wait(60)
        threading.Timer(1, is_stopping.set).start()  # its thread is waited for, after all tasks have been ended
    with place.served():
        assert place.message()["failureReason"] == "ClientError: The answer could not be uploaded."
    assert place.results().keys() == {answer["FailureLocation"]}


def test_a_message_that_was_not_told_is_told_after_a_restart(place: Place) -> None:
    place.sns.delete_topic(TopicArn=place.success_topic)
    with place.served(retry_seconds=(60,)):
        place.ask(b"a cup")
        place.wait_for_state(delivering=1)
        wait_until(place.results)
    place.subscribe(place.success_topic)
    with place.served():
        place.message()
    assert len(place.model.calls) == 1


def test_the_time_that_a_request_may_wait_runs_while_nobody_serves(place: Place) -> None:
    with place.served(scaling=Scaling(wake_seconds=300)):
        answer = place.ask(b"a cup", RequestTTLSeconds=60)
    place.clock.time += 60
    with place.served():
        place.wait_until_done()
    assert place.results().keys() == {answer["FailureLocation"]}


def test_what_a_request_was_promised_holds_over_a_restart_and_an_update(place: Place) -> None:
    with place.served(scaling=Scaling(wake_seconds=300)):
        answer = place.ask(b"a cup", InferenceId="job-1", ContentType="a/b", CustomAttributes="x" * 1024)
    place.control_plane.output["S3OutputPath"] = f"s3://{place.bucket}/output/new"
    with place.served():
        place.wait_until_done()
    assert place.results().keys() == {answer["OutputLocation"]}
    (call,) = place.model.calls
    assert call.headers["X-Amzn-SageMaker-Custom-Attributes"] == "x" * 1024
    assert call.headers["X-Amzn-SageMaker-Inference-Id"] == "job-1"


@contextmanager
def _process(place: Place, container: str) -> Iterator[None]:
    """The endpoint in a process of its own, which is killed in the end."""
    given = [place.cloud.address, str(place.folder), place.bucket, place.success_topic, container]
    command = [sys.executable, "-m", "tests.infra.async_endpoint.killed", *given]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        with place.calling(process.stdout.readline().strip()):
            yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_server_that_is_killed_loses_nothing(place: Place) -> None:
    end = threading.Event()

    def answer(call: Call) -> Any:
        if len(place.model.calls) == 1:
            end.wait(60)
        return echo(call)

    place.model.answer = answer
    container = TestedContainer(place.model)
    container.start()
    try:
        with _process(place, container.address):
            answers = [place.ask(body) for body in (b"1", b"2", b"3")]
            wait_until(lambda: place.model.calls)
        end.set()
        with _process(place, container.address):
            wait_until(lambda: len(place.messages()) == 3)
    finally:
        container.die()
    assert place.model.bodies == [b"1", b"1", b"2", b"3"]
    assert place.results().keys() == {answer["OutputLocation"] for answer in answers}


def test_a_server_that_is_killed_again_and_again_ends_each_request_once(place: Place) -> None:
    place.model.answer = lambda call: (500, {}, b"no") if call.body.endswith(b"1") else echo(call)
    container = TestedContainer(place.model)
    container.start()
    answers = []
    try:
        for round_ in range(4):
            with _process(place, container.address):
                answers += [place.ask(f"{round_}{number}".encode()) for number in range(4)]
                wait_until(lambda: len(place.results()) > 3 * round_)  # noqa: B023 (called within the round)
        with _process(place, container.address):
            wait_until(lambda: {answer["InferenceId"] for answer in answers} <= _told(place))
    finally:
        container.die()
    failed = answers[1::4]
    assert place.results().keys() == {
        answer["FailureLocation" if answer in failed else "OutputLocation"] for answer in answers
    }


def _told(place: Place) -> set[str]:
    return {message["inferenceId"] for message in place.messages()}
