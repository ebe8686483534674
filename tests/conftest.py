"""What several rooms' tests need: the Khronos glTF validator, and the photographs of the demo."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
JS = ROOT / "tests" / "js"


def pytest_configure() -> None:
    """A shell starts what it runs in the background with Ctrl-C ignored, and so would be what the tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the photographs of the demo, such as `coffee.jpg`."""
    folder = tmp_path_factory.mktemp("photos")
    subprocess.run([sys.executable, "-W", "error", str(ROOT / "demo" / "photos.py"), str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def validate_glb() -> Callable[..., list[dict[str, Any]]]:
    """`validate_glb(path, …)` fails on the validator's errors and warnings and returns its reports.

    Without Node the test is skipped on a laptop; in CI (where the variable CI is `true`) it fails.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing = "the glTF validator needs node and npm on the PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    _install_validator(npm)

    def validate(*paths: Path) -> list[dict[str, Any]]:
        command = [node, str(JS / "validate.mjs"), *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        reports = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(reports) == len(paths)
        for path, report in zip(paths, reports, strict=True):
            issues = report["issues"]
            assert issues["numErrors"] == issues["numWarnings"] == 0, (path, issues["messages"])
        return reports

    return validate


def _install_validator(npm: str) -> None:
    """Runs `npm ci` unless what it installs is there already."""
    lock = JS / "package-lock.json"
    installed = JS / "node_modules" / ".package-lock.json"  # npm writes it last
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # pytest's workers are processes of their own
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            command = [npm, "ci", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=JS, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"npm ci failed in {JS}: {done.stderr}"
