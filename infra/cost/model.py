"""From jobs a day to what they cost and how long they take. Knows neither the command line nor how it is shown."""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from infra.cost import prices, stages
from infra.cost.arrivals import DAY, Clumping, arrivals
from infra.cost.scaling import SAMPLE_SECONDS, Scaling, count_alarms, lambda_gigabytes, read_scaling, sweeps_an_hour
from infra.cost.simulate import Played, Work, simulate

MONTH_DAYS: Final = 30.0
# As many days are played as hold so many jobs, within bounds.
_JOBS, _LEAST_DAYS, _MOST_DAYS = 10_000, 3, 1000


@dataclass(frozen=True)
class Scenario:
    """What is asked.

    Attributes:
        jobs_a_day: How many jobs come on average.
        objects: In each.
        clumping: How they come.
        most: How many instances there may be.
        idle_minutes: Instances go after so many minutes without any job; None for the template's way.
        instance: Their type.
        object_seconds: An object on the GPU.
        start_seconds: An instance's start.
        days: How many days are played; None for as many as hold 10,000 jobs, but at least 3 and at most 1000.
        least: How many instances there always are; None for the template's number.
    """

    jobs_a_day: float
    objects: int = 1
    clumping: Clumping = "bursts"
    most: int = 1
    idle_minutes: int | None = None
    instance: str = "ml.g6e.xlarge"
    object_seconds: float = stages.OBJECT.value
    start_seconds: float = stages.START.value
    days: int | None = None
    least: int | None = None


@dataclass(frozen=True)
class Figures:
    """What came of it. A month has 30 days.

    Attributes:
        scenario: Of which.
        days: How many days were played.
        jobs: How many jobs came in them.
        gpu_hours: Instances' hours a month, from being asked for until nothing is paid for them.
        busy: Share of that in which the GPU worked.
        starts_a_day: Instances started.
        usd_gpu: A month's instances.
        usd_other: A month of all else.
        usd_a_job: Both, for each job that was not given up; NaN where there was none.
        p50: Median seconds from submission to result, of the jobs that had one; NaN where none had.
        p95: What 95 % of them did not exceed.
        lost: Share of the jobs that SageMaker gave up: they waited or were worked on for too long.
        most_at_once: The largest backlog at a full minute.
        calls_a_second: Calls of the API in the mean, were every page open from submission to result; over the ten
            hours of a day, but for jobs that come around the clock.
    """

    scenario: Scenario
    days: int
    jobs: int
    gpu_hours: float
    busy: float
    starts_a_day: float
    usd_gpu: float
    usd_other: float
    usd_a_job: float
    p50: float
    p95: float
    lost: float
    most_at_once: int
    calls_a_second: float

    @property
    def usd(self) -> float:
        """All of a month."""
        return self.usd_gpu + self.usd_other


def evaluate(scenario: Scenario) -> Figures:
    """Plays it, and says what it costs."""
    days = scenario.days or _days(scenario.jobs_a_day)
    times = _arrivals(scenario.jobs_a_day, days, scenario.clumping)
    scaling, work = scaling_of(scenario), stages.work(scenario.objects, scenario.object_seconds, scenario.start_seconds)
    played = simulate(times, days * DAY, scaling, work)
    months, jobs = days / MONTH_DAYS, len(times)
    hours = played.instance_seconds / 3600 / months
    usd_gpu = hours * prices.INSTANCES[scenario.instance].usd
    looked = sum(stages.looks(queued, all_ - queued) for queued, all_ in zip(played.queued, played.waits, strict=True))
    looks_a_job = looked / max(1, len(played.waits))
    usd_other = sum(idle_month(has_jobs=jobs > 0).values())
    usd_other += sum(each_job(scenario.objects, looks_a_job).values()) * jobs / months
    open_seconds = days * (DAY if scenario.clumping == "even" else 10 * 3600.0)
    p50, p95 = _percentiles(played)
    answered = len(played.waits)
    return Figures(
        scenario=scenario,
        days=days,
        jobs=jobs,
        gpu_hours=hours,
        busy=played.gpu_seconds / played.instance_seconds if played.instance_seconds else 0.0,
        starts_a_day=played.starts / days,
        usd_gpu=usd_gpu,
        usd_other=usd_other,
        usd_a_job=(usd_gpu + usd_other) * months / answered if answered else math.nan,
        p50=p50,
        p95=p95,
        lost=(played.expired + played.timed_out) / jobs if jobs else 0.0,
        most_at_once=played.most_at_once,
        calls_a_second=jobs * (stages.CALLS_A_JOB.value + looks_a_job) / open_seconds,
    )


