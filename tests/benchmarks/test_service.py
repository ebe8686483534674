"""The load run works, and finds nothing lost. How fast it was is nobody's business here."""

from itertools import pairwise
from pathlib import Path

from tests.benchmarks.test_benchmarks import run

STEPS = ("submitted", "uploaded", "claimed", "started", "first object", "outcome", "mail")


def test_service_loses_nothing_and_shows_each_step_and_program(tmp_path: Path) -> None:
    result, printed = run("service", tmp_path / "service.json")
    assert (result["jobs"], result["users"]) == (20, 4)
    assert result["outcomes"] == {"succeeded": 20}
    assert result["wrong"] == []
    assert [(row["from"], row["to"]) for row in result["steps"]] == [
        *pairwise(STEPS),
        (STEPS[0], STEPS[-1]),
    ]
    for row in result["steps"]:
        assert row["jobs"] == 20
        assert 0 <= row["median"] <= row["p95"] <= row["max"]
        assert f"| {row['from']} → {row['to']} |" in printed
    memory = {row["program"]: row for row in result["memory"]}
    assert memory.keys() == {"moto", "ministack", "container", "Lambdas", "endpoint, front, clients"}
    for program, row in memory.items():
        assert row["end"] > 0
        assert program == "Lambdas" or row["start"] > 0
    assert result["stored_megabytes"] > 0
    assert result["jobs_a_minute"] > 0
