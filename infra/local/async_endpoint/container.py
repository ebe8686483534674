"""What stands for a container on an instance: something with an address that can be started and stopped."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import httpx

from infra.local.processes import ended, free_ports, kill_group, start_process

# SageMaker gives /ping this long, and a container between SIGTERM and SIGKILL that long. Source:
# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
PING_SECONDS = 2.0
STOP_SECONDS = 30.0
# A process that ends at once is not started more often than this.
_RESTART_SECONDS = 1.0
# One that ends so often in a row before it is ready will not do better the next time.
_MAX_FAILURES = 3
_LOOK_SECONDS = 0.02


class Container(Protocol):
    """A container with `/ping` and `/invocations`.

    Attributes:
        address: Where it answers, such as `http://127.0.0.1:8080`; empty while it does not run.
        failures: How often in a row it has ended before it was ready; `is_ready` counts anew.
    """

    address: str
    failures: int

    def start(self) -> None:
        """Starts it where it does not run; may be called often, for it may have died.

        Raises:
            OSError: It cannot be started.
        """

    async def stop(self) -> None:
        """Ends it where it runs; afterwards there is no process left."""


class RunningServer:
    """A server that somebody else starts and stops.

    Args:
        address: `http://host:port`.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.failures = 0

    def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""


class ProcessContainer:
    """A command that runs as a child of this process, with its children in a process group of its own.

    Args:
        command: Makes the command for a port on which it is to listen.
        environment: All of its environment variables; those of this process where absent.
        log: The file to which its output is appended.
        stop_seconds: How long it has to end once told to.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        log: Path,
        environment: Mapping[str, str] | None = None,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self.address = ""
        self.failures = 0
        self._command = command
        self._log = log
        self._environment = environment
        self._stop_seconds = stop_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._started = -_RESTART_SECONDS

    def start(self) -> None:
        """Starts the command on a free port of 127.0.0.1, anew where it has ended; what it started itself is ended."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self.failures += 1
        self._kill_group()
        if time.monotonic() - self._started < _RESTART_SECONDS:
            return
        self._started = time.monotonic()
        (port,) = free_ports(1)
        self.address = f"http://127.0.0.1:{port}"
        # The terminal's Ctrl-C does not reach it: it is told when its work is put away.
        self._process = start_process(self._command(port), self._environment, self._log, self._stop_seconds)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL to the whole group when it has not ended in time."""
        if self._process is None:
            return
        try:
            self._process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._stop_seconds):
                    while self._process.poll() is None:
                        await asyncio.sleep(_LOOK_SECONDS)
        finally:
            self._kill_group()

    def check(self) -> None:
        """Raises where it is of no use to start it again; it has been started anew a few times then.

        Raises:
            Gen3DError: `local_cloud_failed`.
        """
        if self.failures >= _MAX_FAILURES:
            raise ended(f"The container ended {self.failures} times in a row before it was ready", self._log)

    def _kill_group(self) -> None:
        if self._process is None:
            return
        kill_group(self._process)
        self._process = None
        self.address = ""


async def is_ready(http: httpx.AsyncClient, container: Container) -> bool:
    """Whether `/ping` says 200 in time; where it does, its failures are forgotten."""
    if not container.address:
        return False
    try:
        async with asyncio.timeout(PING_SECONDS):
            answer = await http.get(f"{container.address}/ping")
    except (httpx.HTTPError, TimeoutError):
        return False
    if answer.status_code != httpx.codes.OK:
        return False
    container.failures = 0
    return True
