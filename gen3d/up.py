"""`gen3d up`: the whole service on this machine, until told to stop. Knows no cloud."""

import argparse
import fcntl
import importlib.util
import math
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gen3d.checkout import need_checkout
from serve.errors import Gen3DError

if TYPE_CHECKING:
    from infra.local.stage import Stage, User

_EXAMPLES = """examples:
  gen3d up
  gen3d up --keep out/up --port 9000
  gen3d up --scale-to-zero 20
  GEN3D_WEIGHTS=weights gen3d up --engine sam3d

What AWS does is played by programs of this machine, on 127.0.0.1 alone; the templates and Lambdas are those of AWS. It
is the stage named local. Ctrl-C ends it, and all that it started.
"""
_PORT: Final = 8000
# AWS takes minutes to start an instance; somebody who looks on here shall see that, and not wait for it.
_WAKE_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.5
_DEMO_USER: Final = "demo@example.com"
_NEEDS: Final = ("ministack", "moto", "flask", "flask_cors", "cryptography", "aws_lambda_powertools")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "up",
        help="run the whole service on this machine",
        description="Run the whole service on this machine: a local cloud, the same templates, a demo user.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--engine",
        choices=("preview", "sam3d"),
        default="preview",
        help="what makes the meshes; preview runs anywhere and is taken where absent",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="keep jobs, users and logs in this folder, and begin with what is there; otherwise nothing is kept",
    )
    parser.add_argument(
        "--port",
        type=int,
        help=f"where the page is, and S3 and the endpoint at the two after it; {_PORT} where absent. A folder of --keep"
        " has its own, for it holds addresses",
    )
    parser.add_argument(
        "--scale-to-zero",
        type=_seconds,
        nargs="?",
        const=_IDLE_SECONDS,
        metavar="SECONDS",
        help="start the engine for a job and end it after so long without one, as AWS does with the GPU;"
        f" {_IDLE_SECONDS:.0f} where absent. The first job waits {_WAKE_SECONDS:.0f} seconds for it",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs it until told to stop.

    Raises:
        Gen3DError: It does not start, or a part of it has ended by itself; all else is ended then.
    """
    _need_packages()
    # The first signal ends it; what is being ended then is not to be disturbed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, _stop)
    if arguments.keep is not None:
        with _kept(arguments.keep, arguments.port) as port:
            _run(arguments, arguments.keep, port)
        return 0
    folder = Path(tempfile.mkdtemp(prefix="gen3d-up-"))
    try:
        _run(arguments, folder, _PORT if arguments.port is None else arguments.port)
    except BaseException as error:
        if str(folder) not in str(error):  # where a message names a log, that stays
            shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)
    return 0


def _run(arguments: argparse.Namespace, folder: Path, port: int) -> None:
    from infra.local.async_endpoint.endpoint import Scaling
    from infra.local.running import note_running
    from infra.local.stage import Ports, running_stage
    from infra.page import build_page
    from serve.logs import configure_logging

    if not 1 <= port <= 65533:
        raise Gen3DError("port_unavailable", f"--port must be from 1 to 65533; it is {port}.")
    with (folder / "up.log").open("a") as log:
        configure_logging(log)
        ports = Ports(port, port + 1, port + 2)
        scaling = Scaling()
        if arguments.scale_to_zero is not None:
            scaling = Scaling(wake_seconds=_WAKE_SECONDS, idle_seconds=arguments.scale_to_zero)
        with running_stage(
            folder.resolve(),
            ports,
            engine=arguments.engine,
            is_kept=arguments.keep is not None,
            scaling=scaling,
            tell=_tell,
        ) as stage:
            _tell("building the page")
            stage.publish_page(build_page())
            user = stage.add_user(_DEMO_USER)
            with note_running(stage, user):
                _tell(_describe(stage, user))
                try:
                    while True:
                        time.sleep(_LOOK_SECONDS)
                        stage.check()
                except KeyboardInterrupt:
                    _tell("\nstopping")


def _describe(stage: "Stage", user: "User") -> str:
    from infra.local.example import example, two_users
    from infra.local.installation import not_played

    missing = "\n".join(f"  - {one}" for one in not_played())
    # What most people look for comes last, where the terminal shows it.
    return f"""
What this cloud does not play:
{missing}

A job by curl (it needs Python 3 to read JSON):

{example(stage, user)}
The same for two users, who find their files in ./ada and ./bob:

{two_users(stage)}
In another terminal: gen3d submit | status | logs | mail | users | redrive, each with --stage local

page and API   {stage.page}/
sign in as     {user.email} with {user.password}
mails          {stage.cloud.address}/_ministack/ses/messages
S3, Cognito …  {stage.cloud.address}
logs           {stage.folder}

Ctrl-C ends it all."""


@contextmanager
def _kept(folder: Path, given: int | None) -> Iterator[int]:
    """Has the folder for itself meanwhile; the port it was begun with, which queues' addresses hold, noted if new.

    Raises:
        Gen3DError: `local_cloud_failed`: another has it, another port was asked for, or it cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = (folder / "lock").open("w")
    except OSError as error:
        raise _unusable(folder, error) from None
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"Another gen3d up runs with --keep {folder}: end it, or name another folder."
            raise Gen3DError("local_cloud_failed", message) from None
        except OSError as error:  # some network file systems have no locks
            raise _unusable(folder, error) from None
        yield _kept_port(folder, given)


def _kept_port(folder: Path, given: int | None) -> int:
    note = folder / "port"
    try:
        if not note.exists():
            port = _PORT if given is None else given
            note.write_text(f"{port}\n")
            return port
        port = int(note.read_text())
    except (OSError, ValueError) as error:
        raise _unusable(folder, error) from None
    if given is not None and given != port:
        message = f"What is kept in {folder} is at --port {port}: leave --port out, or name another folder."
        raise Gen3DError("local_cloud_failed", message)
    return port


def _unusable(folder: Path, error: Exception) -> Gen3DError:
    return Gen3DError("local_cloud_failed", f"{folder} cannot be used for --keep: {error}")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < (seconds := float(text)) < math.inf:
            return seconds
    raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds above 0")


def _need_packages() -> None:
    need_checkout("The templates and Lambdas are in a checkout of Gen3D: run the command there.")
    for name in _NEEDS:
        if importlib.util.find_spec(name) is None:
            message = f"gen3d up needs the package {name}: `make setup` in the checkout installs it."
            raise Gen3DError("package_missing", message)


def _stop(*_: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _tell(text: str) -> None:
    print(text, flush=True)
