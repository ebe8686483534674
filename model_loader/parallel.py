"""Several tasks at once, ended by the first error or by Ctrl-C. Knows not what they do."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

# How long Ctrl-C waits for the threads: one that a server keeps waiting sees only afterwards that it was stopped.
_PATIENCE_S = 1.0

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class Stopped(Exception):  # noqa: N818 - no error: another one's, or Ctrl-C, ended the work
    """The work was stopped from outside."""


def in_parallel(
    tasks: Iterable[_Task], work: Callable[[_Task], _Result], *, workers: int, stop: threading.Event
) -> list[_Result]:
    """The results in the order of the tasks; the first error ends all, and so does Ctrl-C.

    Args:
        tasks: Taken one by one, as threads become free.
        work: What to do with each. It may raise `Stopped` where it finds `stop` set.
        workers: How many threads.
        stop: Is set where no more shall be done.
    """
    results: dict[int, _Result] = {}
    errors: list[BaseException] = []
    left = enumerate(tasks)
    taking = threading.Lock()
    ended = threading.Semaphore(0)

    def run() -> None:
        try:
            take_tasks()
        finally:
            ended.release()

    def take_tasks() -> None:
        while not stop.is_set():
            try:
                with taking:
                    taken = next(left, None)
                if taken is None:
                    return
                results[taken[0]] = work(taken[1])
            except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that waits
                errors.append(error)
                stop.set()

    # Daemons: a server that does not answer must not keep the process from ending.
    threads = [threading.Thread(target=run, daemon=True) for _ in range(workers)]
    running = 0
    try:
        for thread in threads:
            thread.start()
            running += 1
        # Not by joining them: in Python 3.11 a thread whose join Ctrl-C interrupts counts as ended.
        while running:
            ended.acquire()
            running -= 1
    except BaseException:
        stop.set()
        until = time.monotonic() + _PATIENCE_S
        for _ in range(running):
            ended.acquire(timeout=max(0.0, until - time.monotonic()))
        raise
    for error in errors:
        if not isinstance(error, Stopped):
            raise error
    return [results[index] for index in range(len(results))]
