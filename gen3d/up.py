"""`gen3d up`: the whole service on this machine, until told to stop. Knows no cloud."""

import argparse
import importlib.util
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from serve.errors import Gen3DError

if TYPE_CHECKING:
    from infra.local.stage import Stage

_EXAMPLES = """examples:
  gen3d up
  gen3d up --keep out/up --port 9000
  GEN3D_WEIGHTS=weights gen3d up --engine sam3d

What AWS does is played by programs of this machine, on 127.0.0.1 alone; the templates and Lambdas are those of AWS. It
is the stage named local. Ctrl-C ends it, and all that it started.
"""
_PORT: Final = 8000
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
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs it until told to stop."""
    _need_packages()
    # The first signal ends it; what is being ended then is not to be disturbed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, _stop)
    if arguments.keep is not None:
        _run(arguments.engine, arguments.keep, _kept_port(arguments.keep, arguments.port), is_kept=True)
        return 0
    folder = Path(tempfile.mkdtemp(prefix="gen3d-up-"))
    try:
        _run(arguments.engine, folder, _PORT if arguments.port is None else arguments.port, is_kept=False)
    except BaseException as error:
        if str(folder) not in str(error):  # where a message names a log, that stays
            shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)
    return 0


def _run(engine: str, folder: Path, port: int, *, is_kept: bool) -> None:
    from infra.local.stage import Ports, running_stage
    from serve.logs import configure_logging

    if not 1 <= port <= 65533:
        raise Gen3DError("port_unavailable", f"--port must be from 1 to 65533; it is {port}.")
    with (folder / "up.log").open("a") as log:
        configure_logging(log)
        ports = Ports(port, port + 1, port + 2)
        with running_stage(folder.resolve(), ports, engine=engine, is_kept=is_kept, tell=_tell) as stage:
            _tell(_describe(stage))
            try:
                while True:
                    signal.pause()
            except KeyboardInterrupt:
                _tell("\nstopping")


def _describe(stage: "Stage") -> str:
    from infra.local.example import example
    from infra.local.installation import not_played

    user = stage.add_user(_DEMO_USER)
    page = (
        f"page and API   {stage.page}/" if stage.has_page() else f"API            {stage.page}/api/ (no page is there)"
    )
    missing = "\n".join(f"  - {one}" for one in not_played())
    return f"""
{page}
sign in as     {user.email} with {user.password}
mails          {stage.cloud.address}/_ministack/ses/messages
S3, Cognito …  {stage.cloud.address}
logs           {stage.folder}

What this cloud does not play:
{missing}

A job by curl (it needs Python 3 to read JSON):

{example(stage, user)}
Ctrl-C ends it all."""


def _kept_port(folder: Path, given: int | None) -> int:
    """The port that the folder was begun with, which queues' addresses hold; noted where it is new.

    Raises:
        Gen3DError: `local_cloud_failed`: another port was asked for, or the folder cannot be used.
    """
    note = folder / "port"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not note.exists():
            port = _PORT if given is None else given
            note.write_text(f"{port}\n")
            return port
        port = int(note.read_text())
    except (OSError, ValueError) as error:
        raise Gen3DError("local_cloud_failed", f"{folder} cannot be used for --keep: {error}") from None
    if given is not None and given != port:
        message = f"What is kept in {folder} is at --port {port}: leave --port out, or name another folder."
        raise Gen3DError("local_cloud_failed", message)
    return port


def _need_packages() -> None:
    if importlib.util.find_spec("infra") is None:
        message = "The templates and Lambdas are in a checkout of Gen3D: run the command there."
        raise Gen3DError("checkout_missing", message)
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
