"""`gen3d selftest` as people run it: a process of its own, its output and its exit status."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

LOCK = Path(__file__).parents[2] / "requirements" / "dev.txt"
ROW = re.compile(r"(ok|failed|skipped) +(\S.*?)  +(\d+\.\d) s  (\S.*)")


def selftest(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-m", "gen3d", "selftest", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def rows(output: str) -> dict[str, tuple[str, str]]:
    """Status and finding by check."""
    found = [ROW.fullmatch(line) for line in output.splitlines()]
    return {row[2]: (row[1], row[4]) for row in found if row is not None}


def test_this_environment_passes(tmp_path: Path) -> None:
    file = tmp_path / "selftest.json"
    done = selftest("--lock", LOCK, "--json", file)
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(done.stdout)
    assert {check: status for check, (status, _) in found.items()} == {
        "packages": "ok",
        "imports": "ok",
        "native libraries": "ok" if sys.platform == "linux" else "skipped",
        "engine preview": "ok",
    }
    assert found["packages"][1].endswith("packages, each at its locked version")
    assert "checks passed" in done.stdout.splitlines()[-1]
    assert done.stderr == ""
    written = json.loads(file.read_text())
    assert (written["engine"], written["passed"]) == ("preview", True)
    assert {row["check"]: (row["status"], row["finding"]) for row in written["checks"]} == found


def test_a_package_of_another_version_is_a_failed_row_and_the_others_still_run(tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("numpy==1.0\n")
    done = selftest("--lock", tmp_path / "lock.txt")
    assert done.returncode == 1
    assert rows(done.stdout)["packages"] == (
        "failed",
        f"numpy is {version('numpy')}, not 1.0: install what lock.txt names",
    )
    assert rows(done.stdout)["engine preview"][0] == "ok"
    assert done.stdout.splitlines()[-1].endswith("failed: packages")
    assert "Traceback" not in done.stderr


def test_a_check_that_has_nothing_to_look_at_says_so_and_is_no_failure() -> None:
    done = selftest()
    assert done.returncode == 0, done.stdout
    assert rows(done.stdout)["packages"] == ("skipped", "no lock file is known here: name one with --lock")
    assert "skipped: packages" in done.stdout.splitlines()[-1]


@pytest.mark.skipif(find_spec("torch") is not None, reason="there is torch here")
def test_the_engine_of_the_environment_is_tried_and_what_it_lacks_is_named(tmp_path: Path) -> None:
    done = selftest(GEN3D_ENGINE="sam3d")
    assert done.returncode == 1
    found = rows(done.stdout)
    assert len(found) == 8
    for check in ("imports", "network on the CPU"):
        assert found[check][0] == "failed"
        assert found[check][1].startswith("No module named 'torch': install ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--engine", "magic"], "invalid choice"),
        (["--lock", "nothing.txt"], "there is no file 'nothing.txt'"),
        (["everything"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what(arguments: list[str], said: str) -> None:
    done = selftest(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = selftest("--json", tmp_path / "nowhere" / "selftest.json")
    assert done.returncode == 1
    assert done.stderr.startswith("gen3d: output_not_writable: ")
    assert len(done.stderr.splitlines()) == 1


def test_help_shows_examples() -> None:
    done = selftest("--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout
