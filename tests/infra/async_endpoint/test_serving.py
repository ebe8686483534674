"""Starting and stopping the server itself."""

import logging
import socket
import sqlite3
import threading

import pytest

from infra.local.async_endpoint.endpoint import Clients
from infra.local.async_endpoint.server import serving
from infra.local.async_endpoint.service import AsyncInference
from infra.local.cloud import ACCOUNT
from serve.errors import Gen3DError
from tests.infra.async_endpoint.play import Place, echo, wait_until


def _service(place: Place) -> AsyncInference:
    clients = Clients(place.control_plane, place.s3, place.sns)
    return AsyncInference(place.folder, clients, place.model.make_container, account=ACCOUNT)


def test_a_port_that_is_taken_is_told(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Gen3DError, match=f"Cannot listen on 127.0.0.1:{port}"), serving(_service(place), port):
            pass


def test_a_folder_that_another_server_has_is_told(place: Place) -> None:
    with place.served():
        with pytest.raises(sqlite3.OperationalError, match="locked"), serving(_service(place)):
            pass
        place.ask(b"a cup")
        place.wait_until_done()


def test_a_server_that_is_stopped_at_once_stops(place: Place) -> None:
    with serving(_service(place)):
        pass


def test_a_server_may_be_stopped_while_it_works(place: Place) -> None:
    end = threading.Event()
    place.model.answer = lambda call: (end.wait(60), echo(call))[1]
    place.control_plane.concurrency = 2
    with place.served():
        for _ in range(4):
            place.ask(b"a cup")
        wait_until(lambda: len(place.model.calls) == 2)
    end.set()
    assert place.model.running == 0
    assert place.results() == {}


def test_what_happens_to_a_request_is_logged_under_its_name(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), place.served():
        place.ask(b"a cup", InferenceId="job-1", CustomAttributes="secret")
        place.wait_until_done()
        wait_until(lambda: "a request has ended" in caplog.messages)
    of_job = [record.getMessage() for record in caplog.records if vars(record).get("inference_id") == "job-1"]
    assert of_job == ["a request is queued", "a request begins", "a request has ended"]
    assert "secret" not in str([vars(record) for record in caplog.records if record.name.startswith("infra")])
