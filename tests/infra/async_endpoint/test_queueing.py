"""Order, concurrency, instances and the time that requests may wait."""

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from infra.local.async_endpoint.container import RunningServer
from infra.local.async_endpoint.endpoint import Scaling
from infra.local.async_endpoint.queue import Queue
from tests.infra.async_endpoint.play import Call, Place, TestedContainer, wait_until


class Gate:
    """Lets containers answer when the test says so."""

    def __init__(self, place: Place) -> None:
        self._open = threading.Event()
        place.model.answer = self._answer

    def _answer(self, call: Call) -> Any:
        self._open.wait(60)
        return 200, {}, call.body

    def open(self) -> None:
        self._open.set()


def test_first_come_first_served(place: Place) -> None:
    with place.served():
        for number in range(8):
            place.ask(str(number).encode())
        place.wait_until_done()
    assert place.model.bodies == [str(number).encode() for number in range(8)]
    assert place.model.most_at_once == 1


@pytest.mark.parametrize(("instances", "concurrency"), [(1, 2), (2, 1), (2, 2)])
def test_each_instance_has_as_many_requests_at_a_time_as_it_may(place: Place, instances: int, concurrency: int) -> None:
    place.control_plane.concurrency = concurrency
    gate = Gate(place)
    with place.served(scaling=Scaling(instances=instances)):
        for number in range(6):
            place.ask(str(number).encode())
        places = instances * concurrency
        place.wait_for_state(running=places, queued=6 - places, instances=instances)
        wait_until(lambda: len(place.model.calls) == places)
        gate.open()
        place.wait_until_done()
    assert place.model.most_at_once == concurrency
    assert len(place.model.calls) == len(place.results()) == 6


def test_an_update_of_the_concurrency_holds_at_once(place: Place) -> None:
    gate = Gate(place)
    with place.served():
        for _ in range(3):
            place.ask(b"a cup")
        place.wait_for_state(running=1, queued=2)
        place.control_plane.concurrency = 3
        place.ask(b"a cup")
        place.wait_for_state(running=3, queued=1)
        gate.open()
        place.wait_until_done()


def test_the_metrics_count_what_waits_and_what_runs(place: Place) -> None:
    gate = Gate(place)
    with place.served():
        assert place.state() == {
            "queued": 0,
            "running": 0,
            "delivering": 0,
            "instances": 0,
            "ApproximateBacklogSize": 0,
            "HasBacklogWithoutCapacity": 0,
        }
        for _ in range(3):
            place.ask(b"a cup")
        place.wait_for_state(running=1)
        assert place.state() == {
            "queued": 2,
            "running": 1,
            "delivering": 0,
            "instances": 1,
            "ApproximateBacklogSize": 3,
            "HasBacklogWithoutCapacity": 0,
            "ApproximateBacklogSizePerInstance": 3.0,
        }
        gate.open()
        place.wait_until_done()


def test_nobody_is_told_of_an_endpoint_that_is_not_there(place: Place) -> None:
    with place.served():
        assert place.http.get("/_gen3d/endpoints/nobody").status_code == 400


# From zero instances and back.


def test_a_request_wakes_the_endpoint_after_a_while(place: Place) -> None:
    with place.served(scaling=Scaling(wake_seconds=300)):
        place.ask(b"a cup")
        place.clock.time += 299
        place.ask(b"a mug")
        place.wait_for_state(queued=2, instances=0, HasBacklogWithoutCapacity=1)
        assert place.model.containers == []
        place.clock.time += 1
        place.wait_until_done()
        assert place.state()["instances"] == 1
    assert place.model.bodies == [b"a cup", b"a mug"]


def test_an_endpoint_without_work_goes_back_to_zero_and_can_be_woken_again(place: Place) -> None:
    with place.served(scaling=Scaling(wake_seconds=300, idle_seconds=600)):
        for _ in range(2):
            place.ask(b"a cup")
            place.clock.time += 300
            place.wait_until_done()
            assert place.model.running == 1
            place.clock.time += 600
            wait_until(lambda: place.model.running == 0)
            place.wait_for_state(instances=0, HasBacklogWithoutCapacity=0)
    assert [container.starts for container in place.model.containers] == [1, 1]


def test_an_endpoint_at_work_does_not_go_back_to_zero(place: Place) -> None:
    gate = Gate(place)
    with place.served(scaling=Scaling(idle_seconds=60)):
        place.ask(b"a cup")
        wait_until(lambda: place.model.calls)
        place.clock.time += 3600
        place.ask(b"a mug")
        place.wait_for_state(running=1, queued=1, instances=1)
        gate.open()
        place.wait_until_done()
    assert [container.starts for container in place.model.containers] == [1]


