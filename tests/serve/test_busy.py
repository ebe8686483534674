"""The server under load, with clients that go away, with an engine in trouble, and when it is told to stop."""

import http.client
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from serve.contract import Manifest, Progress
from serve.engine import Engine
from serve.errors import EngineBrokenError, Gen3DError
from serve.reconstruct import PhotoReconstructor
from serve.reconstruct.inflate import Inflate
from serve.segment import PixelBox, Segmentation

if TYPE_CHECKING:
    from tests.serve.conftest import Server, ServerProcess

INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"


class Ordered:
    """A segmenter that does as it is told with each object, and finds an oval: it stands for a network on a GPU."""

    name = "ordered"

    def __init__(self, order: Callable[[], None]) -> None:
        self.order = order

    def on(self, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox]) -> Callable[[PixelBox], Segmentation]:
        def segment(box: PixelBox) -> Segmentation:
            self.order()
            y, x = np.mgrid[-1 : 1 : (box.y_max - box.y_min) * 1j, -1 : 1 : (box.x_max - box.x_min) * 1j]
            return Segmentation(box, x**2 + y**2 < 0.9, 1.0)

        return segment


def ordered(order: Callable[[], None]) -> Callable[[], Engine]:
    """What loads such an engine."""
    return lambda: Engine("ordered", Ordered(order), Inflate(), preview=True, weights=None)


class Gate:
    """An order to wait at a gate: `reached` says how many objects have come to it, `open` lets them all through."""

    def __init__(self) -> None:
        self.reached = 0
        self._changed = threading.Condition()
        self._is_open = False

    def __call__(self) -> None:
        with self._changed:
            self.reached += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._is_open, 60)

    def wait_for(self, reached: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.reached >= reached, 60)

    def open(self) -> None:
        with self._changed:
            self._is_open = True
            self._changed.notify_all()


def a_request(photo: bytes, objects: int = 1, **fields: Any) -> dict[str, Any]:
    """The keyword arguments of a `post`."""
    data = {"boxes": json.dumps([[100, 60, 120, 80]] * objects), "options": '{"quality": "draft"}', **fields}
    return {"url": "/invocations", "data": data, "files": {"image": photo}}


def assert_error(answer: httpx.Response, code: str, words: str = "") -> None:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, code)
    assert words in error["message"]
    assert "Traceback" not in answer.text
    assert len(error["message"].splitlines()) == 1
    # A failed engine stays so: there is nothing to wait for.
    assert ("Retry-After" in answer.headers) == (code != "engine_failed")


# Many at once.


def test_of_twenty_requests_at_once_none_is_lost(serve_engine: Callable[..., "Server"], photo: bytes) -> None:
    gate = Gate()
    server = serve_engine(ordered(gate), queue_size=5)
    with ThreadPoolExecutor(20) as clients:
        asked = [
            clients.submit(server.http.post, **a_request(photo), headers={INFERENCE_ID: f"job-{i}"}) for i in range(20)
        ]
        refused: list[Future[httpx.Response]] = []
        while len(refused) < 14:  # all but the one in work and the five that wait
            assert server.http.get("/ping").status_code == 200
            refused = [answer for answer in asked if answer.done()]
        gate.open()
        answers = [future.result() for future in asked]
    for future in refused:
        assert_error(future.result(), "overloaded", "6 requests are waiting or in work")
    assert [answer.status_code for answer in answers].count(200) == 6
    for i, answer in enumerate(answers):
        assert answer.headers["X-Gen3D-Job-Id"] == f"job-{i}"
        if answer.status_code == 200:
            manifest = Manifest.model_validate_json(answer.content)
            assert (manifest.job_id, manifest.status) == (f"job-{i}", "succeeded")
        assert server.metrics(f"job-{i}")["Status"] == ("succeeded" if answer.status_code == 200 else "overloaded")
    assert server.http.post(**a_request(photo)).status_code == 200


