from pathlib import Path

import pytest

from serve import progress as progress_module
from serve.contract import Progress
from serve.progress import ProgressReport
from serve.storage import LocalFolder


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress_module, "monotonic", lambda: self.now)


def stored(folder: Path) -> Progress:
    return Progress.model_validate_json((folder / "progress.json").read_bytes())


def test_the_watcher_sees_every_step_and_storage_one_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen = Clock(monkeypatch), list[Progress]()
    report = ProgressReport("job-1", 1, LocalFolder(tmp_path), seen.append)
    report.tell("reconstruct", 0)
    written = []
    for done in range(1, 11):
        clock.now += 0.3
        report.tell("reconstruct", 0, (done, 10))
        written.append(stored(tmp_path).step)
    assert [progress.step for progress in seen] == [None, *range(1, 11)]
    assert {progress.steps for progress in seen[1:]} == {10}
    assert written == [None, None, None, 4, 4, 4, 4, 8, 8, 8]


def test_every_stage_is_stored_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    report = ProgressReport("job-1", 1, LocalFolder(tmp_path))
    report.tell("reconstruct", 0)
    report.tell("reconstruct", 0, (1, 2))
    for stage in ("finish", "store"):
        report.tell(stage, 0)
        assert (stored(tmp_path).stage, stored(tmp_path).step) == (stage, None)


def test_the_percentage_moves_with_the_steps_and_never_back() -> None:
    """Also where two objects are in work at once, and the second has taken its steps before its stage is announced."""
    seen: list[Progress] = []
    report = ProgressReport("job-1", 2, None, seen.append)
    report.tell("decode")
    for index in (0, 1):
        report.tell("segment", index)
    report.tell("reconstruct", 0)
    before = seen[-1].percent
    for done in (1, 2, 3, 4):
        for index in (0, 1):
            report.tell("reconstruct", index, (done, 4))
    assert len({progress.percent for progress in seen[-8:]}) == 8
    assert seen[-8].percent > before
    for index in (0, 1):
        report.tell("reconstruct", index)
        report.tell("finish", index)
        report.tell("store", index)
    report.tell("store")
    report.tell("done")
    percents = [progress.percent for progress in seen]
    assert percents == sorted(percents)
    assert percents[-1] == 100


def test_a_stage_began_when_it_began_whatever_steps_it_takes() -> None:
    seen: list[Progress] = []
    report = ProgressReport("job-1", 1, None, seen.append)
    report.tell("reconstruct", 0)
    report.tell("reconstruct", 0, (1, 2))
    report.tell("finish", 0)
    assert seen[0].since == seen[1].since < seen[2].since


@pytest.mark.parametrize(("preview", "halfway"), [(True, 38.8), (False, 47.8)])
def test_a_networks_percentage_moves_while_it_samples(preview: bool, halfway: float) -> None:
    seen: list[Progress] = []
    report = ProgressReport("job-1", 1, None, seen.append)
    report.expect(preview=preview)
    report.tell("reconstruct", 0, (5, 10))
    assert seen[-1].percent == halfway


def test_a_job_that_fails_ends_where_it_was() -> None:
    seen: list[Progress] = []
    report = ProgressReport("job-1", 1, None, seen.append)
    report.tell("decode")
    report.tell("reconstruct", 0, (1, 2))
    report.tell_failed()
    assert seen[-1].percent == seen[-2].percent > 0


def test_a_job_that_fails_at_once_has_done_nothing() -> None:
    seen: list[Progress] = []
    ProgressReport("job-1", 1, None, seen.append).tell_failed()
    assert seen[-1].percent == 0
