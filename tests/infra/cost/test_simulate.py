"""The endpoint that is played: against a formula, against arithmetic, and what must always hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray

from infra.cost.arrivals import DAY, arrivals
from infra.cost.scaling import Scaling, read_scaling
from infra.cost.simulate import Played, Work, simulate

RULES = read_scaling()
WORK = Work(before=2, read=0.5, gpu=22, store=4, after=2, start=643, release=120)
ONLY_GPU = Work(before=0, read=0, gpu=20, store=0, after=0, start=0, release=0)
JOB = WORK.read + WORK.gpu + WORK.store


def play(*times: float, scaling: Scaling = RULES, work: Work = WORK, seconds: float = 0.0) -> Played:
    return simulate(np.array(times, dtype=np.float64), seconds, scaling, work)


def always(instances: int) -> Scaling:
    return replace(RULES, least=instances, most=instances)


@pytest.mark.parametrize("load", [0.5, 0.8])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_with_one_instance_always_there_it_is_the_queue_m_d_1(load: float, concurrency: int) -> None:
    """The mean wait before service is rho s / (2 (1 - rho)): Pollaczek 1930, Khinchine 1932."""
    times = arrivals(load * DAY / ONLY_GPU.gpu, 60, "even")
    played = simulate(times, 0.0, replace(always(1), concurrency=concurrency, ttl=1e9), ONLY_GPU)
    expected = load * ONLY_GPU.gpu / (2 * (1 - load))
    assert float(played.waits.mean()) - ONLY_GPU.gpu == pytest.approx(expected, rel=0.05)


def test_a_job_that_comes_alone_pays_for_one_start() -> None:
    played = play(30.0)
    # SageMaker has it at 32 s, the sample of 60 s shows it at 120 s; it waits for the instance that is asked for then.
    assert played.starts == 1
    assert played.queued == pytest.approx([120 + WORK.start - 32])
    assert played.waits == pytest.approx([120 + WORK.start - 30 + JOB + WORK.after])
    # It ends at 789.5 s, the sample of 840 s is quiet and shown at 900 s.
    assert played.instance_seconds == pytest.approx(900 + WORK.release - 120)
    assert played.gpu_seconds == WORK.gpu


def test_one_job_a_day_costs_one_start_each() -> None:
    times = [day * DAY + 40_000 for day in range(30)]
    assert play(*times).starts == 30


def test_what_comes_while_the_instance_is_there_waits_for_none() -> None:
    played = play(30.0, 800.0)
    assert played.starts == 1
    assert played.waits[1] < 60


def test_the_last_instance_stays_for_as_long_as_it_is_idle_where_that_is_asked_for() -> None:
    stays = replace(RULES, idle_minutes=15)
    soon, later = play(30.0), play(30.0, scaling=stays)
    assert later.instance_seconds - soon.instance_seconds == pytest.approx(14 * 60)
    assert play(30.0, 1500.0).starts == 2
    assert play(30.0, 1500.0, scaling=stays).starts == 1


def test_a_rush_is_answered_by_one_instance_and_then_by_the_others_it_needs() -> None:
    rush = [30.0] * 40
    alone, more = play(*rush), play(*rush, scaling=replace(RULES, most=100))
    assert alone.starts == 1
    # At 780 s, when the first has come 17 s before, the sample that is shown has all 40 jobs: five times the target.
    assert more.starts == 5
    assert more.most_at_once == 40


def test_there_are_never_more_instances_than_may_be() -> None:
    rush = [30.0] * 400
    few, many = (play(*rush, scaling=replace(RULES, most=most)) for most in (3, 10))
    assert few.instance_seconds <= 3 * (max(few.waits) + 1000)
    assert max(many.waits) < max(few.waits)


def test_an_instance_that_leaves_finishes_its_jobs() -> None:
    # Four come for the rush, and three go while jobs still come, when the queue has been short for a while.
    times = [30.0] * 60 + [1500.0 + 10 * number for number in range(120)]
    played = play(*times, scaling=replace(RULES, most=4))
    assert len(played.waits) == len(times)


def test_a_job_that_waits_for_too_long_is_given_up() -> None:
    played = play(*[30.0] * 10, scaling=replace(RULES, ttl=800, concurrency=1))
    assert 0 < played.expired < 10
    assert len(played.waits) == 10 - played.expired
    assert max(played.queued) <= 800


def test_a_job_that_takes_too_long_counts_as_lost_and_costs_the_gpu() -> None:
    played = play(30.0, scaling=replace(RULES, timeout=20))
    assert (played.timed_out, len(played.waits), played.gpu_seconds) == (1, 0, WORK.gpu)


def test_what_is_always_on_is_there_all_the_time() -> None:
    played = play(30.0, 40_000.0, scaling=always(2), seconds=10 * DAY)
    assert played.instance_seconds == 2 * 10 * DAY
    assert played.waits == pytest.approx([JOB + WORK.before + WORK.after] * 2)


def test_without_jobs_nothing_runs() -> None:
    played = play(seconds=DAY)
    assert (played.starts, played.instance_seconds, len(played.waits)) == (0, 0, 0)


def test_photos_are_read_while_the_gpu_is_at_another_job() -> None:
    together = play(0.0, 0.0, scaling=replace(always(1), concurrency=2))
    assert max(together.waits) == pytest.approx(WORK.before + WORK.read + 2 * WORK.gpu + WORK.store + WORK.after)


times_of_jobs = some.lists(some.floats(0, 20_000), min_size=1, max_size=60).map(lambda each: np.sort(np.array(each)))
rules = some.builds(
    lambda most, least, target, concurrency, idle: replace(
        RULES, most=max(most, least), least=least, target=target, concurrency=concurrency, idle_minutes=idle
    ),
    some.integers(1, 6), some.integers(0, 2), some.integers(1, 9), some.integers(1, 4),
    some.none() | some.integers(1, 20),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(times_of_jobs, rules)
def test_every_job_ends_and_instances_run_for_at_least_as_long_as_their_gpus(
    times: NDArray[np.float64], scaling: Scaling
) -> None:
    played = simulate(times, 0.0, scaling, WORK)
    assert len(played.waits) + played.expired + played.timed_out == len(times)
    assert played.instance_seconds >= played.gpu_seconds == WORK.gpu * (len(times) - played.expired)
    assert (played.waits >= JOB + WORK.before + WORK.after - 1e-6).all()
    assert (played.queued >= 0).all()
    assert played.starts >= max(1, scaling.least)


@settings(max_examples=30, deadline=None)
@given(times_of_jobs, rules)
def test_the_same_jobs_give_the_same_result(times: NDArray[np.float64], scaling: Scaling) -> None:
    first, again = (simulate(times, 0.0, scaling, WORK) for _ in range(2))
    assert np.array_equal(first.waits, again.waits)
    assert first.instance_seconds == again.instance_seconds