def test_a_full_queue_refuses_a_request_before_its_body_has_come(
    serve_engine: Callable[..., "Server"], photo: bytes
) -> None:
    gate = Gate()
    server = serve_engine(ordered(gate), queue_size=0)
    base = server.http.base_url
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(server.http.post, **a_request(photo))
        gate.wait_for(1)
        with socket.create_connection((base.host, base.port or 0)) as connection:
            connection.sendall(
                b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: image/jpeg\r\n"
                b"Content-Length: 60000000\r\n\r\n"
            )
            with connection.makefile("rb") as answer:
                assert answer.readline().startswith(b"HTTP/1.1 503 ")
                assert any(b"overloaded" in line for line in answer)
        gate.open()
        assert first.result().status_code == 200


# Clients that go away.


@contextmanager
def a_client(server: "Server", photo: bytes, objects: int, **fields: str) -> Iterator[None]:
    """A client that has sent its request, and closes the connection without waiting for the answer."""
    base = server.http.base_url
    request = server.http.build_request("POST", **a_request(photo, objects, **fields))
    connection = http.client.HTTPConnection(base.host, base.port)
    connection.request("POST", "/invocations", body=request.read(), headers=dict(request.headers))
    yield
    connection.close()


def test_a_client_that_goes_away_half_way_through_its_upload(server: "ServerProcess") -> None:
    with socket.create_connection((server.http.base_url.host, server.http.base_url.port or 0)) as connection:
        head = (
            "POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n"
        )
        connection.sendall(f'{head}{INFERENCE_ID}: half-way\r\n\r\n{{"image_base64": "'.encode())
    server.wait_for_log("half-way", Status="cancelled")
    assert not [line for line in server.log("half-way") if "exception" in line]
    assert server.http.get("/ping").status_code == 200


def test_a_client_that_goes_away_while_it_waits_has_its_work_stopped(
    serve_engine: Callable[..., "Server"], photo: bytes
) -> None:
    gate = Gate()
    server = serve_engine(ordered(gate), queue_size=1)
    with a_client(server, photo, 2, job_id="in-work"):
        gate.wait_for(1)
        with a_client(server, photo, 2, job_id="waiting"):
            server.wait_for_log("waiting", message="job accepted")
            assert_error(server.http.post(**a_request(photo)), "overloaded")
        server.wait_for_log("waiting", Status="cancelled")  # which frees its place in the queue
        with a_client(server, photo, 2, job_id="waiting-too"):
            server.wait_for_log("waiting-too", message="job accepted")
        server.wait_for_log("waiting-too", Status="cancelled")
    server.wait_for_log("in-work", Status="cancelled")
    gate.open()
    assert server.http.post(**a_request(photo)).status_code == 200
    # The first object of `in-work`, and that of the last request.
    assert gate.reached == 2
    stages = [(line["stage"], line["object"]) for line in server.log("in-work") if line["message"] == "stage"]
    assert stages == [("decode", None), ("segment", 0), ("reconstruct", 0)]
    assert not [line for line in server.log() if "exception" in line]


def test_work_that_is_stored_goes_on_when_its_client_goes_away(
    serve_engine: Callable[..., "Server"], photo: bytes, tmp_path: Path
) -> None:
    gate = Gate()
    server = serve_engine(ordered(gate), output_prefixes=(f"{tmp_path.as_uri()}/",))
    with a_client(server, photo, 2, job_id="stored", output_uri=tmp_path.as_uri()):
        gate.wait_for(1)
    gate.open()
    server.wait_for_log("stored", Status="succeeded")
    manifest = Manifest.model_validate_json((tmp_path / "manifest.json").read_bytes())
    assert [result.status for result in manifest.objects] == ["succeeded", "succeeded"]
    assert not [line for line in server.log() if "exception" in line]


@pytest.mark.parametrize("name", ["cancelled.json", "deleted.json"])
def test_a_job_that_nobody_wants_any_more_ends_before_its_next_object(
    name: str, serve_engine: Callable[..., "Server"], photo: bytes, tmp_path: Path
) -> None:
    gate = Gate()
    server = serve_engine(ordered(gate), output_prefixes=(f"{tmp_path.as_uri()}/",))
    job = tmp_path / "job"
    with ThreadPoolExecutor() as threads:
        request = a_request(photo, 2, job_id="unwanted", output_uri=(job / "output").as_uri())
        answer = threads.submit(server.http.post, **request)
        gate.wait_for(1)
        (job / name).touch()
        gate.open()
        error = answer.result().json()["error"]
    assert (answer.result().status_code, error["code"]) == (499, "cancelled")
    assert error["message"] == "The job was cancelled."
    assert gate.reached == 1
    # Whoever clears the folder away finds nothing in it that came later.
    assert not (job / "output").exists()
    assert Progress.model_validate_json((job / "progress.json").read_bytes()).object == 0
    assert server.http.post(**a_request(photo)).status_code == 200, "the next one is made"


