"""`gen3d destroy` in trouble: what cannot go, what others are at, what nobody knows of; in a cloud on this machine."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.deploy.account import Account
from infra.destroy.destruction import destroy, look_again, plan
from infra.destroy.inventory import take_inventory
from infra.local.cloud import Cloud
from infra.stacks import Stack
from serve.errors import Gen3DError

Told = tuple[int, str, str]
QUEUE = {"Type": "AWS::SQS::Queue"}


def test_a_stack_that_keeps_something_says_what_and_how_to_go_on(
    cloud: Cloud,
    account: Account,
    make_stack: Callable[..., None],
    put_image: Callable[[str], None],
    gen3d: Callable[..., Told],
) -> None:
    make_stack(
        "Gen3D-keeping-endpoint", Full={"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "full"}}
    )
    make_stack("Gen3D-keeping-foundation", Queue=QUEUE)
    put_image("full")
    status, said, told = gen3d("destroy", "--stage", "keeping", "--yes")
    assert status == 1
    assert "destroy_failed: The stack Gen3D-keeping-endpoint keeps Full (AWS::ECR::Repository full): " in told
    assert "delete-stack --region eu-central-1 --stack-name Gen3D-keeping-endpoint --retain-resources Full" in told
    assert "To go on: gen3d destroy --stage keeping --region eu-central-1" in told
    (stack, foundation) = plan(account, "keeping").stacks
    assert (stack.status, foundation.status) == ("DELETE_FAILED", "CREATE_COMPLETE")
    cloud.client("ecr").batch_delete_image(repositoryName="full", imageIds=[{"imageTag": "preview"}])
    status, said, told = gen3d("destroy", "--stage", "keeping", "--yes")
    assert status == 0, said + told
    assert "gone  stack Gen3D-keeping-endpoint" in said


def test_a_protected_stack_is_left_alone_with_all_others(
    cloud: Cloud, account: Account, make_stack: Callable[..., None], gen3d: Callable[..., Told]
) -> None:
    make_stack("Gen3D-safe-endpoint", Queue=QUEUE)
    make_stack("Gen3D-safe-foundation", Queue=QUEUE)
    cloudformation = cloud.client("cloudformation")
    protect = cloudformation.update_termination_protection
    protect(StackName="Gen3D-safe-foundation", EnableTerminationProtection=True)
    status, _, told = gen3d("destroy", "--stage", "safe", "--yes")
    assert status == 1
    assert "destroy_failed: The stack Gen3D-safe-foundation is protected against deletion" in told
    protect(StackName="Gen3D-safe-foundation", EnableTerminationProtection=False)
    assert len(plan(account, "safe").stacks) == 2


def test_what_a_failed_deployment_has_left_goes_too(
    cloud: Cloud, account: Account, make_stack: Callable[..., None], gen3d: Callable[..., Told]
) -> None:
    bad = {"Type": "AWS::SageMaker::Endpoint", "Properties": {"EndpointName": "e", "EndpointConfigName": "none"}}
    with pytest.raises(Gen3DError, match="ROLLBACK_COMPLETE"):
        make_stack("Gen3D-failed-endpoint", Bad=bad)
    cloud.client("cloudformation").create_change_set(
        StackName="Gen3D-failed-foundation",
        ChangeSetName="never-carried-out",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": {"Queue": QUEUE}}),
    )
    statuses = [stack.status for stack in plan(account, "failed").stacks]
    assert statuses == ["ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"]
    status, said, told = gen3d("destroy", "--stage", "failed", "--yes")
    assert status == 0, said + told
    assert take_inventory(account, "failed").things == ()


def test_a_build_under_way_is_stopped(cloud: Cloud, account: Account, make_stack: Callable[..., None]) -> None:
    stopped = []

    class CodeBuild:
        """Has a build under way, which no cloud on this machine ever has, and one that is done."""

        def list_builds_for_project(self, **_: str) -> dict[str, Any]:
            return {"ids": ["b:2", "b:1"]}

        def batch_get_builds(self, ids: list[str]) -> dict[str, Any]:
            return {
                "builds": [
                    {"id": each, "buildStatus": s} for each, s in zip(ids, ("IN_PROGRESS", "SUCCEEDED"), strict=True)
                ]
            }

        def stop_build(self, **given: str) -> None:
            stopped.append(given["id"])

        def can_paginate(self, _: str) -> bool:
            return False

        def list_projects(self) -> dict[str, Any]:
            return {"projects": ["Gen3D-building-image", "Other"]}

    def client(service: str) -> Any:
        return CodeBuild() if service == "codebuild" else account.client(service)

    make_stack("Gen3D-building-foundation", Queue=QUEUE)
    played = Account(account.number, account.region, account.identity, client)
    destroy(played, plan(played, "building"), with_data=False, tell=lambda _: None)
    assert stopped == ["b:2"]


def test_what_no_stack_has_is_found_by_its_name(cloud: Cloud, account: Account, gen3d: Callable[..., Told]) -> None:
    sqs = cloud.client("sqs")
    address = sqs.create_queue(QueueName="Gen3D-lost-ImageUploaded")["QueueUrl"]
    status, said, told = gen3d("destroy", "--stage", "lost", "--yes")
    assert status == 1
    assert f"LEFT  queue {address}" in said
    assert "1 thing should be gone and may cost" in told
    sqs.delete_queue(QueueUrl=address)


def test_another_who_changes_a_stack_is_waited_for(
    account: Account, make_stack: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_stack("Gen3D-busy-foundation", Queue=QUEUE)
    statuses = ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]

    class Busy:
        """CloudFormation, while somebody's update fails."""

        def __init__(self, own: Any) -> None:
            self._own = own

        def __getattr__(self, name: str) -> Any:
            return getattr(self._own, name)

        def describe_stacks(self, **given: str) -> Any:
            found = self._own.describe_stacks(**given)
            if is_asked and statuses:
                found["Stacks"][0]["StackStatus"] = statuses.pop(0)
            return found

        def delete_stack(self, **given: str) -> Any:
            assert not statuses
            return self._own.delete_stack(**given)

    is_asked = False
    busy = Account(
        account.number,
        account.region,
        account.identity,
        lambda service: Busy(account.client(service)) if service == "cloudformation" else account.client(service),
    )
    planned = plan(busy, "busy")
    is_asked = True
    monkeypatch.setattr("infra.destroy.destruction._LOOK_SECONDS", 0)
    told: list[str] = []
    destroy(busy, planned, with_data=False, tell=told.append)
    assert told[0] == "Gen3D-busy-foundation: waiting for what is under way (UPDATE_IN_PROGRESS)"
    assert Stack(account.client("cloudformation"), "Gen3D-busy-foundation", told.append).find() is None


def test_what_is_listed_for_a_while_after_its_deletion_is_waited_for(
    cloud: Cloud, account: Account, make_stack: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_stack("Gen3D-slow-foundation", Queue=QUEUE)
    address = cloud.client("sqs").create_queue(QueueName="Gen3D-slow-ImageUploaded")["QueueUrl"]
    planned = plan(account, "slow")
    destroy(account, planned, with_data=False, tell=lambda _: None)
    monkeypatch.setattr("infra.destroy.destruction._LOOK_SECONDS", 0)
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        cloud.client("sqs").delete_queue(QueueUrl=address)

    remains = look_again(account, "slow", planned, with_data=False, tell=tell)
    assert told == [f"slow: still listed, which may be about to end: queue {address}"]
    assert remains.left == ()
    assert address in {thing.name for thing in remains.gone}
