"""The document of the AWS resources: every resource of the templates, each described once."""

import re
from typing import Any

import pytest

from docs.source import resources
from infra.templates import NAMES, Name, read_template
from lambdas.shared import job_folder
from tests.conftest import ROOT
from tests.docs.documents import Document

DOCUMENT = Document(ROOT / "docs" / "Gen3D - AWS Resources - 1.0.md")
ALL = [(template, name, each) for template in NAMES for name, each in read_template(template)["Resources"].items()]


def test_every_resource_has_a_row() -> None:
    regions = {region.name: region.text for region in DOCUMENT.regions}
    for template, name, resource in ALL:
        assert regions[f"resources-{template}"].count(f"| `{resource['Type']}` `{name}` |") == 1


def test_every_row_says_what_it_is_for() -> None:
    for template in NAMES:
        rows = [line.split(" | ") for line in resources.resources(template).splitlines() if line.startswith("| `AWS")]
        assert all(row[2].strip() for row in rows)


def test_nothing_is_described_that_is_gone() -> None:
    assert resources.PURPOSES.keys() <= {name for _, name, _ in ALL}
    assert resources.KINDS.keys() == {resource["Type"] for _, _, resource in ALL}
    conditions = {resource["Condition"] for _, _, resource in ALL if "Condition" in resource}
    assert resources.CONDITIONS.keys() == conditions


def test_a_new_resource_without_a_purpose_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_another(template: Name) -> dict[str, Any]:
        found = read_template(template)
        found["Resources"]["Another"] = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "another"}}
        return found

    monkeypatch.setattr(resources, "read_template", with_another)
    with pytest.raises(KeyError, match="Another"):
        resources.resources("service")


def test_every_name_that_a_template_gives_is_shown() -> None:
    shown = {code.text for code in DOCUMENT.codes}
    for name in (
        "Gen3D-STAGE-ImageUploaded-Dead",
        "gen3d-STAGE-ACCOUNT-REGION",
        "Gen3D-STAGE-HASH",
        "/gen3d/STAGE/api",
    ):
        assert name in shown
    text = "".join((ROOT / "infra" / f"{template}.yaml").read_text() for template in NAMES)
    given = re.findall(r"Name: !Sub (Gen3D-\$\{Stage\}[\w-]*)$", text, re.MULTILINE)
    assert len(given) > 40
    assert {name.replace("${Stage}", "STAGE") for name in given} <= shown | {"Gen3D-STAGE-"}


def test_every_prefix_that_the_templates_know_is_described() -> None:
    text = "".join((ROOT / "infra" / f"{template}.yaml").read_text() for template in NAMES)
    used = set(re.findall(r"(?:\$\{(?:BucketName|Bucket\.Arn)\}/|Pattern: \^)(\w+)/", text))
    assert used == {name.split("/")[0] for name in resources.PREFIXES}
    keys = {job_folder.ASYNC_OUTPUT, job_folder.ASYNC_FAILURE, job_folder.PENDING}
    assert keys <= resources.PREFIXES.keys()
