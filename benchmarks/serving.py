"""What HTTP adds to a job done in process, and how soon /ping answers while the engine works.

`python -m benchmarks.serving [--quick] [--json FILE]`. The server is `gen3d serve`, a process of its own. Knows no
engine's inside.
"""

import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
from starlette.requests import Request as HttpRequest
from starlette.types import Message

from benchmarks.measure import photo_boxes, photo_jpeg, publish, read_arguments, table
from serve.contract import Box, Manifest, Options
from serve.engine import Engine
from serve.engines import load_engine
from serve.forms import ATTRIBUTES, read_request
from serve.images import read_photo
from serve.job import run_job
from serve.progress import ProgressReport
from serve.replies import Form, compose
from serve.settings import Settings, read_settings
from serve.storage import MemoryFolder

_BOUNDARY = "a-boundary-between-parts"
_CHUNK_BYTES = 2**16  # as the server receives a body
_PING_SECONDS = 0.01
_IN_FLIGHT = 2  # one in work and one waiting, so that the engine never rests


@dataclass(frozen=True)
class _Extent:
    """How much is measured: overheads on `photos` (megapixels), pings under `loads` (form, megapixels, boxes)."""

    photos: Sequence[float]
    loads: Sequence[tuple[str, float, int]]
    rounds: int
    pings: int


_FULL = _Extent(
    photos=(1.0, 12.0),
    loads=(("multipart", 1.0, 4), ("multipart", 12.0, 4), ("JSON", 12.0, 4), ("multipart", 48.0, 4)),
    rounds=21,
    pings=3000,
)
_QUICK = _Extent(photos=(1.0,), loads=(("multipart", 1.0, 1),), rounds=1, pings=100)
_HOW = (
    "In process is run_job on a thread of this process; over HTTP is the same job (one box, standard quality, GLB)"
    " from the first byte sent to the last byte received, over a connection that is kept. Both are medians of {rounds}"
    " rounds, in which all take turns. Overhead is what remains of the time over HTTP without the server's own"
    " run_job, by the times in its log, so that it does not hang on how fast that job happened to be. Reading the"
    " request (with JSON, decoding it and its base64) and composing the answer are parts of the overhead: the server's"
    " own functions, timed in this process. Pings are due {rate:.0f} times a second, whether or not the one before"
    " has been answered, and are timed from the moment they are due; meanwhile {in_flight} requests of the kind in the"
    " first column are always in flight."
)


@dataclass(frozen=True)
class _Call:
    """A request to /invocations, ready to send."""

    form: str
    accept: Form
    headers: dict[str, str]
    body: bytes


def main() -> None:
    """Measures everything and prints the tables."""
    arguments = read_arguments("Overhead of /invocations over the engine called in process, and /ping under load.")
    extent = _QUICK if arguments.quick else _FULL
    with _server() as (port, log):
        overheads = [row for size in extent.photos for row in _overheads(port, log, size, extent.rounds)]
        latencies = [{"load": "none", **_pinged(port, extent.pings, None)}]
        for form, megapixels, boxes in extent.loads:
            call = _calls(photo_jpeg(megapixels), photo_boxes(boxes, megapixels))[form, "application/json"]
            name = f"{form}, {megapixels:g} MP, {boxes} box{'es' * (boxes > 1)}"
            latencies.append({"load": name, **_pinged(port, extent.pings, call)})
    result = {
        "benchmark": "serving",
        "quick": arguments.quick,
        "how": _HOW.format(rounds=extent.rounds, rate=1 / _PING_SECONDS, in_flight=_IN_FLIGHT),
        "rounds": extent.rounds,
        "overheads": overheads,
        "pings": latencies,
    }
    publish(result, f"{_overhead_table(overheads)}\n\n{_ping_table(latencies)}", arguments.json)


