"""A stage is deployed, again, changed, broken off, and found anew after it was destroyed; in a local cloud."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from infra.deploy.run import STEPS, carry_out, plan
from infra.deploy.stack_steps import EndpointStep
from infra.deploy.step import Deployment
from infra.lambda_codes import lambda_codes
from infra.stacks import Stack
from serve.errors import Gen3DError
from tests.infra.deploy.conftest import Deploy, Done
from tests.infra.deploy.played import PlayedAccount, git, meanwhile

STACKS = ("foundation", "service", "endpoint")


@pytest.fixture(scope="module", autouse=True)
def first(played: PlayedAccount, deployment: Callable[..., Deployment], deploy: Deploy) -> Done:
    """The stage is there; the image's first build failed."""
    played.broken_builds = 1
    with pytest.raises(Gen3DError, match=r"The step image failed: .* FAILED in BUILD: exit status 1"):
        carry_out(deployment())
    return deploy()


def changed_at(played: PlayedAccount) -> dict[str, object]:
    """When each stack was changed last."""
    cloudformation = played.cloud.client("cloudformation")
    stacks = [cloudformation.describe_stacks(StackName=f"Gen3D-local-{name}")["Stacks"][0] for name in STACKS]
    return {each["StackName"]: each.get("LastUpdatedTime", each["CreationTime"]) for each in stacks}


@contextmanager
def watched_api(played: PlayedAccount, deployment: Deployment) -> Iterator[list[int]]:
    """The statuses that the API answers with meanwhile, to somebody without a token."""
    host = deployment.outputs["HttpApiUrl"].removeprefix("http://")
    statuses: list[int] = []

    def ask(http: httpx.Client) -> None:
        statuses.append(http.get(f"{played.cloud.address}/api/jobs", headers={"host": host}).status_code)

    with meanwhile(ask, pause=0.02):
        yield statuses


def test_broken_off_it_goes_on_where_it_was(first: Done) -> None:
    planned, told = first
    assert [name for name, changes in planned.items() if changes] == ["image", "service", "endpoint", "page"]
    assert "foundation: unchanged" in told
    assert "image: done" in told


def test_what_a_cloud_cannot_play_is_said(first: Done) -> None:
    _, told = first
    assert "smoke test: skipped: this cloud has no sagemaker-runtime" in told
    assert "page: the invalidation is skipped: this cloud has no cloudfront" in told


def test_all_of_it_is_there(played: PlayedAccount, deployment: Callable[..., Deployment]) -> None:
    found = deployment()
    s3 = played.cloud.client("s3")
    keys = {each["Key"] for each in s3.list_objects_v2(Bucket=found.outputs["BucketName"])["Contents"]}
    assert {"PUBLIC/index.html", "PUBLIC/config.json", f"source/gen3d-{found.commit[:16]}.zip"} <= keys
    assert sum(key.startswith("code/") for key in keys) == 4
    endpoint = played.cloud.client("sagemaker").describe_endpoint(EndpointName="Gen3D-local")
    assert endpoint["EndpointStatus"] == "InService"
    with watched_api(played, found) as statuses:
        time.sleep(0.2)
    assert set(statuses) == {401}


def test_a_second_time_nothing_changes(played: PlayedAccount, deploy: Deploy) -> None:
    before = changed_at(played)
    planned, told = deploy()
    assert not any(planned.values())
    assert [line for line in told if "skipped" not in line] == [
        f"{step.name}: unchanged" for step in STEPS if step.name != "smoke test"
    ]
    assert changed_at(played) == before


def test_a_changed_parameter_changes_what_it_is_for_and_the_api_stays(
    played: PlayedAccount, deployment: Callable[..., Deployment], deploy: Deploy
) -> None:
    before = changed_at(played)
    with watched_api(played, deployment()) as statuses:
        planned, _ = deploy(parameters={"MaxOpenJobs": "7"})
    assert any("modify Jobs (Lambda::Function" in line for line in planned["service"])
    assert [name for name, changes in planned.items() if changes] == ["service"]
    jobs = played.cloud.client("lambda").get_function_configuration(FunctionName="Gen3D-local-jobs")
    assert "7" in jobs["Environment"]["Variables"].values()
    assert len(statuses) > 5
    assert set(statuses) == {401}
    assert {name for name, when in changed_at(played).items() if when != before[name]} == {"Gen3D-local-service"}


def test_what_is_not_given_stays_as_the_stage_has_it(deployment: Callable[..., Deployment], deploy: Deploy) -> None:
    deploy(parameters={"PhotoDays": "30"})
    planned, _ = deploy(engine=None)
    assert not any(planned.values())
    assert deployment().before["foundation"]["PhotoDays"] == "30"
    assert deployment(engine=None).engine == "preview"


