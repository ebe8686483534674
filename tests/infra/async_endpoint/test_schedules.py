"""Whatever happens in whatever order, each request ends once, in its turn."""

import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from botocore.exceptions import EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.local.async_endpoint.endpoint import Scaling
from tests.infra.async_endpoint.play import Call, Cloud, DeathError, Place

# What a container does with a request: answers, refuses, dies, or answers only once it is let.
KINDS = ("well", "badly", "deadly", "slowly")
# What happens besides: time passes, the server is stopped and another started, containers fall ill and get well, slow
# answers come, S3 or SNS fail for a while.
EVENTS = ("wait", "restart", "ill", "healthy", "let go", "s3 fails", "sns fails")

WAKE_SECONDS, IDLE_SECONDS, TTL = 30, 50, 3600


class Failing:
    """A boto3 client whose next call is refused, as often as ordered."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.orders = 0
        self._lock = threading.Lock()

    def _may_fail(self) -> None:
        with self._lock:
            if self.orders:
                self.orders -= 1
                raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    def get_object(self, **given: Any) -> Any:
        return self._client.get_object(**given)

    def put_object(self, **given: Any) -> Any:
        self._may_fail()
        return self._client.put_object(**given)

    def publish(self, **given: Any) -> Any:
        self._may_fail()
        return self._client.publish(**given)


class Run:
    """One schedule, played."""

    def __init__(self, cloud: Cloud, folder: Path, instances: int, concurrency: int) -> None:
        self.place = Place(cloud, folder)
        self.place.control_plane.concurrency = concurrency
        self.place.model.answer = self._answer
        self._scaling = Scaling(instances, WAKE_SECONDS, IDLE_SECONDS)
        self._s3, self._sns = Failing(self.place.s3), Failing(self.place.sns)
        self._go = threading.Event()
        self._running = ExitStack()
        self.answers: dict[bytes, dict[str, Any]] = {}
        self._start()

    def _start(self) -> None:
        self._running.enter_context(
            self.place.served(scaling=self._scaling, s3=self._s3, sns=self._sns, retry_seconds=(0.01,) * 100)
        )

    def _answer(self, call: Call) -> Any:
        kind = call.body.decode().partition(" ")[2]
        if kind == "deadly":
            raise DeathError
        if kind == "slowly":
            self._go.wait(30)
        return (500 if kind == "badly" else 200), {}, call.body

    def play(self, step: str) -> None:
        if step in KINDS:
            body = f"{len(self.answers)} {step}".encode()
            self.answers[body] = self.place.ask(body, RequestTTLSeconds=TTL)
        elif step == "wait":
            self.place.clock.time += WAKE_SECONDS
        elif step == "restart":
            self._go.set()  # the threads of a container that is gone would stay
            self._running.close()
            self._go.clear()
            self._start()
        elif step in ("ill", "healthy"):
            self.place.model.ping = 503 if step == "ill" else 200
        elif step == "let go":
            self._go.set()
        else:
            (self._s3 if step == "s3 fails" else self._sns).orders = 3

    def end(self) -> None:
        self._go.set()
        self.place.model.ping = 200
        self.place.clock.time += WAKE_SECONDS
        self.place.wait_until_done()
        self._running.close()


STEPS = st.lists(st.sampled_from(KINDS + EVENTS), min_size=1, max_size=14)


@given(STEPS, st.integers(1, 2), st.integers(1, 3))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_each_request_ends_once_and_in_its_turn(
    cloud: Cloud, tmp_path_factory: Any, steps: list[str], instances: int, concurrency: int
) -> None:
    run = Run(cloud, tmp_path_factory.mktemp("schedule"), instances, concurrency)
    for step in steps:
        run.play(step)
    run.end()
    place = run.place

    # One result object and one message each, and both say the same.
    results, messages = place.results(), place.messages()
    told = Counter(message["inferenceId"] for message in messages)
    assert told == Counter(answer["InferenceId"] for answer in run.answers.values())
    status = {message["inferenceId"]: message["invocationStatus"] for message in messages}
    assert len(results) == len(run.answers)
    for body, answer in run.answers.items():
        is_well = status[answer["InferenceId"]] == "Completed"
        assert answer["OutputLocation" if is_well else "FailureLocation"] in results
        if concurrency == 1 or b"deadly" not in b"".join(run.answers):  # else a death takes others along
            assert is_well == body.endswith((b" well", b" slowly"))
        assert not is_well or results[answer["OutputLocation"]] == body

    # Never more at a time than allowed, and in the order in which they were accepted.
    assert place.model.most_at_once <= concurrency
    if instances * concurrency == 1:
        firsts = list(dict.fromkeys(place.model.bodies))
        assert firsts == list(run.answers)
    if "restart" not in steps:
        assert max(Counter(place.model.bodies).values(), default=1) == 1

    # Nothing is left.
    assert place.model.running == 0
    assert [path.name for path in place.folder.iterdir()] == ["queue.sqlite3"]
