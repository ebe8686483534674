"""The self-test where the engine sam3d is installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from selftest.gpu import check_attention, check_gpu
from selftest.imports import check_imports
from selftest.report import Check, CheckFailedError, CheckSkippedError, run_check
from selftest.trial import try_sam3d

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


def test_this_environment_passes(tmp_path: Path) -> None:
    file = tmp_path / "selftest.json"
    command = [sys.executable, "-m", "gen3d", "selftest", "--engine", "sam3d", "--json", str(file)]
    for lock in ("sam3d.txt", "sam3d-upstream.txt"):
        command += ["--lock", str(REQUIREMENTS / lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {row["check"]: row for row in json.loads(file.read_text())["checks"]}
    for check in ("packages", "imports", "network on the CPU"):
        assert found[check]["status"] == "ok"
    assert "kaolin" in found["imports"]["finding"], "what stands in for a package is named"
    built_for_cuda = torch.version.cuda is not None
    for check in ("CUDA libraries", "GPU code"):
        assert found[check]["status"] == ("ok" if built_for_cuda else "skipped")
    assert found["network on the GPU"]["status"] == ("ok" if torch.cuda.is_available() else "skipped")


def test_the_tiny_network_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    row = run_check(Check("network", lambda: try_sam3d("cpu")))
    assert row.status == "ok", row.finding
    assert "triangles and" in row.finding
    assert not list(tmp_path.iterdir())


def test_a_package_that_upstream_needs_and_that_is_missing_fails_the_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moge.model.v1", None)
    row = run_check(Check("imports", lambda: check_imports("sam3d")))
    assert row.status == "failed"
    assert "moge.model.v1" in row.finding


def test_attention_over_several_sequences_is_checked_by_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_attention(torch.device("cpu"), torch.float32) == "attention by length"
    check_attention(torch.device("cpu"), torch.bfloat16)
    monkeypatch.setattr("selftest.gpu._TOLERANCE", 0.0)
    with pytest.raises(CheckFailedError, match="is wrong by up to"):
        check_attention(torch.device("cpu"), torch.bfloat16)


@needs_no_gpu
def test_without_a_gpu_nothing_is_claimed_of_one() -> None:
    with pytest.raises(CheckSkippedError, match="no GPU here: nothing was run on one"):
        check_gpu()


@needs_no_gpu
def test_a_gpu_that_cannot_be_used_does_not_pass_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr("selftest.gpu._CONTROL", tmp_path / "nvidiactl")
    row = run_check(Check("GPU", check_gpu))
    assert row.status == "failed"
    assert row.finding.startswith("no_gpu: ")
