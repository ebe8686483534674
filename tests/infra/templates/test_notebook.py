"""The notebook's script, as far as it runs without a notebook: it is a script, and it stops an idle instance."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.templates import read_template

SCRIPT: str = read_template("service")["Resources"]["NotebookStart"]["Properties"]["OnStart"][0]["Content"][
    "Fn::Base64"
]["Fn::Sub"]


def test_bash_can_read_it() -> None:
    subprocess.run(["bash", "-n"], input=SCRIPT, text=True, check=True)


def test_it_fits() -> None:
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_NotebookInstanceLifecycleHook.html
    assert len(SCRIPT) < 16384 * 3 / 4 - 1000


@pytest.mark.parametrize(("idle_minutes", "stops"), [("0", True), ("99999999", False)])
def test_an_instance_whose_jupyter_nobody_uses_stops_after_a_while(
    tmp_path: Path, idle_minutes: str, stops: bool
) -> None:
    program = SCRIPT.partition("<<'PYTHON'\n")[2].partition("\nPYTHON\n")[0]
    program = program.replace("${NotebookIdleMinutes}", idle_minutes).replace("${Stage}", "test")
    program = program.replace("${AWS::Region}", "eu-central-1")
    assert "${" not in program
    aws = tmp_path / "aws"
    aws.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    aws.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    called = tmp_path / "called"
    expected = "sagemaker stop-notebook-instance --region eu-central-1 --notebook-instance-name Gen3D-test\n"
    assert (called.read_text() if called.exists() else None) == (expected if stops else None)
