"""Runs a command that does not outlive whoever started it, even where that is killed. Knows no other file.

    python launcher.py SECONDS COMMAND ARGUMENT …

Standard input is a pipe whose other end its starter alone holds, so that it closes when the starter is no more. Then a
process beside the command gives that SIGTERM, and SECONDS later, or as soon as it has ended, SIGKILL to the whole
process group, whose leader the command is to be. The command itself reads nothing.
"""

import os
import signal
import sys
import time

_LOOK_SECONDS = 0.05


def _launch(seconds: float, command: list[str]) -> None:
    leader = os.getpid()
    pipe = os.dup(0)  # not handed on
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 (pathlib is slow to import)
        os.dup2(nothing.fileno(), 0)
    if os.fork() == 0:
        _watch(leader, pipe, seconds)
    os.execvp(command[0], command)  # noqa: S606 (the starter's own command)


def _watch(leader: int, pipe: int, seconds: float) -> None:
    while os.read(pipe, 4096):
        pass
    if os.getppid() == leader:
        os.kill(leader, signal.SIGTERM)
    until = time.monotonic() + seconds
    while os.getppid() == leader and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
    os.killpg(leader, signal.SIGKILL)


if __name__ == "__main__":
    _launch(float(sys.argv[1]), sys.argv[2:])