def test_a_new_commit_has_a_new_image_and_a_new_instance(repository: Path, deploy: Deploy) -> None:
    (repository / "buildspec.yml").write_text("version: 0.2\n# Two\n")
    git(repository, "commit", "--quiet", "--all", "--message", "Two")
    planned, _ = deploy()
    assert "start a new instance, and end the old one once that serves" in planned["endpoint"]
    assert [name for name, changes in planned.items() if changes] == ["sources", "image", "endpoint", "prune"]


def keys(played: PlayedAccount, deployment: Deployment, prefix: str) -> list[str]:
    found = played.cloud.client("s3").list_objects_v2(Bucket=deployment.outputs["BucketName"], Prefix=prefix)
    return [each["Key"] for each in found.get("Contents", ())]


def test_of_earlier_commits_nothing_stays_in_the_bucket_but_jobs(
    played: PlayedAccount, repository: Path, deployment: Callable[..., Deployment], deploy: Deploy
) -> None:
    found, s3 = deployment(), played.cloud.client("s3")
    for key in ("code/jobs-0123456789ab.zip", "weights/0123456789ab/manifest.json", "users/a/jobs/1/image"):
        s3.put_object(Bucket=found.outputs["BucketName"], Key=key, Body=b"old")
    (repository / "buildspec.yml").write_text("version: 0.2\n# Pruned\n")
    git(repository, "commit", "--quiet", "--all", "--message", "Pruned")
    time.sleep(1)  # S3 counts in seconds
    for key in lambda_codes():  # as if they had changed too
        s3.put_object(Bucket=found.outputs["BucketName"], Key=key, Body=lambda_codes()[key])
    planned, _ = deploy()
    assert planned["prune"] == [
        "delete 1 of code/, which this commit does not use (3 bytes)",
        f"delete 1 of source/, which this commit does not use ({planned['prune'][1].rpartition('(')[2]}",
    ]
    after = deployment()
    assert keys(played, after, "source/") == [f"source/gen3d-{after.commit[:16]}.zip"]
    assert sorted(keys(played, after, "code/")) == sorted(lambda_codes())
    assert keys(played, after, "users/") == ["users/a/jobs/1/image"]
    # The engine preview has none of its own, so nobody knows whether others are to be had again.
    assert keys(played, after, "weights/") == ["weights/0123456789ab/manifest.json"]


def test_a_template_that_takes_a_new_output_can_be_deployed(deployment: Callable[..., Deployment]) -> None:
    found = deployment()
    del found.outputs["JobFinishedUrl"]  # as if the foundation were of an earlier commit
    planned = plan(found)
    assert planned["service"] == [
        "change the stack Gen3D-local-service: how, is known when the stack foundation is changed"
    ]
    assert planned["endpoint"] == []


def test_the_image_may_be_built_here(
    played: PlayedAccount, repository: Path, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "buildspec.yml").write_text("version: 0.2\n# Local\n")
    git(repository, "commit", "--quiet", "--all", "--message", "Local")
    commit, builds, done = git(repository, "rev-parse", "HEAD"), len(played.builds), []
    monkeypatch.setattr("infra.deploy.image.find_docker", lambda: "docker")
    monkeypatch.setattr("infra.deploy.image.build_image", lambda *given: done.append(given[1:4]))

    def push(_: object, *given: object) -> None:
        done.append(given[:4])
        played.push({"GEN3D_REVISION": commit, "GEN3D_TARGETS": "preview"})

    monkeypatch.setattr("infra.deploy.image.push_image", push)
    deploy(image="local")
    uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gen3d-local"
    assert done == [(repository, "preview", "gen3d:preview"), (repository, "gen3d:preview", "preview", uri)]
    assert len(played.builds) == builds


def test_the_image_may_be_kept(repository: Path, deploy: Deploy) -> None:
    (repository / "buildspec.yml").write_text("version: 0.2\n# Three\n")
    git(repository, "commit", "--quiet", "--all", "--message", "Three")
    planned, _ = deploy(image="keep")
    assert not planned["image"]
    assert not planned["endpoint"]


def endpoint_events(played: PlayedAccount) -> list[tuple[str, str]]:
    """Which resource came to which status, oldest first."""
    cloudformation = played.cloud.client("cloudformation")
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName="Gen3D-local-endpoint")
    return [(each["LogicalResourceId"], each["ResourceStatus"]) for page in pages for each in page["StackEvents"]][::-1]


