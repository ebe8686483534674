"""A photo goes through the stage local as it would through one in AWS, and leaves nothing behind."""

from collections.abc import Callable, Iterator

import pytest

from infra.deploy.smoke import SmokeStep, smoke_test
from infra.deploy.step import Deployment
from infra.local.stage import Stage, running_stage
from infra.operator.stage import DeployedStage
from serve.errors import Gen3DError
from tests.infra.deploy.conftest import Deploy
from tests.infra.deploy.played import MISSING, PlayedAccount


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One of its own, for it is deployed to."""
    with running_stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest.fixture(scope="module")
def played(stage: Stage) -> PlayedAccount:
    """The cloud of that stage, whose endpoint works."""
    return PlayedAccount(stage.cloud, missing=MISSING - {"sagemaker-runtime"})


@pytest.fixture
def deployed(stage: Stage) -> DeployedStage:
    """The stage local, taken for one in AWS."""
    return DeployedStage("trial", {**stage.outputs, "PageUrl": f"{stage.page}/"}, stage.cloud.client, None)


def simulated(stage: Stage) -> list[str]:
    users = stage.cloud.client("cognito-idp").list_users(UserPoolId=stage.outputs["UserPoolId"])["Users"]
    emails = [each["Value"] for user in users for each in user["Attributes"] if each["Name"] == "email"]
    return [email for email in emails if email.endswith("@simulator.amazonses.com")]


def test_a_mesh_comes_out_and_user_and_job_are_gone(stage: Stage, deployed: DeployedStage) -> None:
    told: list[str] = []
    assert smoke_test(deployed, told.append) > 0
    assert told[0].startswith("smoke test: job ")
    assert simulated(stage) == []
    job = told[0].split()[-1]
    left = stage.cloud.client("s3").list_objects_v2(Bucket=stage.outputs["BucketName"], Prefix="users/")
    names = [each["Key"].rpartition("/")[2] for each in left.get("Contents", ()) if job in each["Key"]]
    # The record of a mail that went out meanwhile may come after the deletion.
    assert [name for name in names if not name.startswith("mail-")] in ([], ["deleted.json"])


def test_where_no_mesh_comes_out_it_says_why(
    stage: Stage, deployed: DeployedStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.deploy.smoke._BOX", [5000, 5000, 5400, 5400])
    with pytest.raises(Gen3DError, match=r"smoke test's job ended as failed: .*outside"):
        smoke_test(deployed, lambda _: None)
    assert simulated(stage) == []


def test_a_job_that_never_ends_is_not_waited_for_for_ever(
    stage: Stage, deployed: DeployedStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.deploy.smoke.PATIENCE_SECONDS", 0)
    with pytest.raises(Gen3DError, match="has not ended after 0 minutes"):
        smoke_test(deployed, lambda _: None)
    assert simulated(stage) == []


def test_each_deployment_that_changes_something_is_tried_out(
    deploy: Deploy, deployment: Callable[..., Deployment]
) -> None:
    planned, told = deploy()
    assert planned["smoke test"] == [SmokeStep.LINE]
    assert "smoke test: done" in told
    planned, told = deploy()
    assert not any(planned.values())
    assert "smoke test: unchanged" in told
    _, told = deploy(parameters={"MaxOpenJobs": "9"}, with_smoke_test=False)
    assert "smoke test: unchanged" in told
    assert SmokeStep(deployment()).plan() == [SmokeStep.LINE]
    _, told = deploy()
    assert any(line.startswith("smoke test: job ") for line in told)
