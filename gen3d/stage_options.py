"""Which stage a command is about, as it is said on a command line. Knows neither AWS nor the local cloud."""

import argparse
import re
import shlex
from typing import TYPE_CHECKING

from gen3d.checkout import need_checkout
from serve.errors import Gen3DError

if TYPE_CHECKING:
    from infra.operator.stage import DeployedStage

# As the templates have it.
_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")
_JOB = re.compile(r"[0-9]{13}-[0-9a-f]{16}")


def add_stage(parser: argparse.ArgumentParser) -> None:
    """Declares the stage."""
    parser.add_argument(
        "--stage",
        type=stage_name,
        default="prod",
        metavar="NAME",
        help="prod where absent; local is the one that gen3d up runs, any other is in AWS",
    )


def add_region(parser: argparse.ArgumentParser) -> None:
    """Declares the region that the stage is in."""
    parser.add_argument("--region", metavar="REGION", help="the stage's AWS region; AWS_DEFAULT_REGION where absent")


def stage_name(text: str) -> str:
    """A stage's name, as a type of argparse's."""
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not 1 to 12 lower-case letters and digits, a letter first")
    return text


def job_id(text: str) -> str:
    """A job's id, as a type of argparse's."""
    if not _JOB.fullmatch(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no job's id, such as 8204561455749-fbeae30ea5daffa3")
    return text


def stage_of(arguments: argparse.Namespace) -> "DeployedStage":
    """The stage that was named.

    Raises:
        Gen3DError: `checkout_missing`, `stage_not_running`, `stage_not_deployed`, `aws_unusable` or `aws_unreachable`.
    """
    need_stages()
    from infra.local.running import find_running
    from infra.operator.stage import find_stage

    try:
        return find_stage(arguments.stage, arguments.region)
    except Gen3DError as error:
        if error.code not in ("stage_not_deployed", "aws_unusable"):
            raise
        try:
            find_running()
        except Gen3DError:  # there is no stage that could have been meant
            raise error from None
        message = f"{error.message} The stage that gen3d up runs here is --stage local."
        raise Gen3DError(error.code, message) from None


def typed(arguments: argparse.Namespace, *words: str, **options: object) -> str:
    """A command about the same stage as it is typed, such as the one that goes on.

    Args:
        arguments: What this command was given: its stage and its region.
        words: The command, without `gen3d` before it.
        options: What else is said, by the options' names. Those that are None or False are not, those that are True
            have no value, and a list's are said one by one. A region here is said in place of the arguments'.
    """
    said = ["gen3d", *words]
    for name, value in {"stage": arguments.stage, "region": arguments.region, **options}.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            said.append(option)
        elif value is not None and value is not False:
            said += [word for each in (value if isinstance(value, list) else [value]) for word in (option, str(each))]
    return shlex.join(said)


def need_stages() -> None:
    """Raises where the rooms of these commands are not installed, as in the image.

    Raises:
        Gen3DError: `checkout_missing`.
    """
    need_checkout("Stages are looked at and used from a checkout of Gen3D: run the command there.")
