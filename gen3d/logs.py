"""`gen3d logs`: what a stage has logged of a job, or of late. Knows not where logs are kept."""

import argparse
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gen3d.stage_options import add_region, add_stage, job_id, stage_of
from serve.errors import Gen3DError

if TYPE_CHECKING:
    from infra.operator.logs import Line
    from infra.operator.stage import DeployedStage

_EXAMPLES = """examples:
  gen3d logs --stage local --since 1h
  gen3d logs --stage local --follow
  gen3d logs --region eu-central-1 8204561455749-fbeae30ea5daffa3

Of each line the time (UTC), who wrote it, the level, the message and its fields are shown. --json prints all lines as
they were written, with metrics and the frame that Lambda puts around each run.

In AWS the identity needs cloudformation:DescribeStacks, logs:FilterLogEvents.
"""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LOOK_SECONDS = 2.0
_LATELY = timedelta(minutes=10)
# So late a line may come after younger ones.
_LATE = timedelta(minutes=1)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "logs",
        help="show what a stage has logged",
        description="Show what the parts of a stage have logged, of one job or of late, in order of time.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("job", nargs="?", type=job_id, metavar="JOB", help="a job's id; all of late where absent")
    add_stage(parser)
    add_region(parser)
    parser.add_argument(
        "--since",
        type=_duration,
        metavar="TIME",
        help="from how long ago on: 90s, 10m, 2h, 7d; 10m where absent, and for a job since it was made",
    )
    parser.add_argument("--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print the lines as they were written")
    parser.set_defaults(run=run)


def _duration(text: str) -> timedelta:
    if not re.fullmatch(r"[0-9]{1,6}[smhd]", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number with s, m, h or d behind it, such as 10m")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def run(arguments: argparse.Namespace) -> int:
    """Shows the lines; without --follow there is an end to them."""
    stage = stage_of(arguments)
    from infra.operator.logs import read_logs
    from lambdas.shared.job_folder import created_at

    if arguments.since is None and arguments.job is not None:
        since = created_at(arguments.job)
    else:
        ago = _LATELY if arguments.since is None else arguments.since
        since = datetime.fromtimestamp(max(0.0, time.time() - ago.total_seconds()), UTC)  # no log is older than 1970
    told: dict[str, datetime] = {}
    is_told = _tell(read_logs(stage, since, arguments.job), arguments, told)
    while arguments.follow:
        time.sleep(_LOOK_SECONDS)
        lines = _read_again(stage, since, arguments.job)
        _tell(lines, arguments, told)
        if lines:
            since = max(since, lines[-1].at - _LATE)
            told = {number: at for number, at in told.items() if at >= since}  # the others are not read again
    if not is_told:
        what = f"of job {arguments.job} " if arguments.job else ""
        print(f"nothing {what}is logged since {since:%Y-%m-%d %H:%M:%S}Z", file=sys.stderr)
    return 0


def _read_again(stage: "DeployedStage", since: datetime, job: str | None) -> "list[Line]":
    """As `read_logs`; nothing where AWS does not answer for once, which is said."""
    from infra.operator.logs import read_logs

    try:
        return read_logs(stage, since, job)
    except Gen3DError as error:
        if error.code != "aws_unreachable":
            raise
        print(f"gen3d: {error.code}: {error.message} It is asked again.", file=sys.stderr)
        return []


def _tell(lines: "list[Line]", arguments: argparse.Namespace, told: dict[str, datetime]) -> bool:
    """Prints those that were not told yet, and notes them; whether there were any for people."""
    is_told = False
    for line in lines:
        text = line.text if arguments.json else line.shown(arguments.job)
        if line.id not in told and text is not None:
            print(text, flush=True)
            is_told = True
        told[line.id] = line.at
    return is_told
