"""The Architecture document leaves out no service, failure, alarm, key or picture; its figures are those of others."""

import re
from typing import Final

import pytest

from docs.source.diagrams import DIAGRAMS
from infra.templates import NAMES, read_template
from lambdas.jobs.handler import ROUTES
from lambdas.shared import job_folder
from lambdas.shared.documents import OUTCOME_CODES
from tests.conftest import ROOT
from tests.docs.documents import Document

ARCHITECTURE: Final = Document(ROOT / "docs" / "Gen3D - Architecture - 1.0.md")
# What people call what a type's name is of; those that were given need no reason.
SERVICES: Final = {
    "ApiGatewayV2": "API Gateway",
    "ApplicationAutoScaling": "Application Auto Scaling",
    "Budgets": "Budgets",
    "CloudFront": "CloudFront",
    "CodeBuild": "CodeBuild",
    "Cognito": "Cognito",
    "ECR": "ECR",
    "Events": "EventBridge",
    "SNS": "SNS",
    "SQS": "SQS",
    "SecretsManager": "Secrets Manager",
}
GIVEN: Final = {"CloudWatch", "IAM", "Lambda", "Logs", "S3", "SES", "SageMaker"}

Table = list[dict[str, str]]


def section(title: str) -> str:
    """What stands under a heading, with what is below it, up to the next heading of its level."""
    level = next(line for line in ARCHITECTURE.lines if line.lstrip("#") == f" {title}").partition(" ")[0]
    _, _, rest = ARCHITECTURE.text.partition(f"\n{level} {title}\n")
    return re.split(rf"\n#{{1,{len(level)}}} ", rest, maxsplit=1)[0]


def tables(text: str) -> list[Table]:
    """The tables of a page, each as its rows by its headings."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", f"{text}\n", re.MULTILINE):
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def resources(kind: str) -> dict[str, dict[str, object]]:
    """The resources of a type, by their logical ids."""
    return {
        logical: resource
        for stack in NAMES
        for logical, resource in read_template(stack)["Resources"].items()
        if resource["Type"].startswith(kind)
    }


def test_every_service_that_was_not_given_has_its_reason() -> None:
    used = {resource["Type"].split("::")[1] for resource in resources("AWS::").values()}  # type: ignore[attr-defined]
    assert used == GIVEN | set(SERVICES)
    reasons = {row["Service"]: row["Because"] for row in tables(section("Services"))[0]}
    assert set(reasons) == {*SERVICES.values(), "CloudFormation"}
    assert all(reasons.values())


def test_every_alarm_belongs_to_a_failure() -> None:
    told = " ".join(row["Who sees it"] for row in tables(section("Reliability"))[0])
    alarms = set(resources("AWS::CloudWatch::Alarm")) - {"WakeUpAlarm"}  # which starts an instance, and tells nobody
    assert set(re.findall(r"`(\w+Alarm)`", told)) == alarms


def test_every_code_of_an_ended_job_belongs_to_a_failure() -> None:
    failures = tables(section("Reliability"))[0]
    told = " ".join(cell for row in failures for cell in row.values())
    assert [code for code in OUTCOME_CODES if f"`{code}`" not in told] == []


def test_every_failure_says_what_happens() -> None:
    assert [row["What fails"] for row in tables(section("Reliability"))[0] if not row["What happens"]] == []


def test_every_role_is_among_those_who_can_do_something() -> None:
    by_role = {
        "JobsRole": "`jobs`",
        "ExtractRole": "`extract`",
        "NotifyRole": "`notify`",
        "SweepRole": "`sweep`",
        "Role": "The container",
        "ImageBuildRole": "The build of images",
        "WeightsBuildRole": "The build of weights",
        "NotebookRole": "The notebook",
    }
    assert set(by_role) == set(resources("AWS::IAM::Role"))
    assert set(by_role.values()) <= {row["Who"] for row in tables(section("Who can do what"))[0]}


KEYS: Final = (
    *("REQUEST", "IMAGE", "LABEL", "SUBMITTED", "PROGRESS", "OUTPUT", "OUTCOME", "MAIL_TO_USER", "MAIL_TO_ADMIN"),
    *("CANCELLED", "DELETED", "PENDING", "ASYNC_OUTPUT", "ASYNC_FAILURE"),
)


@pytest.mark.parametrize("name", KEYS)
def test_every_key_of_the_job_folder_is_explained(name: str) -> None:
    keys = " ".join(row["Key"] for row in tables(section("The job folder"))[0])
    assert getattr(job_folder, name) in keys


def test_every_diagram_is_shown() -> None:
    shown = {link.text for link in ARCHITECTURE.links if link.text.startswith("images/")}
    assert shown == {f"images/{name}.svg" for name in DIAGRAMS}


def test_it_counts_the_calls_of_the_api() -> None:
    assert sum(map(len, ROUTES.values())) == 8
    assert "eight calls below `/api/`" in ARCHITECTURE.text


@pytest.mark.parametrize(("heading", "page"), [("Jobs a day", "scaling.md"), ("Seconds from … to …", "measured.md")])
def test_its_figures_are_those_of_the_page_that_they_are_from(heading: str, page: str) -> None:
    ours = next(table for table in tables(section("Scaling")) if heading in table[0])
    theirs = [row for table in tables((ROOT / "docs" / page).read_text()) if heading in table[0] for row in table]
    assert len(ours) >= 4
    assert [row for row in ours if not any(row.items() <= other.items() for other in theirs)] == []


def test_figures_in_its_sentences_are_those_of_the_page_too() -> None:
    theirs = " ".join((ROOT / "docs" / "scaling.md").read_text().split())
    ours = " ".join(ARCHITECTURE.text.split())
    for figure in ("0.65 USD of instance", "1,876 USD a month", "7.66 USD", "5.80", "0.0078", "from 9.1 min"):
        assert figure.removeprefix("from ") in theirs
        assert figure in ours
