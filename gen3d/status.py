"""`gen3d status`: how a stage is, on one screen. Knows not where that is asked."""

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gen3d.stage_options import add_region, add_stage, stage_of
from gen3d.words import age, count

if TYPE_CHECKING:
    from infra.operator.status import Endpoint, Figure, Status

_EXAMPLES = """examples:
  gen3d status --stage local
  gen3d status --stage prod --json

The exit status is 0 where all is well, and 1 where something needs a look; the last lines say what. What cannot be
known is unknown, and says why.

In AWS the identity needs cloudformation:DescribeStacks, sagemaker:DescribeEndpoint, sagemaker:DescribeEndpointConfig,
application-autoscaling:DescribeScalableTargets, cloudwatch:DescribeAlarms, cloudwatch:GetMetricData, sqs:GetQueueUrl,
sqs:GetQueueAttributes, s3:ListBucket, logs:FilterLogEvents.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "status",
        help="show how a stage is",
        description="Show a stage's endpoint, queues, jobs, errors, alarms and hours, and what needs a look.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_stage(parser)
    add_region(parser)
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Shows it; 0 where all is well."""
    stage = stage_of(arguments)
    from infra.operator.status import read_status

    status = read_status(stage)
    needs = status.needs_a_look
    if arguments.json:
        print(json.dumps({**asdict(status), "needs_a_look": needs}, default=_moment, indent=2))
    else:
        print("\n".join(shown(status)))
    return 1 if needs else 0


def _moment(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    raise TypeError(f"{value!r} is no JSON")


def shown(status: "Status") -> list[str]:
    """For people: a line or two for each part, and what needs a look at the end."""
    lines = [f"stage {status.stage}, {status.at:%Y-%m-%d %H:%M:%S}Z", ""]

    def say(what: str, text: str) -> None:
        lines.append(f"{what:10}  {text}")

    say("endpoint", _endpoint(status.endpoint))
    say("backlog", _figure(status.backlog, "jobs at the endpoint"))
    for queue in status.queues:
        say("queue", f"{queue.name}: {queue.waiting} waiting, {queue.taken} taken, {count(queue.dead, 'dead letter')}")
    say("jobs", _jobs(status))
    for error in status.errors:
        about = "" if error.job is None else f" job {error.job}"
        say("error", f"{error.at:%m-%d %H:%M}Z {error.who}{about}: {_short(error.message)}")
    if not status.errors_are_all:
        say("error", "there is more in the log than was read; gen3d logs has all of it")
    elif not status.errors:
        say("errors", "none in a day")
    if status.alarms is None:
        say("alarms", "unknown: nothing is measured in the local cloud")
    for alarm in status.alarms or ():
        say("alarm", f"{alarm.name} since {alarm.since:%m-%d %H:%M}Z: {_short(alarm.reason)}")
    if status.alarms == ():
        say("alarms", "none")
    say("GPU hours", _figure(status.instance_hours, f"this month, of {' or '.join(status.endpoint.instance_types)}"))
    needs = status.needs_a_look
    lines += ["", *(["needs a look:", *(f"- {_short(need)}" for need in needs)] if needs else ["all is well"])]
    return lines


def _endpoint(endpoint: "Endpoint") -> str:
    if endpoint.status is None:
        return f"{endpoint.name}: there is none"
    there = "an unknown number of instances" if endpoint.instances is None else count(endpoint.instances, "instance")
    wanted = "" if endpoint.desired is None else f", {endpoint.desired} wanted"
    scaled = "not scaled" if endpoint.most is None else f"{endpoint.least} to {endpoint.most} allowed"
    return f"{endpoint.name}, {endpoint.status}: {there}{wanted}, {scaled}; {' or '.join(endpoint.instance_types)}"


def _figure(figure: "Figure", unit: str) -> str:
    return f"unknown: {figure.note}" if figure.value is None else f"{figure.value:g} {unit} ({figure.note})"


def _jobs(status: "Status") -> str:
    jobs = status.jobs
    if jobs.oldest is None:
        return "none under way" if jobs.is_all else "unknown: of the oldest that were looked at, none is under way"
    counts = ", ".join(f"{number} {word}" for word, number in jobs.counts.items())
    least = "" if jobs.is_all else "at least "
    return f"{least}{counts}; the oldest, {jobs.oldest.id}, since {age(status.at - jobs.oldest.since)}"


def _short(text: str) -> str:
    """One line of a length that a screen has."""
    line = " ".join(text.split())
    return line if len(line) <= 160 else f"{line[:159]}…"
