"""The commands about a stage, where there is no checkout; tests/infra/operator has them where there is one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit", "--resume", "8204561455749-fbeae30ea5daffa3"],
        ["status"],
        ["logs"],
        ["mail"],
        ["users", "list"],
        ["redrive"],
    ],
    ids=lambda words: words[0],
)
def test_within_the_image_they_say_where_to_go(tmp_path: Path, arguments: list[str]) -> None:
    # The image has no room infra; -S leaves out where this environment finds the checkout's.
    for room in ("gen3d", "model_loader", "serve"):
        shutil.copytree(ROOT / room, tmp_path / room)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    code = "import sys; sys.path.append(sys.argv.pop(1)); from gen3d.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-S", "-c", code, packages, *arguments, "--stage", "local"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("gen3d: checkout_missing: Stages are looked at and used from a checkout of Gen3D")
