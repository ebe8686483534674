"""A build is begun, or found under way, told of, and says why it failed."""

import re
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

import infra.deploy.builds
from infra.deploy.builds import run_build
from infra.templates import read_template
from serve.errors import Gen3DError
from tests.conftest import ROOT

SOURCE = "bucket/source/gen3d.zip"
STARTED = {
    "projectName": "Gen3D-prod-image",
    "sourceLocationOverride": SOURCE,
    "environmentVariablesOverride": [{"name": "GEN3D_TARGETS", "value": "sam3d", "type": "PLAINTEXT"}],
}
RECENT = {"projectName": "Gen3D-prod-image", "sortOrder": "DESCENDING"}


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infra.deploy.builds, "_LOOK_SECONDS", 0)


@pytest.fixture
def codebuild() -> Any:
    return boto3.client("codebuild", region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test")


def build(status: str, phase: str, **more: Any) -> dict[str, Any]:
    return {"id": "image:1", "buildStatus": status, "currentPhase": phase, **more}


def run(codebuild: Any) -> list[str]:
    told: list[str] = []
    run_build(codebuild, "Gen3D-prod-image", SOURCE, {"GEN3D_TARGETS": "sam3d"}, told.append)
    return told


def test_it_is_followed_through_its_phases(codebuild: Any) -> None:
    with Stubber(codebuild) as stubber:
        stubber.add_response("list_builds_for_project", {}, RECENT)
        stubber.add_response("start_build", {"build": build("IN_PROGRESS", "QUEUED")}, STARTED)
        for status, phase in (("IN_PROGRESS", "INSTALL"), ("IN_PROGRESS", "BUILD"), ("SUCCEEDED", "COMPLETED")):
            stubber.add_response("batch_get_builds", {"builds": [build(status, phase)]}, {"ids": ["image:1"]})
        told = run(codebuild)
    assert told == ["Gen3D-prod-image: build image:1 begins"] + [
        f"Gen3D-prod-image: {phase}" for phase in ("QUEUED", "INSTALL", "BUILD", "COMPLETED")
    ]


def test_the_same_one_under_way_is_followed_and_no_second_begun(codebuild: Any) -> None:
    same = {
        "source": {"type": "S3", "location": SOURCE},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "standard",
            "computeType": "BUILD_GENERAL1_LARGE",
            "environmentVariables": [{"name": "GEN3D_TARGETS", "value": "sam3d", "type": "PLAINTEXT"}],
        },
    }
    with Stubber(codebuild) as stubber:
        stubber.add_response("list_builds_for_project", {"ids": ["image:1"]}, RECENT)
        stubber.add_response("batch_get_builds", {"builds": [build("IN_PROGRESS", "BUILD", **same)]})
        stubber.add_response("batch_get_builds", {"builds": [build("SUCCEEDED", "COMPLETED")]})
        assert run(codebuild)[0] == "Gen3D-prod-image: build image:1 is under way already"


def test_one_of_another_source_is_not_the_same(codebuild: Any) -> None:
    other = {"source": {"type": "S3", "location": "bucket/source/other.zip"}}
    with Stubber(codebuild) as stubber:
        stubber.add_response("list_builds_for_project", {"ids": ["image:0"]}, RECENT)
        stubber.add_response("batch_get_builds", {"builds": [build("IN_PROGRESS", "BUILD", **other)]})
        stubber.add_response("start_build", {"build": build("SUCCEEDED", "COMPLETED")}, STARTED)
        assert "begins" in run(codebuild)[0]


def test_a_failure_names_phase_reason_and_log(codebuild: Any) -> None:
    phases = [
        {"phaseType": "INSTALL", "phaseStatus": "SUCCEEDED"},
        {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{"message": "exit status 7"}]},
        {"phaseType": "COMPLETED"},
    ]
    failed = build("FAILED", "COMPLETED", phases=phases, logs={"groupName": "/aws/codebuild/x", "streamName": "abc"})
    with Stubber(codebuild) as stubber:
        stubber.add_response("list_builds_for_project", {}, RECENT)
        stubber.add_response("start_build", {"build": failed}, STARTED)
        with pytest.raises(
            Gen3DError,
            match=r"ended as FAILED in BUILD: exit status 7\. .*/aws/codebuild/x --region eu-central-1 .* abc",
        ):
            run(codebuild)


def test_a_quota_that_is_used_up_is_told_in_codebuilds_words(codebuild: Any) -> None:
    words = "Cannot have more than 0 builds in queue for the account"
    with Stubber(codebuild) as stubber:
        stubber.add_response("list_builds_for_project", {}, RECENT)
        stubber.add_client_error("start_build", "AccountLimitExceededException", words)
        with pytest.raises(Gen3DError, match=words):
            run(codebuild)


def test_in_aws_the_image_has_the_base_of_the_dockerfile_from_a_registry_without_docker_hubs_limits() -> None:
    environment = read_template("foundation")["Resources"]["ImageBuild"]["Properties"]["Environment"]
    variables = {each["Name"]: each["Value"] for each in environment["EnvironmentVariables"]}
    (base,) = re.findall(r"^ARG BASE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert variables["IMAGE_BUILD_FLAGS"] == f"--build-arg BASE=public.ecr.aws/docker/library/{base}"