# The engine's states.


def test_while_the_engine_loads_the_server_answers_and_says_so(
    serve_engine: Callable[..., "Server"], photo: bytes
) -> None:
    loaded = threading.Event()

    def load() -> Engine:
        assert loaded.wait(60)
        return ordered(lambda: None)()

    server = serve_engine(load)
    assert_error(server.http.get("/ping"), "loading", "still loading")
    assert_error(server.http.post(**a_request(photo)), "loading", "still loading")
    loaded.set()
    while server.http.get("/ping").status_code != 200:
        pass
    assert server.http.post(**a_request(photo)).status_code == 200


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            Gen3DError("invalid_setting", "There are no weights in /opt/ml/model."),
            "There are no weights in /opt/ml/model.",
        ),
        (RuntimeError("CUDA error:\n  no device"), "RuntimeError: CUDA error: no device"),
        (SystemExit(3), "SystemExit: 3"),
    ],
    ids=["known", "unknown", "exit"],
)
def test_an_engine_that_cannot_load_says_why_for_good(
    error: BaseException, reason: str, serve_engine: Callable[..., "Server"], photo: bytes
) -> None:
    def load() -> Engine:
        raise error

    server = serve_engine(load)
    while server.http.get("/ping").json()["error"]["code"] == "loading":
        pass
    for _ in range(3):
        assert_error(server.http.get("/ping"), "engine_failed", f"The engine could not be loaded: {reason}")
        assert_error(server.http.post(**a_request(photo)), "engine_failed", reason)
    (line,) = [line for line in server.log() if line["message"] == "the engine could not be loaded"]
    assert ("exception" in line) != isinstance(error, Gen3DError), "a traceback for what nobody foresaw alone"


def test_an_engine_that_breaks_serves_nobody_any_more(serve_engine: Callable[..., "Server"], photo: bytes) -> None:
    gate = Gate()

    def break_at_the_gate() -> None:
        gate()
        raise EngineBrokenError("The GPU fell off the bus: start the container anew.")

    server = serve_engine(ordered(break_at_the_gate))
    with ThreadPoolExecutor(2) as clients:
        asked = [clients.submit(server.http.post, **a_request(photo, 2, job_id=f"job-{i}")) for i in range(2)]
        gate.wait_for(1)
        for i in range(2):
            server.wait_for_log(f"job-{i}", message="job accepted")
        gate.open()
        for future in asked:
            assert_error(future.result(), "engine_failed", "The GPU fell off the bus")
    for _ in range(3):
        assert_error(server.http.get("/ping"), "engine_failed", "The GPU fell off the bus")
        assert_error(server.http.post(**a_request(photo)), "engine_failed", "The GPU fell off the bus")
    assert gate.reached == 1  # nothing was tried with it again
    (broke,) = [line for line in server.log() if "exception" in line]
    assert (broke["message"], broke["job_id"][:4]) == ("the engine broke", "job-")


def test_a_defect_with_one_object_is_that_objects_failure(serve_engine: Callable[..., "Server"], photo: bytes) -> None:
    orders: Iterator[Exception | None] = iter([None, ZeroDivisionError("inside the engine"), None])

    def follow() -> None:
        order = next(orders)
        if order is not None:
            raise order

    server = serve_engine(ordered(follow))
    answer = server.http.post(**a_request(photo, 3, job_id="one-defect"))
    manifest = Manifest.model_validate_json(answer.content)
    assert (answer.status_code, manifest.status) == (200, "partial")
    codes = [result.error.code if result.error else None for result in manifest.objects]
    assert codes == [None, "internal_error", None]
    assert "inside the engine" not in answer.text
    (logged,) = [line for line in server.log("one-defect") if "exception" in line]
    assert "ZeroDivisionError: inside the engine" in logged["exception"]


