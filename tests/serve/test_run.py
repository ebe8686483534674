"""How the process begins and ends, where no request is involved."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from serve.run import _bind

if TYPE_CHECKING:
    from tests.serve.conftest import ServerProcess


def serve(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gen3d", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve("--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"gen3d: port_unavailable: Cannot listen on 127.0.0.1:{port}: Address already in use."
    )
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "ü" * 70])
def test_an_address_that_is_not_this_machines_is_one_line(host: str) -> None:
    done = serve("--port", "0", "--host", host)
    assert done.returncode == 1
    assert done.stderr.startswith(f"gen3d: port_unavailable: Cannot listen on {host}:0: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_bad_setting_is_one_line() -> None:
    done = serve(GEN3D_MAX_BOXES="many")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("gen3d: invalid_setting: GEN3D_MAX_BOXES: ")
    assert len(done.stderr.splitlines()) == 1


def test_what_is_sent_is_not_held_back_until_the_client_has_acknowledged_what_was_sent_before() -> None:
    async def accept_one() -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            told.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = _bind("127.0.0.1", 0)
        async with await asyncio.start_server(connected, sock=listener):
            with socket.create_connection(listener.getsockname()):
                return await told

    assert asyncio.run(accept_one()) != 0


def test_control_c_ends_it_as_it_ends_other_commands(start_server: Callable[..., "ServerProcess"]) -> None:
    server = start_server()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 130
    assert server.stderr().splitlines()[1:] == ["gen3d: interrupted"]
