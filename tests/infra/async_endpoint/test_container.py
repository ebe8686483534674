"""A command as a container: started, started anew, ended with all that it has started."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import psutil
import pytest

from infra.local.async_endpoint.container import ProcessContainer
from tests.infra.async_endpoint.play import wait_until

# Answers /ping, says its number at any other path, and has a child; deaf to SIGTERM where told so.
_PROGRAM = """
import http.server, os, signal, subprocess, sys
if sys.argv[2:] == ["deaf"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{os.getpid()} {child.pid} {os.environ.get('WORD')}".encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def _command(*more: str) -> Callable[[int], Sequence[str]]:
    def command(port: int) -> Sequence[str]:
        return [sys.executable, "-c", _PROGRAM, str(port), *more]

    return command


def _who(container: ProcessContainer) -> list[str]:
    def answers() -> bool:
        try:
            return httpx.get(container.address).is_success
        except httpx.TransportError:
            return False

    wait_until(answers)
    return httpx.get(container.address).text.split()


def _is_gone(number: str) -> bool:
    return not psutil.pid_exists(int(number)) or psutil.Process(int(number)).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("more", [[], ["deaf"]])
def test_stopping_leaves_no_process(tmp_path: Path, more: list[str]) -> None:
    container = ProcessContainer(_command(*more), tmp_path / "log", stop_seconds=0.2)
    container.start()
    own, child, _ = _who(container)
    asyncio.run(container.stop())
    wait_until(lambda: _is_gone(own) and _is_gone(child))


def test_starting_what_runs_does_nothing(tmp_path: Path) -> None:
    container = ProcessContainer(_command(), tmp_path / "log")
    container.start()
    before = _who(container)
    container.start()
    assert _who(container) == before
    asyncio.run(container.stop())


def test_what_has_died_is_started_anew_and_what_it_left_is_ended(tmp_path: Path) -> None:
    container = ProcessContainer(_command(), tmp_path / "log")
    container.start()
    own, child, _ = _who(container)
    psutil.Process(int(own)).kill()

    def is_anew() -> bool:
        container.start()
        return container.address != "" and _who(container)[0] != own

    wait_until(lambda: _is_gone(own))
    wait_until(is_anew)
    assert _is_gone(child)
    asyncio.run(container.stop())


def test_it_has_the_given_environment_alone_and_its_output_is_kept(tmp_path: Path) -> None:
    container = ProcessContainer(_command(), tmp_path / "log", {"WORD": "cup"})
    container.start()
    assert _who(container)[2] == "cup"
    asyncio.run(container.stop())
    assert b"GET / HTTP" in (tmp_path / "log").read_bytes()


def test_a_command_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    container = ProcessContainer(lambda _: [str(tmp_path / "nothing")], tmp_path / "log")
    with pytest.raises(FileNotFoundError):
        container.start()
    asyncio.run(container.stop())
