"""What Docker is told of the server's health."""

import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from serve.engines import load_engine
from serve.health import is_ready
from serve.settings import Settings

if TYPE_CHECKING:
    from tests.serve.conftest import Server


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def at(port: int) -> Settings:
    return Settings(host="127.0.0.1", port=port)


def test_a_ready_server_is_healthy(serve_engine: Callable[..., "Server"]) -> None:
    server = serve_engine(lambda: load_engine(Settings()))
    while server.http.get("/ping").status_code != 200:
        pass
    assert is_ready(at(server.http.base_url.port or 80))


def test_one_that_cannot_load_its_engine_is_not(serve_engine: Callable[..., "Server"]) -> None:
    def fail() -> None:
        raise RuntimeError("no engine")

    server = serve_engine(fail)
    assert not is_ready(at(server.http.base_url.port or 80))


def test_where_nobody_listens_nobody_is_ready(listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    listening.close()
    assert not is_ready(at(port))
