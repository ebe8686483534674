"""Child processes end, whatever becomes of them; and say why they did not start."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import psutil
import pytest

from infra.local import processes
from infra.local.processes import Program, check_free, free_ports, running, undisturbed
from serve.errors import Gen3DError
from tests.conftest import ROOT

SLEEPS = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']); "


def python(program: str, folder: Path, ready: Path | None = None) -> AbstractContextManager[Program]:
    command: Sequence[str] = [sys.executable, "-c", program]
    return running("it", command, {"PATH": os.environ["PATH"]}, folder, (ready or folder).exists)


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_it_ends_with_all_that_it_started(tmp_path: Path) -> None:
    before = children()
    note = tmp_path / "note"
    with python(SLEEPS + f"open({str(note)!r}, 'w'); time.sleep(99)", tmp_path, note):
        # The command, its child, and who watches over both.
        assert len(children()) == len(before) + 3
    assert children() == before


def test_deaf_to_sigterm_it_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.1)
    before = children()
    note = tmp_path / "note"
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    with python(deaf + f"open({str(note)!r}, 'w'); time.sleep(99)", tmp_path, note):
        pass
    assert children() == before


def test_one_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = python("print('no such luck', flush=True); raise SystemExit(3)", tmp_path, tmp_path / "never")
    with pytest.raises(Gen3DError, match=r"with status 3.*no such luck.*it\.log") as told, program:
        pytest.fail("It is not ready.")
    assert told.value.code == "local_cloud_failed"


def test_one_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "START_SECONDS", 0.2)
    before = children()
    with (
        pytest.raises(Gen3DError, match="did not answer"),
        python("import time; time.sleep(99)", tmp_path, tmp_path / "n"),
    ):
        pytest.fail("It is not ready.")
    assert children() == before


def test_one_that_ends_later_is_told_with_its_last_words(tmp_path: Path) -> None:
    with python("print('out of luck', flush=True); input()", tmp_path) as it:
        it.process.wait()
        with pytest.raises(Gen3DError, match=r"it ended, with status 1.*EOFError.*it\.log") as told:
            it.check()
    assert told.value.code == "local_cloud_failed"


def test_as_long_as_it_runs_there_is_nothing_to_tell(tmp_path: Path) -> None:
    with python("import time; time.sleep(99)", tmp_path) as it:
        it.check()


@pytest.mark.parametrize("deaf", ["", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "])
def test_it_ends_with_whoever_started_it_though_that_was_killed(tmp_path: Path, deaf: str) -> None:
    note, program = tmp_path / "note", tmp_path / "starts.py"
    inner = deaf + SLEEPS + f"open({str(note)!r}, 'w'); time.sleep(99)"
    program.write_text(f"""
import sys, time
from pathlib import Path
from infra.local import processes
processes.STOP_SECONDS = 0.2
folder, note = Path({str(tmp_path)!r}), Path({str(note)!r})
with processes.running("it", [sys.executable, "-c", {inner!r}], {{}}, folder, note.exists):
    print("ready", flush=True)
    time.sleep(99)
""")
    starter = subprocess.Popen([sys.executable, program], env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    assert starter.stdout is not None
    assert starter.stdout.readline() == b"ready\n"
    started = psutil.Process(starter.pid).children(recursive=True)
    assert len(started) == 3
    starter.kill()
    starter.communicate()
    psutil.wait_procs(started, timeout=30)
    assert not [one for one in started if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_what_is_told_to_end_gently_can_put_its_work_away(tmp_path: Path) -> None:
    note, kept, program = tmp_path / "note", tmp_path / "kept", tmp_path / "starts.py"
    inner = f"""
import signal, time
from pathlib import Path
def put_away(*_):
    time.sleep(0.3)
    Path({str(kept)!r}).touch()
    raise SystemExit
signal.signal(signal.SIGTERM, put_away)
Path({str(note)!r}).touch()
time.sleep(99)
"""
    program.write_text(f"""
import os, signal, sys
from pathlib import Path
from infra.local.processes import running
folder, note = Path({str(tmp_path)!r}), Path({str(note)!r})
with running("it", [sys.executable, "-c", {inner!r}], {{}}, folder, note.exists) as it:
    print(it.process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
""")
    killed = subprocess.run([sys.executable, program], env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    assert killed.returncode == -signal.SIGKILL
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(killed.stdout)).wait(30)
    assert kept.exists()


def test_interrupted_while_it_starts_it_ends_too(tmp_path: Path) -> None:
    before = children()

    def interrupt() -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return False

    command = [sys.executable, "-c", "import time; time.sleep(99)"]
    with pytest.raises(KeyboardInterrupt), running("it", command, {}, tmp_path, interrupt):
        pytest.fail("It is not ready.")
    assert children() == before


def test_a_signal_is_held_back_and_then_raised() -> None:
    reached = []

    def interrupt() -> None:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Gen3DError, match=f"127.0.0.1:{port}") as told:
            check_free([port])
    assert told.value.code == "port_unavailable"


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(5)
    check_free(ports)
    assert len(set(ports)) == 5
