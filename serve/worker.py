"""One thread that loads the engine and then does one job after another, so that the event loop stays free.

It knows neither HTTP nor what a job is.
"""

import contextvars
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Literal, TypeVar

from serve.engine import Engine
from serve.errors import EngineBrokenError, Gen3DError

Result = TypeVar("Result")
State = Literal["loading", "ready", "failed", "draining"]

log = logging.getLogger(__name__)


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
        self._queue: queue.SimpleQueue[tuple[Future[Any], contextvars.Context, Callable[[Engine], Any]]] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._failure: Gen3DError | None = Gen3DError("loading", "The engine is still loading; try again shortly.")
        # A daemon: at the end of a drain, a job that hangs in a library must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Begins to load the engine."""
        self._thread.start()

    def check(self) -> None:
        """Returns if jobs can be taken.

        Raises:
            Gen3DError: `loading`, `engine_failed` or `shutting_down`.
        """
        if self._failure is not None:
            raise self._failure

    def refuse_new_jobs(self) -> None:
        """From now on jobs are refused as `shutting_down`; those already taken go on."""
        self._failure = Gen3DError("shutting_down", "The server is shutting down; send the request to another.")

    def submit(self, job: Callable[[Engine], Result]) -> Future[Result]:
        """Queues a job; cancelling its future before it begins takes it out again.

        Raises:
            Gen3DError: `overloaded`, or as `check`.
        """
        self.check()
        with self._lock:
            if self._taken >= self._places:
                message = (
                    f"{self._taken} requests are waiting or in work, which is all there is room for: try again later."
                )
                raise Gen3DError("overloaded", message, limit=self._places)
            self._taken += 1
        future: Future[Result] = Future()
        future.add_done_callback(self._free_place)
        self._queue.put((future, contextvars.copy_context(), job))
        return future

    def _free_place(self, _: Future[Any]) -> None:
        with self._lock:
            self._taken -= 1

    def _run(self) -> None:
        try:
            engine = self._load()
        except Exception as error:
            log.exception("the engine could not be loaded")
            reason = error.message if isinstance(error, Gen3DError) else f"{type(error).__name__}: {error}"
            self._failure = Gen3DError("engine_failed", f"The engine could not be loaded: {reason}")
            return
        if self._failure is not None and self._failure.code == "loading":
            self._failure = None
        log.info("engine ready", extra={"engine": engine.name, "weights": engine.weights})
        while True:
            future, context, job = self._queue.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(context.run(job, engine))
            except EngineBrokenError as error:
                self._failure = error
                log.exception("the engine broke")
                future.set_exception(error)
            except BaseException as error:  # noqa: BLE001 - whoever waits for the job gets it
                future.set_exception(error)
