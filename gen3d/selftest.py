"""`gen3d selftest`: tries the installation out and prints a row for each check. Knows none of the checks."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from serve import __version__
from serve.errors import Gen3DError
from serve.settings import EngineName, read_settings

if TYPE_CHECKING:
    from selftest.report import Row

_EXAMPLES = """examples:
  gen3d selftest
  gen3d selftest --engine sam3d --json selftest.json
  gen3d selftest --lock requirements/dev.txt

Needs neither weights nor a GPU nor a network, and lasts seconds, with sam3d up to a minute. Where there is a GPU, sam3d
is tried on it too. The status is 0 when nothing failed and 1 when something did.
"""
_NAME_WIDTH = 18


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "selftest",
        help="try this installation out",
        description="Try this installation out, from its packages to a mesh, and say what was checked.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--engine", choices=get_args(EngineName), help="which to try; GEN3D_ENGINE where absent")
    parser.add_argument(
        "--lock",
        type=_file,
        action="append",
        default=[],
        metavar="FILE",
        help="hold the packages against this lock file; may be given again; where absent, those that an image has",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    parser.set_defaults(run=run)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file '{text}'")
    return Path(text)


def run(arguments: argparse.Namespace) -> int:
    """Runs the checks; see `main` for the exit status."""
    from rich.console import Console

    from selftest.checks import checks_of
    from selftest.report import run_check

    engine: EngineName = arguments.engine or read_settings().engine
    print(f"Gen3D {__version__}, engine {engine}, Python {sys.version.partition(' ')[0]} in {sys.prefix}", flush=True)
    console, rows = Console(stderr=True), []
    for check in checks_of(engine, arguments.lock):
        with console.status(check.name):  # where a person looks on
            row = run_check(check)
        print(f"{row.status:7}  {row.check:{_NAME_WIDTH}}  {row.seconds:5.1f} s  {row.finding}", flush=True)
        rows.append(row)
    failed = [row.check for row in rows if row.status == "failed"]
    skipped = [row.check for row in rows if row.status == "skipped"]
    print(_summary(rows, failed, skipped))
    if arguments.json is not None:
        _write(arguments.json, engine, rows)
    return 1 if failed else 0


def _summary(rows: Sequence["Row"], failed: Sequence[str], skipped: Sequence[str]) -> str:
    passed = len(rows) - len(failed) - len(skipped)
    parts = [f"{passed} of {len(rows)} checks passed"]
    parts += [f"skipped: {', '.join(skipped)}"] if skipped else []
    parts += [f"failed: {', '.join(failed)}"] if failed else []
    return "; ".join(parts)


def _write(file: Path, engine: EngineName, rows: Sequence["Row"]) -> None:
    result = {
        "version": __version__,
        "engine": engine,
        "passed": not any(row.status == "failed" for row in rows),
        "checks": [{**vars(row), "seconds": round(row.seconds, 3)} for row in rows],
    }
    try:
        file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        message = f"'{file}' cannot be written ({error.strerror}): choose another with --json."
        raise Gen3DError("output_not_writable", message) from None
