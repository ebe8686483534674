"""Runs the application under uvicorn until it is told to stop. Knows signals and ports, not what is served."""

import math
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from serve.app import Service, create_app
from serve.engine import Engine
from serve.errors import Gen3DError
from serve.logs import configure_logging
from serve.settings import Settings


class _DrainingServer(uvicorn.Server):
    """Tells the service when a signal comes, so that it can answer everybody before uvicorn cuts them off."""

    service: Service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.service.begin_drain()
        super().handle_exit(sig, frame)


def run_server(load: Callable[[], Engine], settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT; then finishes what can be finished within `drain_seconds`.

    Raises:
        Gen3DError: `port_unavailable`.
    """
    configure_logging()
    app = create_app(load, settings)
    listener = _bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"Gen3D listens on http://{shown}:{port} (engine: {settings.engine})\n")
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        server_header=False,
    )
    server = _DrainingServer(config)
    server.service = app.state.service
    server.run(sockets=[listener])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        message = f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --host or --port."
        raise Gen3DError("port_unavailable", message) from None
    return listener
