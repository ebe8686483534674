"""What the server's answers do not show: that nothing is kept, and who runs what where."""

import asyncio
import contextvars
import gc
import threading
import traceback
import weakref
from concurrent.futures import Future
from typing import Any

import pytest

from serve.engine import Engine
from serve.engines import load_engine
from serve.errors import Gen3DError
from serve.settings import Settings
from serve.worker import Worker


def load() -> Engine:
    return load_engine(Settings())


def started(queue_size: int = 16) -> Worker:
    worker = Worker(load, queue_size)
    worker.start()
    while True:
        try:
            worker.check()
        except Gen3DError:
            continue
        return worker


def test_jobs_are_done_one_after_another_on_one_thread() -> None:
    worker = started()
    done: list[tuple[int, str, str]] = []

    def job(i: int) -> Any:
        return lambda engine: done.append((i, engine.name, threading.current_thread().name))

    for future in [worker.submit(job(i)) for i in range(10)]:
        future.result()
    assert done == [(i, "preview", "engine") for i in range(10)]


def test_a_job_runs_in_the_context_of_whoever_asked_for_it() -> None:
    worker = started()
    variable = contextvars.ContextVar("variable", default="none")

    def asked_by(name: str) -> Future[str]:
        variable.set(name)
        return worker.submit(lambda _: variable.get())

    futures = [contextvars.copy_context().run(asked_by, name) for name in ("ann", "ben")]
    assert [future.result() for future in futures] == ["ann", "ben"]


def test_without_a_queue_there_is_room_for_the_one_in_work() -> None:
    worker = started(queue_size=0)
    gate = threading.Event()
    first = worker.submit(lambda _: gate.wait(60))
    with pytest.raises(Gen3DError) as caught:
        worker.submit(lambda _: None)
    assert (caught.value.code, caught.value.details) == ("overloaded", {"limit": 1})
    gate.set()
    assert first.result()
    assert worker.submit(lambda _: "there is room again").result() == "there is room again"


class Photo:
    """Something large that a job holds."""


def holding(photo: Photo) -> Any:
    return lambda _: photo


def test_a_job_that_is_cancelled_while_it_waits_leaves_nothing_behind() -> None:
    worker = started(queue_size=1)
    gate = threading.Event()
    in_work = worker.submit(lambda _: gate.wait(60))
    for _ in range(5):
        photo = Photo()
        waiting = worker.submit(holding(photo))
        kept = weakref.ref(photo)
        assert waiting.cancel()
        del photo, waiting
        gc.collect()
        assert kept() is None
    gate.set()
    assert in_work.result()


def test_a_job_that_is_done_leaves_nothing_behind() -> None:
    worker = started()
    photo = Photo()
    kept = weakref.ref(photo)
    assert worker.submit(holding(photo)).result() is photo
    del photo
    worker.submit(lambda _: None).result()
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("error", [StopIteration(1), SystemExit(1), KeyboardInterrupt(1)])
def test_what_an_event_loop_cannot_take_is_handed_over_as_a_defect(error: BaseException) -> None:
    def job(_: Engine) -> None:
        raise error

    worker = started()

    async def ask() -> None:
        await asyncio.wrap_future(worker.submit(job))

    with pytest.raises(RuntimeError, match=r"the job raised .*\(1\)"):
        asyncio.run(ask())
    assert worker.submit(lambda _: "it goes on").result() == "it goes on"


def wait_until_idle(worker: Worker) -> None:
    while worker.is_at_work:
        pass


def test_it_is_at_work_while_it_loads_or_does_a_job() -> None:
    loads, begun, ends = threading.Event(), threading.Event(), threading.Event()

    def job(_: Engine) -> None:
        begun.set()
        assert ends.wait(60)

    def load_later() -> Engine:
        assert loads.wait(60)
        return load()

    worker = Worker(load_later, 16)
    worker.start()
    assert worker.is_at_work
    loads.set()
    wait_until_idle(worker)
    done = worker.submit(job)
    assert begun.wait(60)
    assert worker.is_at_work
    ends.set()
    done.result()
    wait_until_idle(worker)


def test_a_refusal_does_not_grow_with_every_ping() -> None:
    worker = Worker(load, 16)
    lengths = set()
    for _ in range(5):
        with pytest.raises(Gen3DError, match="still loading") as caught:
            worker.check()
        lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(lengths) == 1


def test_a_server_that_is_told_to_stop_while_it_loads_never_becomes_ready() -> None:
    loads, loaded = threading.Event(), threading.Event()

    def slow() -> Engine:
        loads.set()
        assert loaded.wait(60)
        return load()

    worker = Worker(slow, 16)
    worker.start()
    assert loads.wait(60)
    worker.refuse_new_jobs()
    loaded.set()
    wait_until_idle(worker)
    with pytest.raises(Gen3DError, match="shutting_down"):
        worker.check()
