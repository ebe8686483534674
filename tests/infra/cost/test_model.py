"""What it costs and how long one waits, as the command tells it."""

from dataclasses import replace
from itertools import pairwise

import pytest

from infra.cost import prices, stages
from infra.cost.model import Scenario, always_on, cold_job, each_job, evaluate, idle_month
from infra.cost.prices import INSTANCES
from infra.cost.report import duration


def test_always_on_is_hours_times_price() -> None:
    figures = evaluate(Scenario(100, most=2, least=2, clumping="even"))
    price = INSTANCES["ml.g6e.xlarge"].usd
    assert figures.gpu_hours == pytest.approx(2 * 720, rel=1e-3)
    assert figures.usd_gpu == pytest.approx(2 * 720 * price, rel=1e-3)
    assert always_on(2, "ml.g6e.xlarge") == 2 * 720 * price


def test_a_job_now_and_then_costs_what_a_cold_job_costs() -> None:
    seldom = evaluate(Scenario(0.2, clumping="even"))
    each = seldom.usd_gpu / (seldom.jobs / seldom.days * 30)
    assert seldom.starts_a_day == pytest.approx(seldom.jobs / seldom.days, rel=0.02)
    assert each == pytest.approx(cold_job(stages.work(1), "ml.g6e.xlarge"), rel=0.02)


def test_the_gpu_is_busy_for_as_long_as_the_jobs_take() -> None:
    figures = evaluate(Scenario(500, objects=3))
    worked = figures.jobs / figures.days * 30 * (stages.IMAGE.value + 3 * stages.OBJECT.value) / 3600
    assert figures.gpu_hours * figures.busy == pytest.approx(worked)
    assert figures.lost == 0


@pytest.mark.parametrize("jobs", [30, 1000, 6000])
def test_with_more_instances_nobody_waits_for_longer(jobs: float) -> None:
    waits = [evaluate(Scenario(jobs, most=most)) for most in (1, 2, 4, 8, 16)]
    for fewer, more in pairwise(waits):
        assert more.p50 <= fewer.p50 * 1.05
        assert more.p95 <= fewer.p95 * 1.05
        assert more.lost <= fewer.lost


def test_an_instance_that_stays_for_longer_is_waited_for_less_and_costs_more() -> None:
    short, long = (evaluate(Scenario(100, idle_minutes=minutes)) for minutes in (5, 60))
    assert long.starts_a_day < short.starts_a_day
    assert long.p50 < short.p50
    assert long.usd_gpu > short.usd_gpu


def test_a_dearer_instance_costs_more_by_its_price_alone() -> None:
    cheap, dear = (evaluate(Scenario(10, instance=instance)) for instance in ("ml.g6e.xlarge", "ml.g6e.4xlarge"))
    assert dear.usd_gpu / cheap.usd_gpu == pytest.approx(
        INSTANCES["ml.g6e.4xlarge"].usd / INSTANCES["ml.g6e.xlarge"].usd
    )
    assert replace(dear, scenario=cheap.scenario, usd_gpu=cheap.usd_gpu, usd_a_job=cheap.usd_a_job) == cheap


def test_the_same_scenario_gives_the_same_figures() -> None:
    scenario = Scenario(50, objects=2, most=3)
    assert evaluate(scenario) == evaluate(scenario)


def test_figures_are_a_month_s_however_many_days_are_played() -> None:
    short, long = (evaluate(Scenario(200, days=days, clumping="even")) for days in (30, 120))
    assert short.usd_gpu == pytest.approx(long.usd_gpu, rel=0.05)
    assert short.usd_other == pytest.approx(long.usd_other, rel=0.05)


def test_all_else_is_small_until_meshes_pile_up() -> None:
    assert sum(idle_month().values()) < 10
    assert sum(idle_month(has_jobs=True).values()) < 20
    job = each_job(1, 100)
    assert sum(job.values()) < 0.05 * cold_job(stages.work(1), "ml.g6e.xlarge")
    assert max(job, key=lambda service: job[service]) == "S3"


def test_a_page_asks_as_often_as_it_does() -> None:
    """web/src/job/follow.ts: each second for 20 s and while the job runs, every 3 s for 100 s, then every 5 s."""
    assert stages.looks(0, 30) == 30
    assert stages.looks(120, 0) == pytest.approx(20 + 100 / 3)
    assert stages.looks(620, 30) == pytest.approx(20 + 100 / 3 + 100 + 30)
    assert stages.looks(1e6, 30) == stages.looks(stages.OPEN_SECONDS.value, 0)


def test_every_price_says_whether_it_was_found() -> None:
    for price in (*INSTANCES.values(), *prices.OTHERS):
        assert price.usd > 0
        assert price.source.startswith("found ") or "not verified" in price.source
        assert not price.source.startswith("found ") or prices.DATED in price.source


def test_every_figure_says_where_it_is_from() -> None:
    known = [value for value in vars(stages).values() if isinstance(value, stages.Stage)]
    assert len(known) > 30
    assert all(stage.source for stage in known)


@pytest.mark.parametrize(("seconds", "said"), [(30.5, "30 s"), (762, "12.7 min"), (21683, "6.0 h"), (float("nan"), "")])
def test_durations_are_said_in_a_unit_that_fits(seconds: float, said: str) -> None:
    assert duration(seconds) == said
