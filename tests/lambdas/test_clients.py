"""Calls that do something in the world are sent once: whoever got no answer cannot know whether they were taken."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from lambdas.shared.clients import is_in_doubt, make_client
from lambdas.shared.job_folder import Job
from tests.lambdas.cloud import ADMIN
from tests.lambdas.rig import World, person, picture


@contextmanager
def hung_up_on() -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads what comes and hangs up without an answer; its address, and what came."""
    came: list[bytes] = []

    class Hanger(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            came.append(self.request.recv(65536))

    with socketserver.TCPServer(("127.0.0.1", 0), Hanger) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", came
        finally:
            server.shutdown()
            thread.join()


CALLS: dict[str, Callable[[Any], object]] = {
    "sesv2": lambda ses: ses.send_email(Content={"Raw": {"Data": b"x"}}),
    "sagemaker-runtime": lambda runtime: runtime.invoke_endpoint_async(EndpointName="e", InputLocation="s3://b/k"),
}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    return monkeypatch


@pytest.mark.parametrize("service", CALLS)
def test_a_mail_and_an_invocation_are_sent_once_though_no_answer_comes(keys: Any, service: str) -> None:
    with hung_up_on() as (address, came):
        keys.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(ConnectionClosedError) as caught:
            CALLS[service](make_client(service))
    assert len(came) == 1
    assert is_in_doubt(caught.value)


def test_what_was_never_sent_is_not_in_doubt(keys: Any) -> None:
    keys.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(EndpointConnectionError) as caught:
        CALLS["sesv2"](make_client("sesv2"))
    assert not is_in_doubt(caught.value)


def test_a_mail_without_an_answer_is_not_sent_again_while_the_claim_lasts(world: World) -> None:
    ada = person()
    job = world.submit(ada)
    world.finish()
    world.deliver(*world.messages.pop(0))
    name, body = world.messages.pop()
    world.watch.silence = lambda call: call == "sesv2:SendEmail"
    assert not world.deliver(name, body)
    world.watch.silence = lambda _: False
    world.later(seconds=110)
    assert not world.deliver(name, body), "it may be under way"
    assert [len(world.mails_to(address, job)) for address in (ada.email, ADMIN)] == [1, 1]


def test_an_invocation_without_an_answer_is_not_repeated_while_the_claim_lasts(world: World) -> None:
    job: Job
    job, upload = world.create(person())
    world.upload(upload, picture())
    name, body = world.messages.pop()
    world.watch.silence = lambda call: call == "sagemaker-runtime:InvokeEndpointAsync"
    assert not world.deliver(name, body)
    world.watch.silence = lambda _: False
    world.later(seconds=110)
    assert not world.deliver(name, body), "it may be under way"
    world.begin()
    world.later(minutes=6)
    assert world.deliver(name, body), "the container has begun: it was taken"
    assert [taken.inference_id for taken in world.invocations] == [job.id]
