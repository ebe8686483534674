"""The installed packages against lock files."""

from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from selftest.checks import locks_of
from selftest.packages import check_packages, read_lock
from selftest.report import CheckFailedError, CheckSkippedError

HERE = version("numpy")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lock.txt"


def test_the_environment_of_these_tests_is_as_locked() -> None:
    assert check_packages([Path(__file__).parents[2] / "requirements" / "dev.txt"]).endswith(
        "each at its locked version"
    )


def test_hashes_comments_and_continued_lines_are_no_part_of_a_requirement(lock: Path) -> None:
    lock.write_text(
        f"# made by hand\nnumpy=={HERE} \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n    # via scipy\n\n"
        "PyYAML==1.0 ; sys_platform == 'nowhere' --hash=sha256:02  # not here\n"
    )
    assert [each.name for each in read_lock(lock)] == ["numpy", "PyYAML"]
    assert check_packages([lock]) == "1 packages, each at its locked version"


def test_another_version_is_named_with_the_locked_one(lock: Path) -> None:
    lock.write_text("numpy==1.0\n")
    with pytest.raises(CheckFailedError, match=rf"^numpy is {HERE}, not 1\.0: install what lock\.txt names$"):
        check_packages([lock])


def test_a_missing_package_is_named(lock: Path) -> None:
    lock.write_text(f"numpy=={HERE}\nno-such-package-anywhere==1.0\n")
    with pytest.raises(CheckFailedError, match=r"^no-such-package-anywhere is missing"):
        check_packages([lock])


def test_a_package_in_two_locks_must_be_as_both_say(tmp_path: Path) -> None:
    locks = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for lock, pinned in zip(locks, (HERE, "1.0"), strict=True):
        lock.write_text(f"numpy=={pinned}\n")
    with pytest.raises(CheckFailedError, match="numpy is"):
        check_packages(locks)


@pytest.mark.parametrize("line", ["numpy", "numpy>=1", "numpy==1.0,!=1.0.1", "--index-url https://example.com/", "???"])
def test_a_line_that_pins_nothing_is_no_lock(lock: Path, line: str) -> None:
    lock.write_text(line)
    with pytest.raises(CheckFailedError, match="lock file"):
        check_packages([lock])


def test_a_lock_that_is_no_text_is_one_line(lock: Path) -> None:
    lock.write_bytes(b"\xff\xfe")
    with pytest.raises(CheckFailedError, match="cannot be read"):
        check_packages([lock])


def test_without_a_lock_nothing_is_claimed() -> None:
    with pytest.raises(CheckSkippedError, match="--lock"):
        check_packages([])


def test_an_image_has_its_locks_beside_its_packages(tmp_path: Path) -> None:
    assert locks_of(tmp_path) == []
    (tmp_path / "lock").mkdir()
    for name in ("sam3d.txt", "preview.txt", "README"):
        (tmp_path / "lock" / name).touch()
    assert [lock.name for lock in locks_of(tmp_path)] == ["preview.txt", "sam3d.txt"]


names = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,8}[a-z0-9])?", fullmatch=True)
versions = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}(\+cpu)?", fullmatch=True)


@given(st.lists(st.tuples(names, versions)))
def test_what_a_locker_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, pins: list[tuple[str, str]]
) -> None:
    lock = tmp_path_factory.mktemp("lock") / "lock.txt"
    lock.write_text("".join(f"{name}=={number} \\\n    --hash=sha256:ab\n" for name, number in pins))
    assert read_lock(lock) == [Requirement(f"{name}=={number}") for name, number in pins]
