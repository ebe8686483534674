"""`gen3d destroy` where there is no cloud; tests/infra/destroy has it where there is one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gen3d.__main__ import main
from tests.conftest import ROOT


def test_the_stage_local_ends_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["destroy", "--stage", "local", "--yes"])
    assert ended.value.code == 2
    assert "the stage local ends with Ctrl-C where gen3d up runs" in capsys.readouterr().err


def test_without_a_question_the_stage_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["destroy", "--delete-data", "--yes"])
    assert ended.value.code == 2
    assert "--yes asks nobody, so it wants to be told which stage goes" in capsys.readouterr().err


def test_a_name_that_no_stage_has_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["destroy", "--stage", "Gen3D-*"])
    assert ended.value.code == 2
    assert "1 to 12 lower-case letters and digits" in capsys.readouterr().err


def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert main(["destroy", "--stage", "prod", "--region", "eu-central-1", "--yes"]) == 1
    assert "gen3d: aws_unusable: There are no usable AWS credentials here" in capsys.readouterr().err


def test_within_the_image_it_says_where_to_go(tmp_path: Path) -> None:
    # The image has no room infra; -S leaves out where this environment finds the checkout's.
    for room in ("gen3d", "model_loader", "serve"):
        shutil.copytree(ROOT / room, tmp_path / room)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    code = "import sys; sys.path.append(sys.argv.pop(1)); from gen3d.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-S", "-c", code, packages, "destroy", "--stage", "prod", "--yes"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("gen3d: checkout_missing: Stages are taken down from a checkout of Gen3D")
