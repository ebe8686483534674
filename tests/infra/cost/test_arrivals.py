"""When jobs come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from infra.cost.arrivals import CLUMPINGS, DAY, Clumping, arrivals


@pytest.mark.parametrize("clumping", CLUMPINGS)
def test_as_many_come_as_were_asked_for(clumping: Clumping) -> None:
    times = arrivals(100, 200, clumping)
    # Bursts vary more: the variance of a sum of geometric sizes of mean 3 is 5 times that of single jobs.
    assert len(times) == pytest.approx(20_000, abs=5 * (5 * 20_000) ** 0.5)


def test_by_day_none_come_at_night() -> None:
    hours = arrivals(50, 100, "office") % DAY / 3600
    assert hours.min() >= 8
    assert hours.max() < 18


def test_around_the_clock_each_hour_is_like_the_others() -> None:
    counts = np.histogram(arrivals(240, 200, "even") % DAY, 24, (0, DAY))[0]
    assert counts == pytest.approx(np.full(24, 2000), abs=5 * 2000**0.5)


def test_in_bursts_the_next_job_is_near() -> None:
    def median_gap(clumping: Clumping) -> float:
        return float(np.median(np.diff(arrivals(10, 1000, clumping))))

    assert median_gap("bursts") < median_gap("office") / 4


def test_nobody_makes_more_jobs_a_visit_than_come_in_a_day() -> None:
    gaps = np.diff(arrivals(1, 1000, "bursts"))
    assert np.median(gaps) > 3600


@settings(max_examples=50, deadline=None)
@given(some.floats(0.1, 500), some.integers(1, 30), some.sampled_from(CLUMPINGS))
def test_they_rise_and_are_the_same_each_time(jobs: float, days: int, clumping: Clumping) -> None:
    times = arrivals(jobs, days, clumping)
    assert (np.diff(times) >= 0).all()
    assert times.size == 0 or times[0] >= 0
    assert np.array_equal(times, arrivals(jobs, days, clumping))
