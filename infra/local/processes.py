"""Child processes that serve on 127.0.0.1: started, waited for, and ended with all they started. Knows none of them."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from serve.errors import Gen3DError

# Ctrl-C, kill, and the terminal that is closed.
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 15.0
_LOOK_SECONDS: Final = 0.05
_LAST_LINES: Final = 5
# By its path, and without what an environment or a site would have Python do before the command has its turn.
_LAUNCHER: Final = (sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py")))


@dataclass(frozen=True)
class Program:
    """A child process by the name that people know it by.

    Attributes:
        name: What it is called in messages.
        process: What runs.
        log: The file with its output.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raises where it has ended.

        Raises:
            Gen3DError: `local_cloud_failed`.
        """
        status = self.process.poll()
        if status is not None:
            raise ended(f"{self.name} ended, with status {status}", self.log)


def free_ports(count: int) -> list[int]:
    """As many ports of 127.0.0.1 that nobody listens at now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def check_free(ports: Iterable[int]) -> None:
    """Raises where somebody listens at one of these ports of 127.0.0.1.

    Raises:
        Gen3DError: `port_unavailable`.
    """
    for port in ports:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError as error:
            message = f"Cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another port."
            raise Gen3DError("port_unavailable", message) from None


@contextmanager
def undisturbed() -> Iterator[None]:
    """Holds signals to end back meanwhile, where handlers in Python would raise: no process is started half."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are none of its business
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in ENDING}
    held = [number for number in ENDING if callable(before[number])]
    for number in held:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number in held:
            signal.signal(number, before[number])
        if came:
            signal.raise_signal(came[0])


def start_process(
    command: Sequence[str],
    environment: Mapping[str, str] | None,
    log: Path,
    stop_seconds: float,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a command that ends with this process, even where that is killed; it leads a process group of its own.

    It ends too when its standard input is closed, as happens when what is returned here is let go of: keep it.

    Args:
        command: The program and its arguments.
        environment: All of its environment variables; those of this process where absent.
        log: The file to which its output is appended.
        stop_seconds: How long it has from SIGTERM to SIGKILL where this process is no more.
        folder: Where it runs; where this process does if absent.

    Raises:
        OSError: It cannot be started.
    """
    path = (os.environ if environment is None else environment).get("PATH", os.defpath)
    if shutil.which(command[0], path=path) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    with log.open("ab") as output:
        # In a group of its own it does not hear the terminal's Ctrl-C, and can be ended with what it started.
        return subprocess.Popen(  # noqa: S603 (the caller's own command)
            [*_LAUNCHER, str(stop_seconds), *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to what is left of a process of `start_process` and of all that it started."""
    # At once after a look that found the process ended: its number may be somebody else's soon.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    is_ready: Callable[[], bool],
) -> Iterator[Program]:
    """Runs a command meanwhile; from the beginning of the block on it is ready, and after it there is no process left.

    Args:
        name: What it is called in messages; its output is appended to `folder/<name>.log`.
        command: The program and its arguments.
        environment: All of its environment variables.
        folder: Where it runs; must exist.
        is_ready: Whether it answers.

    Raises:
        Gen3DError: `local_cloud_failed`: it ended, or did not answer within two minutes.
    """
    log = folder / f"{name}.log"
    process: subprocess.Popen[bytes] | None = None
    try:
        with undisturbed():
            process = start_process(command, environment, log, STOP_SECONDS, folder)
        until = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None:
                raise ended(f"{name} ended while it started, with status {process.returncode}", log)
            if time.monotonic() > until:
                raise ended(f"{name} did not answer within {START_SECONDS:.0f} seconds", log)
            time.sleep(_LOOK_SECONDS)
        yield Program(name, process, log)
    finally:
        if process is not None:
            _end(process)


def answers(address: str) -> bool:
    """Whether a GET of this address is answered with 200 now."""
    try:
        # Addresses of this machine: no proxy of the environment knows them.
        return httpx.get(address, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    finally:  # also when Ctrl-C comes again meanwhile
        kill_group(process)


def ended(what: str, log: Path) -> Gen3DError:
    """The error of a process that is no good any more: what became of it, in a clause, and its last words."""
    lines = log.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]
    said = " ".join(line.strip() for line in lines) or "nothing"
    return Gen3DError("local_cloud_failed", f"{what}. It said last: {said} (all of it: {log})")
