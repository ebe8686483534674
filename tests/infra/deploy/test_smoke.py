"""A photo goes through the stage local as it would through one in AWS, and leaves nothing behind."""

import pytest

from infra.deploy.smoke import smoke_test
from infra.local.stage import Stage
from infra.operator.stage import DeployedStage
from serve.errors import Gen3DError


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
    assert set(names) <= {"deleted.json"}


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
