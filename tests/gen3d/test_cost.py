"""`gen3d cost`, as somebody types it, and the page that shows what it prints."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from gen3d.__main__ import main
from gen3d.cost import CLUMPINGS, INSTANCES, MOST_INSTANCES
from infra.cost import arrivals, prices, stages
from infra.cost.scaling import most_instances, read_scaling
from infra.templates import read_template

PAGE = (Path(__file__).parent.parent.parent / "docs" / "scaling.md").read_text()
COMMANDS = re.findall(r"^gen3d (cost.*)$", PAGE, re.MULTILINE)
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
QUICK = ("cost", "--jobs-a-day", "20", "--days", "10", "--max-capacity", "1")


def rows(printed: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_shows_what_the_command_prints(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command.split()) == 0
    printed = capsys.readouterr().out
    shown = PAGE.split(f"gen3d {command}\n```\n")[1]
    tables = TABLE.findall(printed)
    assert tables
    for table in tables:
        assert table in shown, f"put this into docs/scaling.md:\n{table}"
    for line in printed.rpartition("|\n\n")[2].strip().splitlines():
        assert line in PAGE, f"put this into docs/scaling.md:\n{line}"


def test_the_page_s_limits_are_those_of_the_templates() -> None:
    foundation, service, endpoint = (read_template(name) for name in ("foundation", "service", "endpoint"))
    day, work = 10 * 3600, stages.IMAGE.value + stages.OBJECT.value
    limit = foundation["Resources"]["HttpApiStage"]["Properties"]["DefaultRouteSettings"]["ThrottlingRateLimit"]
    mapping = service["Resources"]["NotifyMapping"]["Properties"]
    at_once = mapping["ScalingConfig"]["MaximumConcurrency"]
    rules, most = read_scaling(), service["Parameters"]["MaxBoxes"]["Default"]
    too_slow = next(
        each for each in range(1, 100) if rules.concurrency * stages.work(most, object_seconds=each).gpu > rules.timeout
    )
    told = {
        f"`MaxInstances`, {read_scaling().most} in the template",
        f"{day / work:,.0f} jobs in ten hours",
        f"up to {most_instances()}: {most_instances() * day / work:,.0f} jobs",
        f"`ThrottlingRateLimit`, {limit} calls a second",
        f"`MaxJobsADay`, {service['Parameters']['MaxJobsADay']['Default']};",
        f"`MaxOpenJobs`, {service['Parameters']['MaxOpenJobs']['Default']} ",
        f"{at_once} at once, of {stages.LAMBDA_SECONDS.value:g} s each",
        f"{at_once * day / stages.LAMBDA_SECONDS.value / 2:,.0f} jobs in ten hours",
        f"a Lambda takes {['', '', '', '', '', 'five'][mapping['BatchSize']]} at a time",
        f"{1e6 * work / day:,.0f} if all work is done in ten hours",
        f"a job waits {read_scaling().ttl / 3600:g} h and is worked on for {read_scaling().timeout / 3600:g} h",
        f"which has {['', '', '', '', 'four'][rules.concurrency]} jobs at a time: of {most} objects each",
        f"at {stages.OBJECT.value:g} s, the last ends after {rules.concurrency * stages.work(most).gpu / 60:.0f} min",
        f"from {too_slow} s on it fails",
        f"*{endpoint['Parameters']['InstanceType']['Default']} for endpoint usage*",
    }
    assert not [each for each in told if each not in PAGE]


def test_what_it_assumes_stands_above_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(QUICK) == 0
    above, _, below = capsys.readouterr().out.partition("|")
    for stated in (
        "None was measured in AWS",
        "643 s",
        "nobody has published",
        "us-east-1",
        prices.DATED,
        "not verified",
        "not counted: Cognito",
    ):
        assert stated in above
    assert "0.39 USD" in below
    assert "Always on" in below
    assert "A month without jobs" in below


def test_what_it_assumes_is_told_before_it_plays_for_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("infra.cost.model.evaluate", interrupt)
    assert main(QUICK) == 130
    assert "None was measured in AWS" in capsys.readouterr().out


def test_a_row_for_each_number_of_instances_and_one_that_is_always_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--jobs-a-day", "5", "50", "--days", "10", "--max-capacity", "1", "3"]) == 0
    header, _, *found = rows(capsys.readouterr().out)
    assert header[:2] == ["Jobs a day", "Instances"]
    assert [row[:2] for row in found] == [
        [jobs, which] for jobs in ("5", "50") for which in ("0 to 1", "0 to 3", "1 always")
    ]


def test_what_was_measured_takes_the_place_of_what_is_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--object-seconds", "14", "--cold-start-seconds", "400", "--objects", "2"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "14 s an object on the GPU (L40S): given" in printed
    assert "400 s an instance's start, from being asked for until it takes a job: given" in printed
    assert "The GPU works for 30 s on a job" in printed


def test_whoever_waits_for_longer_for_a_start_asks_for_the_job_more_often(capsys: pytest.CaptureFixture[str]) -> None:
    asked = []
    for seconds in ("60", "900"):
        assert main([*QUICK, "--cold-start-seconds", seconds]) == 0
        found = re.search(r"^Beside its instance, .* CloudFront (\S+),", capsys.readouterr().out, re.MULTILINE)
        assert found is not None
        asked.append(float(found[1]))
    assert asked[0] < asked[1]


def test_everything_is_in_the_json_with_its_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cost.json"
    assert main([*QUICK, "--idle-minutes", "5", "10", "--json", str(file)]) == 0
    result = json.loads(file.read_text())
    assert [(each["scenario"]["idle_minutes"], each["scenario"]["least"]) for each in result["figures"]] == [
        (5, None), (5, 1), (10, None), (10, 1),
    ]  # fmt: skip
    assert result["figures"][0]["p50"] > 30
    assert result["prices"]["instances"]["ml.g6e.xlarge"]["source"]
    assert result["stages"]["start"]["value"] == 643
    assert str(file) in capsys.readouterr().out


@pytest.mark.parametrize(("name", "begins"), [("cost.svg", b"<?xml"), ("cost.PNG", b"\x89PNG")])
def test_a_plot_is_drawn_the_same_each_time(
    tmp_path: Path, name: str, begins: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra.cost import plot

    monkeypatch.setattr(plot, "_RATES", (1, 100, 10_000))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        assert main([*QUICK, "--max-capacity", "1", "8", "--plot", str(tmp_path / folder / name)]) == 0
    drawn = (tmp_path / "one" / name).read_bytes()
    assert drawn.startswith(begins)
    assert drawn == (tmp_path / "two" / name).read_bytes()


def test_a_plot_says_what_its_lines_are(tmp_path: Path) -> None:
    assert main([*QUICK, "--plot", str(tmp_path / "cost.svg")]) == 0
    svg = (tmp_path / "cost.svg").read_text()
    for words in ("at most 1 instance", "median", "95 %", "always on", "rival", "jobs a day", "USD a job", "assumed:"):
        assert words in svg


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--jobs-a-day", "0"), "'0' is no number of jobs a day above 0"),
        (("--jobs-a-day", "many"), "'many' is no number of jobs a day"),
        (("--jobs-a-day", "nan"), "'nan' is no number of jobs a day"),
        (("--max-capacity", "101"), "'101' is no whole number from 1 to 100"),
        (("--objects", "1.5"), "'1.5' is no whole number from 1 to 32"),
        (("--idle-minutes", "inf"), "'inf' is no whole number from 1 to 1440"),
        (("--cold-start-seconds", "-1"), "'-1' is no number of seconds above 0"),
        (("--instance", "ml.t3.medium"), "invalid choice: 'ml.t3.medium'"),
        (("--clumping", "lumpy"), "invalid choice: 'lumpy'"),
        (("--plot", "cost.pdf"), "'cost.pdf' ends neither in .svg nor in .png"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["cost", *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--json", str(tmp_path / "missing" / "cost.json")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gen3d: output_not_writable: ")


@pytest.mark.parametrize(("name", "arguments"), [("yaml", ()), ("matplotlib", ("--plot", "cost.svg"))])
def test_without_its_packages_it_says_what_brings_them(
    name: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked: None if asked == name else find(asked))
    assert main([*QUICK, *arguments]) == 1
    assert re.fullmatch(r"gen3d: package_missing: .*`make setup`.*\n", capsys.readouterr().err)


def test_the_options_allow_what_the_rooms_know() -> None:
    assert tuple(prices.INSTANCES) == INSTANCES
    assert arrivals.CLUMPINGS == CLUMPINGS
    assert most_instances() == MOST_INSTANCES
