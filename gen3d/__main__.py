"""The command's entry: finds the subcommand and runs it. Knows none of their work."""

import argparse
import io
import os
import sys
from collections.abc import Sequence

_EXAMPLES = """examples:
  gen3d reconstruct photo.jpg --box 75,12,484,394 -o out
  gen3d serve --port 8080
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status: 0 done, 1 failed (one line says why), 2 wrong usage."""
    # Labels and paths may hold letters that the terminal cannot show.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(arguments)
        sys.stdout.flush()  # here, where a reader that has gone can be noticed, not at Python's exit
    except KeyboardInterrupt:
        print("gen3d: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough; Python would complain again at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _run(arguments: Sequence[str] | None) -> int:
    # Imported here, so that Ctrl-C is handled from the start.
    from gen3d import (
        cost,
        deploy,
        destroy,
        image,
        logs,
        mail,
        reconstruct,
        redrive,
        selftest,
        server,
        status,
        submit,
        up,
        users,
        weights,
    )
    from serve import __version__
    from serve.errors import Gen3DError

    parser = argparse.ArgumentParser(
        prog="gen3d",
        description="A photo and bounding boxes in, textured 3D meshes out.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gen3d {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (
        reconstruct,
        server,
        up,
        deploy,
        destroy,
        submit,
        status,
        logs,
        mail,
        users,
        redrive,
        cost,
        weights,
        image,
        selftest,
    ):
        command.add_parser(commands)
    parsed = parser.parse_args(arguments)
    try:
        exit_status: int = parsed.run(parsed)
    except Gen3DError as error:
        print(f"gen3d: {error.code}: {error.message}", file=sys.stderr)
        return 1
    return exit_status


if __name__ == "__main__":
    sys.exit(main())
