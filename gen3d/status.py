"""`gen3d status`: how a stage is, on one screen. Knows not where that is asked."""

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gen3d.stage_options import add_region, add_stage, stage_of
from gen3d.words import age, count

if TYPE_CHECKING:
    from infra.operator.measured import Figure
    from infra.operator.status import Endpoint, Jobs, Status

_EXAMPLES = """examples:
  gen3d status --stage local
  gen3d status --region eu-central-1 --json

The exit status is 0 where all is well, and 1 where something needs a look; the last lines say what. What cannot be
known is unknown, and says why; the rest is shown all the same.

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

    def unknown(part: str) -> str:
        return f"unknown: {_short(status.unknown[part])}"

    for part, state in status.stacks.items():
        if state not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            say("stack", f"Gen3D-{status.stage}-{part}: {state}")
    endpoint = status.endpoint
    say("endpoint", unknown("endpoint") if endpoint is None else _endpoint(endpoint))
    say("backlog", _figure(status.backlog, "jobs at the endpoint"))
    for queue in status.queues or ():
        say("queue", f"{queue.name}: {queue.waiting} waiting, {queue.taken} taken, {count(queue.dead, 'dead letter')}")
    if status.queues is None:
        say("queues", unknown("queues"))
    say("jobs", unknown("jobs") if status.jobs is None else _jobs(status.jobs, status.at))
    for error in status.errors or ():
        about = "" if error.job is None else f" job {error.job}"
        say("error", f"{error.at:%m-%d %H:%M}Z {error.who}{about}: {_short(error.message)}")
    if status.errors is None:
        say("errors", unknown("errors"))
    elif not status.errors_are_all:
        say("error", "there is more in the log than was read; gen3d logs has all of it")
    elif not status.errors:
        say("errors", "none in a day")
    for alarm in status.alarms or ():
        say("alarm", f"{alarm.name} since {alarm.since:%m-%d %H:%M}Z: {_short(alarm.reason)}")
    if status.alarms is None:
        is_asked = "alarms" in status.unknown
        say("alarms", unknown("alarms") if is_asked else "unknown: nothing is measured in the local cloud")
    elif not status.alarms:
        say("alarms", "none")
    types = "" if endpoint is None else f", of {' or '.join(endpoint.instance_types)}"
    say("GPU hours", _figure(status.instance_hours, f"this month{types}"))
    needs = status.needs_a_look
    lines += ["", *(["needs a look:", *(f"- {_line(need)}" for need in needs)] if needs else ["all is well"])]
    return lines


def _endpoint(endpoint: "Endpoint") -> str:
    if endpoint.status is None:
        return f"{endpoint.name}: there is none"
    there = "an unknown number of instances" if endpoint.instances is None else count(endpoint.instances, "instance")
    wanted = "" if endpoint.desired is None else f", {endpoint.desired} wanted"
    scaled = "not scaled" if endpoint.most is None else f"{endpoint.least} to {endpoint.most} allowed"
    return f"{endpoint.name}, {endpoint.status}: {there}{wanted}, {scaled}; {' or '.join(endpoint.instance_types)}"


def _figure(figure: "Figure", unit: str) -> str:
    return f"unknown: {_short(figure.note)}" if figure.value is None else f"{figure.value:g} {unit} ({figure.note})"


def _jobs(jobs: "Jobs", now: datetime) -> str:
    if jobs.oldest is None:
        return "none under way" if jobs.is_all else "unknown: of the oldest that were looked at, none is under way"
    counts = ", ".join(f"{number} {word}" for word, number in jobs.counts.items())
    least = "" if jobs.is_all else "at least "
    return f"{least}{counts}; the oldest, {jobs.oldest.id}, since {age(now - jobs.oldest.since)}"


def _short(text: str) -> str:
    """A line of a length that a screen has."""
    line = _line(text)
    return line if len(line) <= 160 else f"{line[:159]}…"


def _line(text: str) -> str:
    """One line, with nothing in it that moves the cursor."""
    return "".join(each if each.isprintable() else " " for each in " ".join(text.split()))
