"""Asking before something is changed."""

import io

import pytest

from gen3d.confirm import choose, confirm
from serve.errors import Gen3DError


class Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("said", ["yes\n", "y\n", "YES\n", " ye \n"])
def test_a_yes_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str) -> None:
    monkeypatch.setattr("sys.stdin", Keyboard(said))
    confirm("really?", is_sure=False)
    assert capsys.readouterr() == ("", "really? [yes/no] ")


@pytest.mark.parametrize("said", ["no\n", "n\n", "\n", "yess\n", "sure\n", ""])
def test_anything_else_does_not(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setattr("sys.stdin", Keyboard(said))
    with pytest.raises(Gen3DError, match="not_confirmed: Nothing was changed"):
        confirm("really?", is_sure=False)


def test_who_is_sure_is_not_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    confirm("really?", is_sure=True)
    assert capsys.readouterr() == ("", "")


def test_a_pipe_is_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with pytest.raises(Gen3DError, match="not_confirmed: Nobody is here to be asked"):
        confirm("really?", is_sure=False)


@pytest.mark.parametrize(
    ("said", "taken"), [("delete\n", "delete"), ("d\n", "delete"), ("k\n", "keep"), ("\n", "keep")]
)
def test_what_is_no_answer_is_the_last_one(monkeypatch: pytest.MonkeyPatch, said: str, taken: str) -> None:
    monkeypatch.setattr("sys.stdin", Keyboard(said))
    assert choose("which?", ("delete", "keep")) == taken
