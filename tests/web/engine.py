"""Holds the engine's server, so that a job stays where it is for as long as it is looked at. Knows no page."""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from infra.local.stage import Stage


@contextmanager
def resting_engine(stage: Stage) -> Iterator[None]:
    """No job goes on meanwhile; afterwards all do."""
    (server,) = (process for process in psutil.Process().children(recursive=True) if _is_engine(process, stage))
    server.suspend()
    try:
        yield
    finally:
        server.resume()


def _is_engine(process: psutil.Process, stage: Stage) -> bool:
    try:
        command, environment = process.cmdline(), process.environ()
    except psutil.Error:  # it has just ended
        return False
    return command[1:4] == ["-m", "gen3d", "serve"] and environment.get("AWS_ENDPOINT_URL") == stage.cloud.address
