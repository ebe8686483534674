"""Numbers and durations in words."""

from datetime import timedelta

import pytest

from gen3d.words import age, count


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3725, "1 h 2 min"),
        (86400, "1 d"),
        (200000, "2 d 7 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert age(timedelta(seconds=seconds)) == words


def test_only_one_is_one() -> None:
    assert [count(number, "job") for number in range(3)] == ["0 jobs", "1 job", "2 jobs"]
