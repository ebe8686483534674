"""Runs the application under uvicorn until it is told to stop. Knows signals and ports, not what is served."""

import logging
import math
import os
import signal
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

# How many connections may wait to be accepted.
_BACKLOG = 2048


class _DrainingServer(uvicorn.Server):
    """Tells the service when a signal comes, so that it can answer everybody before uvicorn cuts them off."""

    service: Service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.service.begin_drain()
        if sig == signal.SIGTERM:
            # uvicorn would do this and, when all is done, end the process by the signal: to whoever stops a container,
            # that is a failure.
            self.should_exit = True
        else:
            super().handle_exit(sig, frame)


def run_server(load: Callable[[], Engine], settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT; then finishes what can be finished within `drain_seconds`.

    Raises:
        Gen3DError: `port_unavailable`.
        KeyboardInterrupt: It was SIGINT.
    """
    configure_logging()
    app = create_app(load, settings)
    listener = _bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"Gen3D listens on http://{shown}:{port} (engine: {settings.engine})\n")
    config = uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        server_header=False,
    )
    server = _DrainingServer(config)
    server.service = app.state.service
    interrupted = False
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        interrupted = True
    if app.state.service.worker.is_at_work:
        # A thread in a native library cannot be ended: if Python is torn down around it, the process aborts.
        logging.shutdown()
        os._exit(130 if interrupted else 0)
    if interrupted:
        raise KeyboardInterrupt


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio switches Nagle's algorithm off; else every answer takes 40 ms more.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, TypeError) as error:  # the latter where IDNA has no form of the name
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else "this is no host's name"
        message = f"Cannot listen on {host}:{port}: {reason}. Choose another with --host or --port."
        raise Gen3DError("port_unavailable", message) from None
    return listener