def test_for_another_instance_type_scaling_is_off_for_a_while(
    played: PlayedAccount, deployment: Callable[..., Deployment], deploy: Deploy
) -> None:
    before = len(endpoint_events(played))
    _, told = deploy(parameters={"InstanceType": "ml.m5.xlarge"})
    events = endpoint_events(played)[before:]
    # This cloud tells of no deletions, but of all that is in the stack.
    end = events.index(("Gen3D-local-endpoint", "UPDATE_COMPLETE"))
    assert "ScalableTarget" not in dict(events[:end])
    assert "ScalableTarget" in dict(events[end:])
    assert "Gen3D-local-endpoint: scaling is taken off first, for AWS refuses other types while it is on" in told
    found = deployment().before["endpoint"]
    assert (found["InstanceType"], found["Scaling"]) == ("ml.m5.xlarge", "on")


def test_where_the_other_type_is_refused_scaling_is_on_again(
    deployment: Callable[..., Deployment], deploy: Deploy
) -> None:
    deploy()
    before = deployment().before["endpoint"]
    with pytest.raises(Gen3DError, match=r"The step endpoint failed: .* UPDATE_ROLLBACK_COMPLETE: .*ml\.no\.such"):
        deploy(parameters={"InstanceType": "ml.no.such"})
    assert deployment().before["endpoint"] == before
    planned, _ = deploy()
    assert not any(planned.values())


def test_broken_off_while_scaling_is_off_it_says_what_that_costs(
    deployment: Callable[..., Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_off(*_: object) -> None:
        raise KeyboardInterrupt

    told: list[str] = []
    monkeypatch.setattr(Stack, "set_parameters", lambda *_: None)
    monkeypatch.setattr(Stack, "deploy", broken_off)
    with pytest.raises(KeyboardInterrupt):
        EndpointStep(deployment(told, parameters={"InstanceType": "ml.m5.4xlarge"})).do()
    assert told[-1].endswith("until the same command has succeeded, an instance runs, and costs")


def test_where_scaling_cannot_be_on_again_both_is_said(
    deploy: Deploy, deployment: Callable[..., Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_parameters = Stack.set_parameters

    def only_off(stack: Stack, parameters: dict[str, str]) -> None:
        if parameters["Scaling"] == "on":
            raise Gen3DError("deployment_failed", "CloudFormation could not take a change back.")
        set_parameters(stack, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(Stack, "set_parameters", only_off)
        with pytest.raises(Gen3DError, match=r"ml\.no\.such.* runs, and costs, until the same command has succeeded"):
            deploy(parameters={"InstanceType": "ml.no.such"})
    assert deployment().before["endpoint"]["Scaling"] == "off"
    # With a type that there is; this cloud's change sets do not see what comes by a condition alone.
    deploy(parameters={"InstanceType": "ml.m5.2xlarge"})
    assert deployment().before["endpoint"]["Scaling"] == "on"


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        ("MaxJobs", "1", "no such parameter"),
        ("ContentHash", "0123456789ab", "works it out"),
        ("PageUrl", "https://example.com/", "works it out"),
        ("MaxInstances", "many", "it is a number from 1 to 100"),
        ("MaxInstances", "0", "it is a number from 1 to 100"),
        ("LogDays", "2", "it is one of 1, 3, 5"),
        ("SenderEmail", "nobody", "SES must have verified the address"),
    ],
)
def test_a_parameter_that_the_templates_do_not_take_is_refused_beforehand(
    deployment: Callable[..., Deployment], parameter: str, value: str, reason: str
) -> None:
    with pytest.raises(Gen3DError, match=f"The parameter {parameter}={value}: .*{reason}") as told:
        deployment(parameters={parameter: value}).check_parameters()
    assert told.value.code == "deployment_blocked"


def test_a_destroyed_stages_bucket_and_users_are_adopted(
    played: PlayedAccount, deployment: Callable[..., Deployment], deploy: Deploy
) -> None:
    before = deployment()
    cognito, pool = played.cloud.client("cognito-idp"), before.outputs["UserPoolId"]
    cognito.admin_create_user(UserPoolId=pool, Username="ada@example.com", MessageAction="SUPPRESS")
    for name in ("endpoint", "service", "foundation"):
        before.stack(name).delete()
    planned, told = deploy()
    assert planned["foundation"][:2] == [
        f"adopt the Bucket {before.outputs['BucketName']}",
        f"adopt the UserPool {pool}",
    ]
    assert "Gen3D-local-foundation: adopting Bucket, UserPool" in told
    assert deployment().outputs["UserPoolId"] == pool
    assert [each["Username"] for each in cognito.list_users(UserPoolId=pool)["Users"]] != []
    assert not any(plan(deployment()).values())