def scaling_of(scenario: Scenario) -> Scaling:
    """The template's rules with what the scenario changes."""
    rules = read_scaling()
    least = rules.least if scenario.least is None else scenario.least
    return replace(rules, least=least, most=max(least, scenario.most), idle_minutes=scenario.idle_minutes)


def idle_month(*, has_jobs: bool = False) -> dict[str, float]:
    """USD of a month by service, but for instances: what is there whether or not jobs come.

    Args:
        has_jobs: Metrics that only jobs have are counted too.
    """
    seconds = MONTH_DAYS * DAY
    sweeps = sweeps_an_hour() * seconds / 3600
    metrics = stages.BUSY_METRICS.value if has_jobs else stages.IDLE_METRICS.value
    return {
        "CloudWatch": prices.ALARM_MONTH.usd * count_alarms()
        + prices.METRIC_MONTH.usd * metrics
        + prices.DASHBOARD_MONTH.usd,
        "ECR": prices.ECR_GB_MONTH.usd * stages.IMAGES_GB.value,
        "SQS": prices.SQS_REQUEST.usd * stages.POLLERS.value * seconds / 20,
        "Secrets Manager": prices.SECRET_MONTH.usd,
        "S3": prices.S3_GB_MONTH.usd * stages.WEIGHTS_GB.value + prices.S3_WRITE.usd * sweeps,
        "Lambda": sweeps * _lambda("Sweep", stages.SWEEP_SECONDS.value),
    }


def each_job(objects: int, looks: float) -> dict[str, float]:
    """USD of one job by service, but for instances.

    Args:
        objects: In the job.
        looks: How often its page asks for it.
    """
    calls = stages.CALLS_A_JOB.value + looks
    kept = stages.PHOTO_GB.value * stages.PHOTO_MONTHS.value
    kept += objects * stages.OBJECT_GB.value * stages.KEPT_MONTHS.value
    writes = stages.WRITES_A_JOB.value + objects * stages.WRITES_AN_OBJECT.value + looks * stages.LISTS_A_LOOK.value
    reads = stages.READS_A_JOB.value + looks * stages.READS_A_LOOK.value
    runs = _lambda("Extract", stages.LAMBDA_SECONDS.value) + 2 * _lambda("Notify", stages.LAMBDA_SECONDS.value)
    return {
        "S3": prices.S3_GB_MONTH.usd * kept + prices.S3_WRITE.usd * writes + prices.S3_READ.usd * reads,
        "Sent to the internet": prices.OUT_GB.usd * objects * stages.SENT_GB.value,
        "SES": prices.MAIL.usd * stages.MAILS_A_JOB.value,
        "Lambda": calls * _lambda("Jobs", stages.CALL_SECONDS.value) + runs,
        "HTTP API": prices.API_CALL.usd * calls,
        "CloudFront": prices.CLOUDFRONT_REQUEST.usd * calls,
        "CloudWatch": prices.LOG_GB.usd * (stages.LOG_A_JOB.value + calls * stages.LOG_A_CALL.value),
        "SQS": prices.SQS_REQUEST.usd * stages.SQS_A_JOB.value,
    }


def always_on(instances: int, instance: str) -> float:
    """USD of a month in which so many instances run all the time."""
    return instances * MONTH_DAYS * 24 * prices.INSTANCES[instance].usd


def cold_job(work: Work, instance: str) -> float:
    """USD of the instance for a job that comes alone: its start, the job, and what passes until it is released.

    It is asked for at a full minute, and goes when CloudWatch shows the first sample without the job.
    """
    busy = work.start + work.read + work.gpu + work.store
    seconds = (math.floor(busy / SAMPLE_SECONDS) + 2) * SAMPLE_SECONDS + work.release
    return seconds / 3600 * prices.INSTANCES[instance].usd


def _days(jobs_a_day: float) -> int:
    return min(_MOST_DAYS, max(_LEAST_DAYS, math.ceil(_JOBS / jobs_a_day)))


@cache
def _arrivals(jobs_a_day: float, days: int, clumping: Clumping) -> NDArray[np.float64]:
    return arrivals(jobs_a_day, days, clumping)


def _percentiles(played: Played) -> tuple[float, float]:
    if not len(played.waits):
        return math.nan, math.nan
    p50, p95 = np.percentile(played.waits, (50, 95))
    return float(p50), float(p95)


def _lambda(name: str, seconds: float) -> float:
    return prices.LAMBDA_CALL.usd + prices.LAMBDA_GB_SECOND.usd * lambda_gigabytes(name) * seconds
