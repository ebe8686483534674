"""What `gen3d up` notes of itself, and what other commands find."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import infra.local.running
from infra.local.processes import free_ports
from infra.local.running import Running, find_running, note_running
from infra.local.stage import Stage, User
from serve.errors import Gen3DError

USER = User("demo@example.com", "Aa1-secret")


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(infra.local.running, "NOTES", tmp_path / "notes")
    return tmp_path / "notes"


@pytest.fixture
def noted(stage: Stage) -> Iterator[Running]:
    with note_running(stage, USER):
        yield find_running()


def put(notes: Path, running: Running) -> Path:
    """A note of another process, older than what is noted next."""
    notes.mkdir(exist_ok=True)
    note = notes / f"{running.pid}.json"
    note.write_text(json.dumps(asdict(running)))
    os.utime(note, (0, 0))
    return note


def test_what_runs_is_found_until_it_ends(stage: Stage, notes: Path) -> None:
    with note_running(stage, USER):
        found = find_running()
        assert (found.page, found.cloud, found.email, found.password, found.pid) == (
            stage.page, stage.cloud.address, USER.email, USER.password, os.getpid(),
        )  # fmt: skip
        assert found.as_cloud().client("s3").list_buckets()["Buckets"]
    assert list(notes.iterdir()) == []
    with pytest.raises(Gen3DError, match="stage_not_running: The stage local does not run: start it with `gen3d up`"):
        find_running()


def test_nobody_else_can_read_the_password(noted: Running, notes: Path) -> None:
    (note,) = notes.iterdir()
    assert note.stat().st_mode & 0o777 == 0o600


def test_of_several_the_last_is_found_and_the_others_stay(noted: Running, notes: Path, stage: Stage) -> None:
    first = put(notes, replace(noted, pid=os.getppid()))
    assert find_running().pid == noted.pid
    (notes / f"{noted.pid}.json").unlink()
    assert find_running().pid == os.getppid()
    assert first.exists()


def test_one_that_was_killed_is_not_found(noted: Running, notes: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (notes / f"{noted.pid}.json").unlink()
    note = put(notes, replace(noted, pid=gone.pid))
    with pytest.raises(Gen3DError, match="stage_not_running"):
        find_running()
    assert not note.exists()


def test_one_whose_cloud_does_not_answer_is_not_found(noted: Running, notes: Path) -> None:
    put(notes, replace(noted, cloud=f"http://127.0.0.1:{free_ports(1)[0]}"))
    with pytest.raises(Gen3DError, match="stage_not_running"):
        find_running()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"page": 1}'])
def test_a_note_that_cannot_be_read_is_passed_over(notes: Path, content: str) -> None:
    notes.mkdir()
    (notes / "1.json").write_text(content)
    with pytest.raises(Gen3DError, match="stage_not_running"):
        find_running()


def test_a_place_that_cannot_be_written_is_told_in_a_line(stage: Stage, notes: Path) -> None:
    notes.touch()
    with pytest.raises(Gen3DError, match="local_cloud_failed: What runs cannot be noted"), note_running(stage, USER):
        pass
