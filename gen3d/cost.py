"""`gen3d cost`: what the service in AWS would cost, and how long one would wait. Knows neither prices nor scaling."""

import argparse
import importlib.util
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen3d.checkout import need_checkout
from serve.errors import Gen3DError

if TYPE_CHECKING:
    from infra.cost.model import Figures

_EXAMPLES = """examples:
  gen3d cost
  gen3d cost --jobs-a-day 100 --max-capacity 1 2 4 --objects 3
  gen3d cost --jobs-a-day 100 --idle-minutes 5 15 60
  gen3d cost --object-seconds 14 --cold-start-seconds 420 --max-capacity 1 2 4 8 16 --plot cost.svg

It plays the endpoint's scaling with jobs that come at random, the same ones each time, and asks nobody: no account is
needed. What it assumes is printed before the result. A wait is from the photo's last byte until the job has ended.
"""
_JOBS = (1.0, 10.0, 100.0, 1000.0, 10000.0)
_CAPACITIES = (1, 8)
# As infra/ has them, which is imported only when the command runs.
INSTANCES = ("ml.g6e.xlarge", "ml.g6e.2xlarge", "ml.g6e.4xlarge")
CLUMPINGS = ("even", "office", "bursts")
MOST_INSTANCES = 100
_MOST_JOBS, _MOST_OBJECTS, _MOST_MINUTES, _MOST_DAYS = 100_000, 32, 1440, 1000


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "cost",
        help="say what the service in AWS would cost, and how long one would wait",
        description="Say what the service in AWS would cost a month and a job, and how long one would wait.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--jobs-a-day",
        type=_jobs,
        nargs="+",
        default=_JOBS,
        metavar="N",
        help="on average; 1 10 100 1000 10000 where absent",
    )
    parser.add_argument(
        "--objects", type=_whole(_MOST_OBJECTS), default=1, metavar="N", help="in a job; 1 where absent"
    )
    parser.add_argument(
        "--clumping",
        choices=CLUMPINGS,
        default="bursts",
        help="how jobs come: even, around the clock; office, by day; bursts, by day and a few from each person, which"
        " is taken where absent",
    )
    parser.add_argument(
        "--max-capacity",
        type=_whole(MOST_INSTANCES),
        nargs="+",
        default=_CAPACITIES,
        metavar="N",
        help="how many instances there may be (MaxInstances of the template); 1 8 where absent",
    )
    parser.add_argument(
        "--idle-minutes",
        type=_whole(_MOST_MINUTES),
        nargs="+",
        default=(None,),
        metavar="N",
        help="as if instances went after so long without any job; where absent, as the template has it",
    )
    parser.add_argument("--instance", choices=INSTANCES, default=INSTANCES[0], help=f"{INSTANCES[0]} where absent")
    parser.add_argument("--object-seconds", type=_seconds, metavar="S", help="an object on the GPU, as measured")
    parser.add_argument(
        "--cold-start-seconds", type=_seconds, metavar="S", help="an instance's start, if you measured it"
    )
    parser.add_argument(
        "--days",
        type=_whole(_MOST_DAYS),
        metavar="N",
        help="how many days are played; where absent as many as hold 10,000 jobs, but 3 to 1000. Figures are those of a"
        " month of 30 days in any case",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too, unrounded, with sources")
    parser.add_argument(
        "--plot",
        type=_picture,
        metavar="FILE",
        help="draw waits and costs over 1 to 10,000 jobs a day, as .svg or .png, a line for each --max-capacity",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Plays what is asked for and prints it."""
    _need_packages(wants_plot=arguments.plot is not None)
    from infra.cost.model import Scenario, evaluate
    from infra.cost.report import as_json, assumptions, beside, results

    common: dict[str, Any] = {
        "objects": arguments.objects,
        "clumping": arguments.clumping,
        "instance": arguments.instance,
        "days": arguments.days,
    }
    if arguments.object_seconds is not None:
        common["object_seconds"] = arguments.object_seconds
    if arguments.cold_start_seconds is not None:
        common["start_seconds"] = arguments.cold_start_seconds
    least = min(arguments.max_capacity)
    first = Scenario(arguments.jobs_a_day[0], most=least, idle_minutes=arguments.idle_minutes[0], **common)
    print(assumptions(first), end="\n\n", flush=True)  # for what comes may take a while
    everything: list[Figures] = []
    for idle in arguments.idle_minutes:
        figures = []
        for jobs in arguments.jobs_a_day:
            asked = [Scenario(jobs, most=most, idle_minutes=idle, **common) for most in arguments.max_capacity]
            asked.append(Scenario(jobs, most=least, idle_minutes=idle, least=least, **common))
            figures += [evaluate(each) for each in asked]
        if idle is not None:
            print(f"As if instances went after {idle} minutes without any job:", end="\n\n")
        print(results(figures), end="\n\n", flush=True)
        everything += figures
    print(beside(first))
    if arguments.json is not None:
        _write(arguments.json, json.dumps(as_json(everything), indent=2, allow_nan=False).encode() + b"\n")
    if arguments.plot is not None:
        from infra.cost.plot import draw

        _write(arguments.plot, draw(first, arguments.max_capacity, arguments.plot.suffix.lower()[1:]))
    return 0


def _need_packages(*, wants_plot: bool) -> None:
    need_checkout("The templates that say how it scales are in a checkout of Gen3D: run the command there.")
    for name, package in (("yaml", "pyyaml"), *((("matplotlib", "matplotlib"),) if wants_plot else ())):
        if importlib.util.find_spec(name) is None:
            message = f"gen3d cost needs the package {package}: `make setup` in the checkout installs it."
            raise Gen3DError("package_missing", message)


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        message = f"'{file}' cannot be written ({error.strerror}): choose another file."
        raise Gen3DError("output_not_writable", message) from None
    print(f"written: {file}")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _jobs(text: str) -> float:
    if not 0 < (jobs := _number(text)) <= _MOST_JOBS:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of jobs a day above 0 and up to {_MOST_JOBS:,}")
    return jobs


def _seconds(text: str) -> float:
    if not 0 < (seconds := _number(text)) <= 3600:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds above 0 and up to 3600")
    return seconds


class _whole:  # noqa: N801 - a type of argparse's, called as a function
    """A whole number from 1 to the most that there may be."""

    def __init__(self, most: int) -> None:
        self._most = most

    def __call__(self, text: str) -> int:
        number = _number(text)
        if not (1 <= number <= self._most and number == int(number)):
            raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 to {self._most}")
        return int(number)


def _picture(text: str) -> Path:
    if Path(text).suffix.lower() not in (".svg", ".png"):
        raise argparse.ArgumentTypeError(f"'{text}' ends neither in .svg nor in .png")
    return Path(text)
