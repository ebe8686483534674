"""One thread that loads the engine and then does one job after another, so that the event loop stays free.

It knows neither HTTP nor what a job is.
"""

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from serve.engine import Engine
from serve.errors import EngineBrokenError, Gen3DError

Result = TypeVar("Result")

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Job:
    """What is to be called, in whose context, and who waits for the result."""

    call: Callable[[Engine], Any]
    future: Future[Any] = field(default_factory=Future)
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class Worker:
    """The engine's only user.

    Args:
        load: Makes the engine; called once, on the worker's own thread.
        queue_size: How many jobs may wait while one is worked on.
    """

    def __init__(self, load: Callable[[], Engine], queue_size: int) -> None:
        self._load = load
        self._places = queue_size + 1
        self._taken = 0
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._refusal: Gen3DError | None = Gen3DError("loading", "The engine is still loading; try again shortly.")
        self._broken: EngineBrokenError | None = None
        self._is_waiting = False
        # A daemon: at the end of a drain, a job that hangs in a library must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Begins to load the engine."""
        self._thread.start()

    @property
    def is_at_work(self) -> bool:
        """Whether it loads the engine or does a job, and thus may be deep inside a native library."""
        return self._thread.is_alive() and not self._is_waiting

    def check(self) -> None:
        """Returns if jobs can be taken.

        Raises:
            Gen3DError: `loading`, `engine_failed` or `shutting_down`.
        """
        refusal = self._refusal
        if refusal is not None:
            # Raised again and again, it would otherwise gather the frames of every time.
            raise refusal.with_traceback(None)

    def check_room(self) -> None:
        """Returns if one more job could wait or begin.

        Raises:
            Gen3DError: `overloaded`.
        """
        if self._taken >= self._places:
            message = f"{self._taken} requests are waiting or in work, which is all there is room for: try again later."
            raise Gen3DError("overloaded", message, limit=self._places)

    def refuse_new_jobs(self) -> None:
        """From now on jobs are refused as `shutting_down`; those already taken go on."""
        with self._changed:  # reentrant, so that a signal handler may call this whatever it interrupted
            self._refusal = Gen3DError("shutting_down", "The server is shutting down; send the request to another.")

    def submit(self, call: Callable[[Engine], Result]) -> Future[Result]:
        """Queues a job; cancelling its future before it begins takes it out again, with all that it holds.

        Raises:
            Gen3DError: `overloaded`, or as `check`.
        """
        self.check()
        job = _Job(call)
        with self._changed:
            self.check_room()
            self._taken += 1
            self._waiting.append(job)
            self._changed.notify()
        job.future.add_done_callback(partial(self._leave, job))
        return job.future

    def _leave(self, job: _Job, _: Future[Any]) -> None:
        with self._changed:
            self._taken -= 1
            if job in self._waiting:
                self._waiting.remove(job)

    def _run(self) -> None:
        try:
            engine = self._load()
        except Gen3DError as error:
            log.error("the engine could not be loaded", extra={"code": error.code, "reason": error.message})
            self._refuse_loading(_failed(error.message, cause=error.code))
            return
        except BaseException as error:  # some libraries call sys.exit
            log.exception("the engine could not be loaded")
            self._refuse_loading(_failed(f"{type(error).__name__}: {error}", cause="internal_error"))
            return
        self._refuse_loading(None)
        log.info("engine ready", extra={"engine": engine.name, "weights": engine.weights})
        while True:
            self._do(self._next(), engine)

    def _refuse_loading(self, refusal: Gen3DError | None) -> None:
        """Loading is over, one way or the other; a server that is shutting down meanwhile goes on doing so."""
        with self._changed:
            if self._refusal is not None and self._refusal.code == "loading":
                self._refusal = refusal

    def _next(self) -> _Job:
        with self._changed:
            self._is_waiting = True
            self._changed.wait_for(lambda: self._waiting)
            self._is_waiting = False
            return self._waiting.popleft()

    def _do(self, job: _Job, engine: Engine) -> None:
        if not job.future.set_running_or_notify_cancel():
            return
        try:
            if self._broken is not None:
                raise EngineBrokenError(self._broken.message, **self._broken.details)
            result = job.context.run(job.call, engine)
        except EngineBrokenError as error:
            if self._broken is None:
                self._broken = self._refusal = error
                job.context.run(log.exception, "the engine broke")
            job.future.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the job gets it
            # On an event loop SystemExit would end the process, and StopIteration cannot be handed over at all.
            if not isinstance(error, Exception) or isinstance(error, StopIteration):
                defect = RuntimeError(f"the job raised {error!r}")
                defect.__cause__ = error
                job.future.set_exception(defect)
            else:
                job.future.set_exception(error)
        else:
            job.future.set_result(result)


def _failed(reason: str, *, cause: str) -> Gen3DError:
    """The refusal of an engine that could not be loaded; `cause` is the code of the reason, for programs."""
    said = " ".join(reason.split())
    return Gen3DError("engine_failed", f"The engine could not be loaded: {said}", cause=cause)