@pytest.mark.parametrize("defect", [ZeroDivisionError("within"), SystemExit("within")])
def test_a_defect_of_a_whole_job_is_logged_with_its_id_and_the_server_goes_on(
    defect: BaseException, serve_engine: Callable[..., "Server"], photo: bytes
) -> None:
    class Failing(Inflate):
        is_failing = True

        def on(self, *photo: Any) -> PhotoReconstructor:
            if self.is_failing:
                raise defect
            return super().on(*photo)

    inflate = Failing()
    server = serve_engine(lambda: Engine("failing", Ordered(lambda: None), inflate, preview=True, weights=None))
    answer = server.http.post(**a_request(photo, job_id="defect"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "within" not in answer.text
    (logged,) = [line for line in server.log("defect") if "exception" in line]
    assert "within" in logged["exception"]
    assert server.metrics("defect")["Status"] == "internal_error"
    inflate.is_failing = False
    assert server.http.post(**a_request(photo)).status_code == 200


# SIGTERM.


UPLOAD = (
    b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: image/jpeg\r\nContent-Length: 100\r\n"
    b'X-Amzn-SageMaker-Inference-Id: uploading\r\nX-Amzn-SageMaker-Custom-Attributes: {"boxes": [[1, 1, 9, 9]]}\r\n\r\n'
)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    with connection.makefile("rb") as file:
        return file.read()


def assert_nobody_listens(server: "ServerProcess") -> None:
    """Soon after the signal; until then a new request is told that the server is shutting down."""
    with httpx.Client(base_url=server.http.base_url, headers={"Connection": "close"}) as stranger:
        for _ in range(1000):
            try:
                assert_error(stranger.get("/ping"), "shutting_down", "send the request to another")
            except httpx.TransportError:
                return
    pytest.fail("It still listens.")


def test_told_to_stop_it_takes_nothing_new_and_finishes_what_it_has(
    start_server: Callable[..., "ServerProcess"], photo: bytes
) -> None:
    server = start_server()
    base = server.http.base_url
    with ThreadPoolExecutor(2) as clients, socket.create_connection((base.host, base.port or 0)) as uploading:
        uploading.sendall(UPLOAD + b"not all")
        first = clients.submit(server.http.post, **a_request(photo, 4, job_id="first"))
        server.wait_for_log("first", stage="segment")
        second = clients.submit(server.http.post, **a_request(photo, job_id="second"))
        server.wait_for_log("second", message="job accepted")
        server.process.send_signal(signal.SIGTERM)
        assert_nobody_listens(server)
        uploading.sendall(bytes(93))
        assert b'"shutting_down"' in read_all(uploading)
        for answer in (first.result(), second.result()):
            assert (answer.status_code, answer.headers["X-Gen3D-Status"]) == (200, "succeeded")
    assert server.process.wait(30) == 0


def test_what_cannot_be_finished_in_time_is_said_to_be_so(
    start_server: Callable[..., "ServerProcess"], photo: bytes
) -> None:
    server = start_server(GEN3D_DRAIN_SECONDS="2.5")  # of which two are for sending the last answers
    base = server.http.base_url
    with ThreadPoolExecutor(2) as clients, socket.create_connection((base.host, base.port or 0)) as uploading:
        uploading.sendall(UPLOAD + b"not all")
        asked: list[Future[httpx.Response]] = []
        for job_id in ("in-work", "waiting"):
            asked.append(clients.submit(server.http.post, **a_request(photo, 32, job_id=job_id)))
            server.wait_for_log(job_id, message="job accepted")
        server.wait_for_log("in-work", stage="segment")
        server.process.send_signal(signal.SIGTERM)
        for future in asked:
            assert_error(future.result(), "shutting_down", "send it again")
        assert b'"shutting_down"' in read_all(uploading)
    assert server.process.wait(30) == 0
    for job_id in ("in-work", "waiting", "uploading"):
        assert server.metrics(job_id)["Status"] == "shutting_down"
