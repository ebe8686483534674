"""A command as a container: started, started anew, ended with all that it has started."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import psutil
import pytest

from infra.local.async_endpoint.container import ProcessContainer, is_ready
from serve.errors import Gen3DError
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


def _start_until(container: ProcessContainer, failures: int) -> None:
    """As the endpoint does, which starts what it does not find ready; until that has ended so often."""

    def has_failed() -> bool:
        container.start()
        return container.failures == failures

    wait_until(has_failed)


def test_one_that_never_gets_ready_is_given_up_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.async_endpoint.container._RESTART_SECONDS", 0)
    container = ProcessContainer(lambda _: [sys.executable, "-c", "print('no such luck')"], tmp_path / "log")
    _start_until(container, failures=2)
    container.check()
    _start_until(container, failures=3)
    with pytest.raises(Gen3DError, match=r"ended 3 times in a row before it was ready.*no such luck") as told:
        container.check()
    assert told.value.code == "local_cloud_failed"
    asyncio.run(container.stop())


def test_one_that_was_ready_in_between_is_not_given_up(tmp_path: Path) -> None:
    async def look() -> bool:
        async with httpx.AsyncClient() as http:
            return await is_ready(http, container)

    container = ProcessContainer(_command(), tmp_path / "log")
    container.start()
    _who(container)
    container.failures = 2
    assert asyncio.run(look())
    assert container.failures == 0
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