def test_while_instances_take_their_time_to_leave_requests_expire_and_none_is_started(place: Place) -> None:
    may_go = asyncio.Event()

    class Slow(TestedContainer):
        async def stop(self) -> None:
            while not may_go.is_set():
                await asyncio.sleep(0.01)
            await super().stop()

    container = Slow(place.model)
    with place.served(lambda _: container, scaling=Scaling(idle_seconds=60)):
        place.ask(b"a cup")
        place.wait_until_done()
        place.clock.time += 60
        place.wait_for_state(instances=0)
        place.ask(b"a mug", RequestTTLSeconds=60)
        place.ask(b"a jug")
        place.clock.time += 60
        place.wait_for_state(queued=1, ApproximateBacklogSize=1)
        assert container.starts == 1
        may_go.set()
        place.wait_until_done()
        assert container.starts == 2
    assert place.model.bodies == [b"a cup", b"a jug"]


def test_stopping_leaves_no_container(place: Place) -> None:
    with place.served(scaling=Scaling(instances=3)):
        place.ask(b"a cup")
        place.wait_until_done()
        place.wait_for_state(instances=3)
    assert place.model.running == 0


# Containers that are not well.


def test_a_container_that_is_not_ready_is_sent_nothing(place: Place) -> None:
    place.model.ping = 503
    with place.served():
        place.ask(b"a cup")
        wait_until(lambda: place.model.running)
        place.wait_for_state(queued=1, instances=0, HasBacklogWithoutCapacity=1)
        place.model.ping = 200
        place.wait_until_done()
    assert place.model.bodies == [b"a cup"]


def test_a_container_that_died_while_nobody_looked_costs_no_request(place: Place) -> None:
    with place.served():
        place.ask(b"a cup")
        place.wait_until_done()
        (container,) = place.model.containers
        container.die()
        place.ask(b"a mug")
        place.wait_until_done()
    assert container.starts == 2
    assert [message["invocationStatus"] for message in place.messages()] == ["Completed", "Completed"]


def test_a_container_that_cannot_be_started_leaves_requests_waiting(place: Place) -> None:
    class Broken(TestedContainer):
        def start(self) -> None:
            if not place.model.calls and self.starts < 3:
                self.starts += 1
                raise FileNotFoundError("no such command")
            super().start()

    with place.served(lambda _: Broken(place.model)):
        place.ask(b"a cup")
        place.wait_until_done()
    assert place.model.bodies == [b"a cup"]


def test_a_server_that_is_already_there_serves_too(place: Place) -> None:
    there = TestedContainer(place.model)
    there.start()
    try:
        with place.served(lambda _: RunningServer(there.address)):
            place.ask(b"a cup")
            place.wait_until_done()
        assert there.is_running
    finally:
        there.die()


# Time to live.


def test_a_request_that_waits_too_long_fails_and_is_never_sent(place: Place) -> None:
    place.model.ping = 503
    with place.served():
        answer = place.ask(b"a cup", RequestTTLSeconds=60)
        patient = place.ask(b"a mug", RequestTTLSeconds=61)
        place.clock.time += 60
        place.wait_for_state(queued=1, ApproximateBacklogSize=1)
        place.model.ping = 200
        place.wait_until_done()
    reason = "ClientError: The request waited longer than its RequestTTLSeconds, 60."
    results = {answer["FailureLocation"]: reason.encode(), patient["OutputLocation"]: b"made of a mug"}
    assert place.results() == results
    expired, made = place.messages()
    assert (expired["invocationStatus"], expired["failureReason"]) == ("Failed", reason)
    assert expired["topic"] == place.error_topic
    assert made["inferenceId"] == patient["InferenceId"]
    assert place.model.bodies == [b"a mug"]


def test_a_request_may_take_longer_than_it_may_wait(place: Place) -> None:
    gate = Gate(place)
    with place.served():
        place.ask(b"a cup", RequestTTLSeconds=60)
        wait_until(lambda: place.model.calls)
        place.clock.time += 3600
        late = place.ask(b"a mug", RequestTTLSeconds=60)
        place.clock.time += 60
        place.wait_for_state(running=1, queued=0)
        gate.open()
        place.wait_until_done()
        assert late["FailureLocation"] in place.results()
    assert sorted(message["invocationStatus"] for message in place.messages()) == ["Completed", "Failed"]


def test_two_servers_cannot_have_one_queue(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Queue(tmp_path)
    queue.close()
    Queue(tmp_path).close()


def test_a_defect_in_starting_a_container_is_not_the_endpoints_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, tried = TestedContainer.start, threading.Event()

    def start_badly(container: TestedContainer) -> None:
        if not tried.is_set():
            tried.set()
            raise ValueError("no such variable")
        start(container)

    monkeypatch.setattr(TestedContainer, "start", start_badly)
    with place.served():
        place.ask(b"a cup")
        place.wait_until_done()
    assert tried.is_set()
    assert place.model.bodies == [b"a cup"]
