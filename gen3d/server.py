"""`gen3d serve`: the inference server in this process. Knows no HTTP."""

import argparse
import os
import signal

from serve.settings import read_settings

_EXAMPLES = """examples:
  gen3d serve
  gen3d serve --host 0.0.0.0 --port 9000
  curl -F image=@photo.jpg -F 'boxes=[[75,12,484,394]]' -H 'Accept: model/gltf-binary' \\
       -o scene.glb http://127.0.0.1:8080/invocations

Everything else is set by environment variables beginning with GEN3D_; docs/server.md lists them.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "serve",
        help="run the inference server",
        description="Run the inference server: GET /ping, POST /invocations. Logs are JSON lines on standard output.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", help="the address to bind; GEN3D_HOST, or 127.0.0.1, where absent")
    parser.add_argument("--port", type=int, help="the port to bind; GEN3D_PORT, or 8080, where absent")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serves until told to stop."""
    # The first process of a container is deaf to SIGTERM until it listens for it; later the server does.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    given = {name: getattr(arguments, name) for name in ("host", "port") if getattr(arguments, name) is not None}
    settings = read_settings(**given)
    # Imported once the settings are known to be good: they bring OpenCV and SciPy.
    from serve.engines import load_warm_engine
    from serve.run import run_server

    run_server(lambda: load_warm_engine(settings), settings)
    return 0
