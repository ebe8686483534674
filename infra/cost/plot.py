"""Waits and costs over the jobs a day, as a picture. Knows not how they come about."""

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from infra.cost import stages
from infra.cost.arrivals import MEANINGS
from infra.cost.model import Figures, Scenario, evaluate

_RATES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
_HUES: Final = ("#b3cde3", "#7fb0d3", "#3f8fc0", "#1f6aa5", "#0b3c6b")  # from few instances to many
_GREY: Final = "#666666"
_WAITS: Final = (0.5, 1, 2, 5, 10, 20, 60, 180, 360)  # minutes
_DOLLARS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


def draw(scenario: Scenario, capacities: Sequence[int], kind: str) -> bytes:
    """A file's content: above, median and 95th percentile of the wait; below, USD a job; both over 1 to 10,000 jobs a
    day, a line for each number of instances that there may be.

    Args:
        scenario: All but the jobs a day and the number of instances.
        capacities: Those numbers.
        kind: `svg` or `png`.
    """
    lines = {
        most: [evaluate(replace(scenario, jobs_a_day=jobs, most=most)) for jobs in _RATES]
        for most in sorted(set(capacities))
    }
    # Letters as letters, and the same bytes each time.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "gen3d", "font.size": 9.0}):
        figure = Figure(figsize=(8.0, 8.0), layout="constrained")
        waits, costs = figure.subplots(2, 1, sharex=True)
        _draw_waits(waits, lines)
        _draw_costs(costs, lines, scenario)
        figure.suptitle(_title(scenario), fontsize=10, x=0.01, ha="left")
        file = io.BytesIO()
        figure.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()


def _title(scenario: Scenario) -> str:
    idle = "" if scenario.idle_minutes is None else f", which go after {scenario.idle_minutes} idle minutes"
    return (
        f"{scenario.instance}{idle}; jobs of {scenario.objects} object{'s' * (scenario.objects > 1)}\n"
        f"{MEANINGS[scenario.clumping]};\n"
        f"assumed: {scenario.object_seconds:g} s an object, {scenario.start_seconds:g} s an instance's start"
    )


def _colour(place: int, count: int) -> str:
    return _HUES[-1] if count == 1 else _HUES[round(place * (len(_HUES) - 1) / (count - 1))]


def _draw_waits(axes: Axes, lines: dict[int, list[Figures]]) -> None:
    for place, (most, figures) in enumerate(lines.items()):
        colour = _colour(place, len(lines))
        axes.plot(_RATES, [each.p50 / 60 for each in figures], color=colour, linewidth=2, label=_name(most))
        axes.plot(_RATES, [each.p95 / 60 for each in figures], color=colour, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.plot([], [], color=_GREY, linewidth=2, label="median")
    axes.plot([], [], color=_GREY, linewidth=1.2, linestyle=(0, (4, 2)), label="95 %")
    _lay_out(axes, "Wait from submission to result; after 6 hours in the queue a job is given up")
    axes.yaxis.set_major_locator(FixedLocator(list(_WAITS)))
    axes.yaxis.set_major_formatter(FuncFormatter(_minutes))
    axes.set_ylim(0.4, max([600.0, *(1.3 * each.p95 / 60 for figures in lines.values() for each in figures)]))
    axes.legend(loc="upper left", ncols=2, frameon=False)


def _draw_costs(axes: Axes, lines: dict[int, list[Figures]], scenario: Scenario) -> None:
    for place, figures in enumerate(lines.values()):
        axes.plot(_RATES, [each.usd_a_job for each in figures], color=_colour(place, len(lines)), linewidth=2)
    # As far as one can do it.
    always = [evaluate(replace(scenario, jobs_a_day=jobs, most=1, least=1)) for jobs in _RATES]
    able = [each for each in always if not each.lost]
    rates, costs = [each.scenario.jobs_a_day for each in able], [each.usd_a_job for each in able]
    axes.plot(rates, costs, color=_GREY, linewidth=1.2, linestyle=(0, (1, 1.5)))
    middle = sum(cost > 1.5 for cost in costs)
    if middle < len(able):
        axes.annotate(
            "one instance, always on", (rates[middle], costs[middle]), color=_GREY, xytext=(8, 8),
            textcoords="offset points",
        )  # fmt: skip
    rival = stages.RIVAL_COLD_JOB.value
    axes.axhline(rival, color="#b2182b", linewidth=1)
    axes.annotate(
        f"a rival's cold job, {rival:.2f}", (10_000, rival), color="#b2182b", xytext=(0, 3),
        textcoords="offset points", ha="right",
    )  # fmt: skip
    _lay_out(axes, "USD a job, instances and all else")
    axes.yaxis.set_major_locator(FixedLocator(list(_DOLLARS)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(0.009, max([2.5, *(1.3 * each.usd_a_job for figures in lines.values() for each in figures)]))
    axes.set_xlabel("jobs a day")


def _lay_out(axes: Axes, title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlim(_RATES[0], _RATES[-1])
    axes.xaxis.set_major_locator(FixedLocator([1, 10, 100, 1000, 10_000]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(color="#dddddd", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _minutes(value: float, _: object) -> str:
    if value < 1:
        return f"{value * 60:g} s"
    return f"{value:g} min" if value < 60 else f"{value / 60:g} h"


def _name(most: int) -> str:
    return "at most 1 instance" if most == 1 else f"at most {most}"
