"""`gen3d up`, as somebody types it."""

import logging
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from gen3d.__main__ import main
from infra.local.cloud import Cloud
from infra.local.processes import ENDING
from tests.conftest import ROOT
from tests.infra.local.visitors import wait_until

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Where a test runs the command in this process, its signals and its log are another's again afterwards."""
    before = {number: signal.getsignal(number) for number in ENDING}
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def port() -> int:
    """Three free ports in a row, by their first; none that the system gives away until they are taken."""
    while True:
        first = random.randrange(10_000, 32_000)  # Linux gives away those from 32,768 on
        try:
            for port in range(first, first + 3):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the command; the test ends it."""
    started: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "GEN3D_WEIGHTS": "none"}

    def start_up(*arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-W", "error", "-m", "gen3d", "up", *arguments]
        process = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield start_up
    for process in started:
        if process.poll() is None:
            process.kill()
        assert process.stdout is not None
        process.stdout.close()
        process.wait()


def read_until(process: "subprocess.Popen[str]", word: str) -> str:
    assert process.stdout is not None
    said = ""
    while word not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    return said


def end(process: "subprocess.Popen[str]", number: int) -> tuple[int, str]:
    """Its status and last words; and that it has left no process."""
    started = children(process)
    process.send_signal(number)
    said, _ = process.communicate()
    assert not alive(started)
    return process.returncode, said


def children(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    started = psutil.Process(process.pid).children(recursive=True)
    assert started
    return started


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    # What is dead and not yet buried by the system's first process is over too.
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def running(word: str, processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have this word in their command, or the file of this name."""
    return [one for one in processes if any(part.endswith(word) for part in one.cmdline())]


@pytest.mark.timeout(300)  # it starts all of it twice
def test_what_is_kept_is_there_again_and_for_one_at_a_time(
    start: Start, port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"

    def s3() -> Any:
        return Cloud(f"http://127.0.0.1:{port + 1}", "").client("s3")

    first = start("--keep", str(kept), "--port", str(port))
    said = read_until(first, "Ctrl-C ends it all")
    assert f"page and API   http://127.0.0.1:{port}/" in said
    assert "<title>Gen3D" in httpx.get(f"http://127.0.0.1:{port}/").text
    assert "demo@example.com with " in said
    (bucket,) = (found["Name"] for found in s3().list_buckets()["Buckets"])
    s3().put_object(Bucket=bucket, Key="users/any", Body=b"kept")
    assert end(first, signal.SIGINT) == (0, "\nstopping\n")
    again = start("--keep", str(kept))
    read_until(again, "Ctrl-C ends it all")
    assert main(["up", "--keep", str(kept)]) == 1
    assert f"Another gen3d up runs with --keep {kept}" in capsys.readouterr().err
    assert s3().get_object(Bucket=bucket, Key="users/any")["Body"].read() == b"kept"
    assert end(again, signal.SIGHUP) == (0, "\nstopping\n")


def test_killed_it_leaves_nothing_running(start: Start, port: int) -> None:
    process = start("--port", str(port))
    read_until(process, "Ctrl-C ends it all")
    wait_until(lambda: running("_worker.py", children(process)))  # a Lambda begins with its first event
    started = children(process)
    for word in ("moto.server", "sagemaker_types.py", "_worker.py", "serve"):
        assert running(word, started), word
    process.kill()
    process.wait()
    psutil.wait_procs(started, timeout=60)
    assert not alive(started)


def test_a_part_that_dies_is_named_and_ends_it_all(start: Start, port: int, tmp_path: Path) -> None:
    process = start("--port", str(port), "--scale-to-zero")
    read_until(process, "Ctrl-C ends it all")
    started = children(process)
    assert not running("serve", started), "there was no job yet"
    state = httpx.get(f"http://127.0.0.1:{port + 2}/_gen3d/endpoints/Gen3D-local").json()
    assert state["instances"] == 0
    for one in running("sagemaker_types.py", started):
        one.kill()
    said, _ = process.communicate()
    assert process.returncode == 1
    (folder,) = tmp_path.glob("gen3d-up-*")
    (line,) = said.splitlines()
    assert line.startswith("gen3d: local_cloud_failed: ministack ended, with status -9. It said last: ")
    assert line.endswith(f"(all of it: {folder / 'ministack.log'})")
    assert not alive(started)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "soon"])
def test_a_time_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["up", f"--scale-to-zero={text}"])
    assert f"'{text}' is no number of seconds above 0" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["starting the local cloud", "starting the engine"])
def test_interrupted_while_it_starts_it_leaves_nothing_running(start: Start, port: int, word: str) -> None:
    process = start("--port", str(port))
    read_until(process, word)
    while not psutil.Process(process.pid).children():
        assert process.poll() is None
    status, said = end(process, signal.SIGTERM)
    # Where Python was compiling text at that moment, it ends by SIGINT itself: for a shell that is 130 too.
    assert status in (130, -signal.SIGINT)
    assert said.splitlines()[-1] == "gen3d: interrupted"


def test_a_taken_port_is_told_before_anything_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["up", "--port", str(port)]) == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"gen3d: port_unavailable: Cannot listen on 127.0.0.1:{port}")
    assert "making" not in told.out
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_cannot_load_says_why_and_leaves_its_log(start: Start, port: int, tmp_path: Path) -> None:
    process = start("--port", str(port), "--engine", "sam3d")
    said, _ = process.communicate()
    (folder,) = tmp_path.glob("gen3d-up-*")
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith("gen3d: engine_failed: The engine could not be loaded: There is no folder")
    assert str(folder / "container.log") in said


def test_a_kept_folder_has_its_port(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "port").write_text("8100\n")
    assert main(["up", "--keep", str(tmp_path), "--port", "8200"]) == 1
    assert "leave --port out" in capsys.readouterr().err


def test_a_kept_folder_that_is_a_file_is_told_in_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert main(["up", "--keep", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_port_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--port", "65535"]) == 1
    assert "--port must be" in capsys.readouterr().err


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["up", "--help"])
    assert "gen3d up --keep" in capsys.readouterr().out
