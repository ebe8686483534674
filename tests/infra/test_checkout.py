"""A checkout says which commit it is at, and a copy of one is told."""

import subprocess
from pathlib import Path

import pytest

from infra.checkout import read_revision
from serve.errors import Gen3DError
from tests.infra.copies import commit_all

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / ".gitignore").write_text("out/\n")
    (folder / "code.py").write_text("1")
    return folder


def test_it_is_at_its_commit(checkout: Path) -> None:
    commit = commit_all(checkout)
    (checkout / "out").mkdir()
    (checkout / "out" / "ignored").write_text("")
    assert read_revision(checkout, None) == read_revision(checkout, commit) == commit


@pytest.mark.parametrize("changed", ["code.py", "new.py"])
def test_a_change_makes_it_dirty(checkout: Path, changed: str) -> None:
    commit = commit_all(checkout)
    (checkout / changed).write_text("2")
    assert read_revision(checkout, None) == read_revision(checkout, commit) == f"{commit}-dirty"


def test_a_copy_without_git_is_what_one_says(checkout: Path) -> None:
    assert read_revision(checkout, COMMIT) == COMMIT
    assert read_revision(checkout, None) is None


def test_a_copy_in_another_repository_is_not_at_its_commit(checkout: Path) -> None:
    commit_all(checkout.parent)
    assert read_revision(checkout, None) is None


def test_a_checkout_is_not_at_another_commit(checkout: Path) -> None:
    commit = commit_all(checkout)
    with pytest.raises(Gen3DError, match=f"is at {commit}, not at {COMMIT}") as raised:
        read_revision(checkout, COMMIT)
    assert raised.value.code == "revision_unclear"


@pytest.mark.parametrize("given", ["", "main", COMMIT[:12], COMMIT.upper(), f"{COMMIT}-dirty", f"{COMMIT}\n"])
def test_a_revision_is_a_whole_commit(checkout: Path, given: str) -> None:
    with pytest.raises(Gen3DError, match="40 hexadecimal digits") as raised:
        read_revision(checkout, given)
    assert raised.value.code == "revision_unclear"


def test_what_git_complains_of_is_passed_on(checkout: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(checkout)], check=True)
    with pytest.raises(Gen3DError, match="fatal: Needed a single revision") as raised:
        read_revision(checkout, None)
    assert raised.value.code == "revision_unclear"


def test_without_git_one_has_to_say_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_all(checkout)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert read_revision(checkout, COMMIT) == COMMIT
    with pytest.raises(Gen3DError, match="use --revision"):
        read_revision(checkout, None)
