"""What the model says, in tables and lines, with what it assumes. Knows not where that is printed."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from infra.cost import prices, stages
from infra.cost.arrivals import DAY, MEANINGS
from infra.cost.model import Figures, Scenario, always_on, cold_job, each_job, idle_month, scaling_of
from infra.cost.scaling import SAMPLE_SECONDS, SAMPLES_ABOVE, SAMPLES_BELOW, SHARE_BELOW

_HEADER = (
    "Jobs a day",
    "Instances",
    "Starts a day",
    "Hours a month",
    "GPU busy",
    "USD a month, instances",
    "All else",
    "USD a job",
    "API calls a second",
    "Wait, median",
    "95 %",
    "Given up",
)


def assumptions(scenario: Scenario) -> str:
    """All that the figures of this scenario rest on and nobody has measured in AWS; a figure a line."""
    given = {stages.OBJECT: scenario.object_seconds, stages.START: scenario.start_seconds}
    lines = ["Times. None was measured in AWS; --object-seconds and --cold-start-seconds take your own."]
    for stage in stages.TIMES:
        value = given.get(stage, stage.value)
        source = stage.source if value == stage.value else "given"
        lines.append(f"  {value:5g} {stage.unit}  {stage.what}: {source}")
    rules = scaling_of(scenario)
    leaves = (
        f"instances go once their jobs are under {SHARE_BELOW * rules.target:g} each for {SAMPLES_BELOW} minutes, "
        "the last when there is none"
        if rules.idle_minutes is None
        else "all instances go after the minutes without a job that --idle-minutes names; the template has it otherwise"
    )
    price = prices.INSTANCES[scenario.instance]
    found = [each.unit for each in prices.OTHERS if each.source.startswith("found")]
    remembered = [each.unit for each in prices.OTHERS if not each.source.startswith("found")]
    lines += [
        "Scaling, as infra/endpoint.yaml has it.",
        f"  a job without an instance wakes {rules.wake_step}; more are added once there are over {rules.target:g} jobs"
        f" for each for {SAMPLES_ABOVE} minutes;",
        f"  {leaves};",
        f"  {rules.concurrency} jobs at a time on an instance, one on its GPU; a job is given up after"
        f" {rules.ttl / 3600:g} h in the queue or {rules.timeout / 3600:g} h of work;",
        "  while instances start or leave, AWS refuses to scale again (remembered, not verified).",
        f"Jobs of {scenario.objects} object{'s' * (scenario.objects > 1)} come {MEANINGS[scenario.clumping]}.",
        f"Prices of {prices.REGION}, written down on {prices.DATED}, no free tier. AWS was not asked: look them up for"
        " your region.",
        f"  {price.usd:g} USD an hour of {scenario.instance}: {price.source}",
        f"  found in stored copies of public pages (infra/cost/prices.py says where): {', '.join(found)}",
        f"  remembered, not verified: {', '.join(remembered)}",
        "  not counted: Cognito (10,000 users a month cost nothing, remembered), the builds of a deployment, the"
        " schedule, the notebook, and what CloudFront sends, which is the page and the API's answers",
    ]
    return "\n".join(textwrap.fill(line, 118, subsequent_indent="    ", break_on_hyphens=False) for line in lines)


def results(figures: Sequence[Figures]) -> str:
    """A Markdown table, a row for each."""
    rows = [_HEADER, ("---:",) * len(_HEADER), *(_row(each) for each in figures)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def beside(scenario: Scenario) -> str:
    """What does not depend on how many jobs come, and what others say."""
    work = stages.work(scenario.objects, scenario.object_seconds, scenario.start_seconds)
    start = work.start / 3600 * prices.INSTANCES[scenario.instance].usd
    gpu = work.gpu / 3600 * prices.INSTANCES[scenario.instance].usd
    # As often as a page asks that waits for the alarm, and for the instance that it orders.
    looks = stages.looks(SAMPLE_SECONDS + work.start, work.read + work.gpu + work.store + work.after)
    month, job = idle_month(), each_job(scenario.objects, looks)
    return "\n".join(
        [
            f"As the template scales, a job that comes alone costs {cold_job(work, scenario.instance):.2f} USD of"
            f" instance, {start:.2f} of them for its start. A rival's: {stages.RIVAL_COLD_JOB.value:.2f} USD"
            f" ({stages.RIVAL_COLD_JOB.source}).",
            f"The GPU works for {work.gpu:g} s on a job, {gpu:.3f} USD; a million jobs a day are"
            f" {math.ceil(work.gpu * 1e6 / DAY):,} GPUs that are never idle.",
            f"Meshes are kept for {stages.KEPT_MONTHS.value:g} months ({stages.KEPT_MONTHS.source}): all else is that"
            " of a month after those.",
            f"Always on, each instance costs {always_on(1, scenario.instance):,.0f} USD a month.",
            f"A month without jobs costs {sum(month.values()):.2f} USD: {_by_service(month, 2)}.",
            f"Beside its instance, a job that waits for a start costs {sum(job.values()):.4f} USD:"
            f" {_by_service(job, 4)}.",
        ]
    )


def as_json(figures: Sequence[Figures]) -> dict[str, Any]:
    """Everything, unrounded, with sources; what is not a number is None."""
    known = [name for name in vars(stages) if isinstance(getattr(stages, name), stages.Stage)]
    return {
        "prices": {
            "region": prices.REGION,
            "dated": prices.DATED,
            "instances": {name: asdict(price) for name, price in prices.INSTANCES.items()},
            "others": [asdict(price) for price in prices.OTHERS],
        },
        "stages": {name.lower(): asdict(getattr(stages, name)) for name in known},
        "scaling": asdict(scaling_of(figures[0].scenario)),
        "idle_month_usd": idle_month(),
        "figures": [
            {
                key: None if isinstance(value, float) and math.isnan(value) else value
                for key, value in asdict(each).items()
            }
            for each in figures
        ],
    }


def duration(seconds: float) -> str:
    """`54 s`, `12.7 min` or `6.0 h`; nothing for no number."""
    if math.isnan(seconds):
        return ""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def _row(figures: Figures) -> tuple[str, ...]:
    scenario = figures.scenario
    instances = f"0 to {scenario.most}" if not scenario.least else f"{scenario.least} always"
    return (
        f"{scenario.jobs_a_day:,g}",
        instances,
        f"{figures.starts_a_day:.1f}" if not scenario.least else "",
        f"{figures.gpu_hours:,.0f}",
        f"{figures.busy:.0%}",
        f"{figures.usd_gpu:,.0f}",
        f"{figures.usd_other:,.0f}",
        f"{figures.usd_a_job:.3f}" if not math.isnan(figures.usd_a_job) else "",
        f"{figures.calls_a_second:.2g}" if figures.calls_a_second < 10 else f"{figures.calls_a_second:.0f}",
        duration(figures.p50),
        duration(figures.p95),
        f"{figures.lost:.0%}" if figures.lost else "",
    )


def _by_service(usd: dict[str, float], digits: int) -> str:
    largest = sorted(usd.items(), key=lambda each: -each[1])
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in largest)