@contextmanager
def _server() -> Iterator[tuple[int, Path]]:
    """The port and the log of `gen3d serve` with its usual settings, in a process of its own, once it is ready."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GEN3D_")}
    command = [sys.executable, "-m", "gen3d", "serve", "--port", "0"]
    with (
        tempfile.TemporaryDirectory() as folder,
        Path(folder, "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.PIPE, text=True) as process,
    ):
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            if "http://127.0.0.1:" not in said:
                raise RuntimeError(f"the server did not start: {said}{process.stderr.read()}")
            port = int(said.partition("http://127.0.0.1:")[2].split()[0])
            while _ping(port) != 200:
                time.sleep(0.05)
            yield port, Path(folder, "log")
        finally:
            process.terminate()


def _ping(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status
    except ConnectionRefusedError:
        return 0
    finally:
        connection.close()


# Overhead.


def _calls(photo: bytes, boxes: Sequence[Box]) -> dict[tuple[str, Form], _Call]:
    """The same job in all three request forms with a JSON answer, and as multipart with the other answers."""
    corners = [[box.x_min, box.y_min, box.x_max, box.y_max] for box in boxes]
    document = json.dumps({"image_base64": base64.b64encode(photo).decode(), "boxes": corners}).encode()
    lines = (
        f"--{_BOUNDARY}",
        'Content-Disposition: form-data; name="boxes"',
        "",
        json.dumps(corners),
        f"--{_BOUNDARY}",
        'Content-Disposition: form-data; name="image"; filename="photo.jpg"',
        "Content-Type: image/jpeg",
        "",
        "",
    )
    multipart = "\r\n".join(lines).encode() + photo + f"\r\n--{_BOUNDARY}--\r\n".encode()
    bodies = {
        "JSON": ({"Content-Type": "application/json"}, document),
        "multipart": ({"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}, multipart),
        "raw photo": ({"Content-Type": "image/jpeg", ATTRIBUTES: json.dumps({"boxes": corners})}, photo),
    }
    wanted: tuple[tuple[str, Form], ...] = (
        ("JSON", "application/json"),
        ("multipart", "application/json"),
        ("raw photo", "application/json"),
        ("multipart", "model/gltf-binary"),
        ("multipart", "application/zip"),
    )
    return {(form, accept): _Call(form, accept, *bodies[form]) for form, accept in wanted}


def _overheads(port: int, log: Path, megapixels: float, rounds: int) -> list[dict[str, Any]]:
    """A row of the first table for each of the calls."""
    photo, boxes, settings = photo_jpeg(megapixels), photo_boxes(1, megapixels), read_settings()
    calls = list(_calls(photo, boxes).values())
    # On a thread, as in the server: on a process's first one malloc gives memory back sooner, which costs about 5 %.
    thread = ThreadPoolExecutor(1)
    job = partial(_job, thread, load_engine(Settings()), photo, boxes, settings.max_pixels)
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    manifest, folder = job()
    received = [_post(connection, call) for call in calls]
    jobs_before = len(_seconds_in_jobs(log))
    alone, posted, within = np.zeros(rounds), np.zeros((rounds, len(calls))), np.zeros((rounds, len(calls)))
    for number in range(rounds):
        alone[number] = _seconds(job)
        order = [(number + turn) % len(calls) for turn in range(len(calls))]
        for which in order:
            posted[number, which] = _seconds(partial(_post, connection, calls[which]))
        within[number, order] = _seconds_in_jobs(log)[jobs_before + number * len(calls) :]
    connection.close()
    thread.shutdown()
    rows = []
    for which, call in enumerate(calls):
        low, middle, high = np.percentile((posted - within)[:, which] * 1e3, (25, 50, 75))
        row = {
            "megapixels": megapixels,
            "request": call.form,
            "answer": call.accept,
            "request_bytes": len(call.body),
            "answer_bytes": received[which],
            "in_process_ms": float(np.median(alone)) * 1e3,
            "http_ms": float(np.median(posted[:, which])) * 1e3,
            "overhead_ms": float(middle),
            "overhead_quartiles_ms": [float(low), float(high)],
            "composing_ms": _median_ms(partial(compose, call.accept, manifest, folder)),
        }
        with asyncio.Runner() as runner:
            row["reading_ms"] = _median_ms(lambda: runner.run(_read(call, settings)))  # noqa: B023 - called at once
        rows.append(row)
    return rows


def _seconds_in_jobs(log: Path) -> list[float]:
    """What each job that the server has done took, from its first stage to its end, to the millisecond."""
    spent = []
    began = None
    for line in log.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        stage, moment = record.get("stage"), datetime.fromisoformat(record["time"])
        if stage == "decode":
            began = moment
        elif stage == "done" and began is not None:
            spent.append((moment - began).total_seconds())
    return spent


def _post(connection: HTTPConnection, call: _Call) -> int:
    """How many bytes the answer has."""
    connection.request("POST", "/invocations", call.body, {**call.headers, "Accept": call.accept})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200 or answer.headers["X-Gen3D-Status"] != "succeeded":
        raise RuntimeError(f"the server answered {answer.status}: {body[:1000]!r}")
    return len(body)


def _job(
    thread: Executor, engine: Engine, photo: bytes, boxes: Sequence[Box], max_pixels: int
) -> tuple[Manifest, MemoryFolder]:
    """What the server does for a request, without the server."""
    folder, report = MemoryFolder(), ProgressReport("benchmark", len(boxes), None)
    read = partial(read_photo, photo, max_pixels=max_pixels)
    return thread.submit(run_job, engine, "benchmark", read, boxes, Options(), folder, report).result(), folder


async def _read(call: _Call, settings: Settings) -> None:
    """Reads the request as the server does, from a body that is there already."""
    chunks = (call.body[start : start + _CHUNK_BYTES] for start in range(0, len(call.body), _CHUNK_BYTES))

    async def receive() -> Message:
        chunk = next(chunks, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    headers = [(name.lower().encode(), value.encode()) for name, value in call.headers.items()]
    http = HttpRequest({"type": "http", "method": "POST", "headers": headers}, receive)
    await read_request(http, max_body_bytes=settings.max_body_bytes, max_boxes=settings.max_boxes)


def _median_ms(work: Callable[[], object]) -> float:
    return statistics.median(_seconds(work) for _ in range(7)) * 1e3


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# Pings.


def _pinged(port: int, count: int, load: _Call | None) -> dict[str, Any]:
    """Milliseconds from when each ping was due to its answer, while requests like `load` keep the engine busy."""
    over = threading.Event()

    def keep_busy(call: _Call) -> int:
        connection, done = HTTPConnection("127.0.0.1", port, timeout=300), 0
        while not over.is_set():
            _post(connection, call)
            done += 1
        connection.close()
        return done

    with ThreadPoolExecutor(_IN_FLIGHT) as threads:
        busy = [threads.submit(keep_busy, load) for _ in range(_IN_FLIGHT)] if load else []
        try:
            spent = _ping_steadily(port, count)
        finally:
            over.set()
        jobs = sum(future.result() for future in busy)
    middle, late, worst = np.percentile(spent, (50, 99, 100))
    return {"pings": count, "jobs": jobs, "p50_ms": float(middle), "p99_ms": float(late), "max_ms": float(worst)}


def _ping_steadily(port: int, count: int) -> list[float]:
    connection, spent = HTTPConnection("127.0.0.1", port, timeout=30), []
    connection.connect()
    began = time.perf_counter()
    for number in range(count):
        due = began + number * _PING_SECONDS
        time.sleep(max(0.0, due - time.perf_counter()))
        connection.request("GET", "/ping")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"/ping answered {answer.status}")
        spent.append((time.perf_counter() - due) * 1e3)
    connection.close()
    return spent


# Tables.


def _overhead_table(rows: Sequence[dict[str, Any]]) -> str:
    header = ("Photo", "Request", "Answer", "Sent", "Received", "In process", "Over HTTP", "Overhead")
    return table(
        (*header, "Of it: reading the request", "Composing the answer"),
        [
            (
                f"{row['megapixels']:g} MP",
                row["request"],
                row["answer"],
                f"{row['request_bytes'] / 1e6:.1f} MB",
                f"{row['answer_bytes'] / 1e6:.1f} MB",
                f"{row['in_process_ms']:.0f} ms",
                f"{row['http_ms']:.0f} ms",
                f"**{row['overhead_ms']:.0f} ms**",
                f"{row['reading_ms']:.1f} ms",
                f"{row['composing_ms']:.1f} ms",
            )
            for row in rows
        ],
    )


def _ping_table(rows: Sequence[dict[str, Any]]) -> str:
    return table(
        ("Requests in work", "Pings", "Median", "p99", "Longest"),
        [
            (
                row["load"],
                row["pings"],
                f"{row['p50_ms']:.1f} ms",
                f"**{row['p99_ms']:.1f} ms**",
                f"{row['max_ms']:.0f} ms",
            )
            for row in rows
        ],
    )


if __name__ == "__main__":
    main()
