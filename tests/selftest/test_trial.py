"""The preview's way from the drawing to a mesh, and what is noticed on it."""

import numpy as np
import pytest

from selftest import trial
from selftest.report import CheckFailedError
from selftest.trial import try_preview
from serve.warm_up import drawing


def test_the_preview_makes_a_closed_mesh_of_the_drawing() -> None:
    assert try_preview().startswith("a drawing became a closed mesh of ")


def test_a_mesh_of_something_else_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes the mesh sees the ball elsewhere than whoever looks at it."""
    pixels, ball = drawing()
    asked = iter([(pixels, ball), (np.roll(pixels, 60, axis=1), ball)])
    monkeypatch.setattr(trial, "drawing", lambda: next(asked))
    monkeypatch.setattr(trial, "_MARGIN", 70)
    with pytest.raises(CheckFailedError, match="overlap what was drawn by"):
        try_preview()


def test_an_object_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, ball = drawing()
    monkeypatch.setattr(trial, "drawing", lambda: (np.full_like(pixels, 176), ball))
    with pytest.raises(CheckFailedError, match=r"^the object failed: no_object_in_box: "):
        try_preview()
