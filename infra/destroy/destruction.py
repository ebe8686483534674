"""Taking a stage down: what goes and what stays, doing it in order, and looking whether it is gone.

The endpoint goes first, for it costs by the hour; the foundation last, for the others stand on it.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.deploy.account import Account
from infra.destroy.data import Data, delete_data, measure
from infra.destroy.inventory import BUCKET, BUILDS, POOL, Inventory, Thing, take_inventory
from infra.operator.stage import aws_errors
from infra.stacks import Stack
from infra.templates import Name
from serve.errors import Gen3DError

ORDER: Final[tuple[Name, ...]] = ("endpoint", "service", "foundation")
# In these CloudFormation takes no deletion, or would stop in the midst of putting things back.
_TO_BE_AWAITED: Final = ("UPDATE_", "ROLLBACK_", "IMPORT_")
_LOOK_SECONDS: Final = 5.0
_TELL_SECONDS: Final = 15.0
# SQS lists a queue for up to a minute after it was deleted, and others are no quicker:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
_PATIENCE_SECONDS: Final = 120.0
_RECENT_BUILDS: Final = 20


@dataclass(frozen=True)
class Doomed:
    """A stack that is there.

    Attributes:
        part: Which of the three.
        name: What it is called.
        status: CloudFormation's word.
        resources: How many it has.
        is_protected: Whether CloudFormation refuses to delete it.
        sender: The address that SES forgets with it; empty where SES knew that before, and keeps it.
    """

    part: Name
    name: str
    status: str
    resources: int
    is_protected: bool
    sender: str


@dataclass(frozen=True)
class Plan:
    """What there is of a stage.

    Attributes:
        stacks: Those that are there, in the order in which they go.
        data: What their templates retain.
        inventory: All that is called after the stage.
    """

    stacks: tuple[Doomed, ...]
    data: Data
    inventory: Inventory


@dataclass(frozen=True)
class Remains:
    """What is to be said of each thing afterwards.

    Attributes:
        gone: Was there, and is not.
        kept: Is there, and is to be.
        left: Is there, and should not be.
        unseen: The kinds that were not looked for.
    """

    gone: tuple[Thing, ...]
    kept: tuple[Thing, ...]
    left: tuple[Thing, ...]
    unseen: tuple[str, ...]


def plan(account: Account, stage: str) -> Plan:
    """What there is of a stage; nothing is changed.

    Raises:
        Gen3DError: `destroy_failed`: a stack is protected; `aws_unusable` or `aws_unreachable`.
    """
    with aws_errors():
        inventory = take_inventory(account, stage)
        cloudformation = account.client("cloudformation")
        stacks = tuple(
            found for part in ORDER if (found := _find(cloudformation, part, f"Gen3D-{stage}-{part}")) is not None
        )
        data = measure(account, stage, inventory)
    for stack in stacks:
        if stack.is_protected:
            raise Gen3DError(
                "destroy_failed",
                f"The stack {stack.name} is protected against deletion, so nothing was changed. Who may lift that does"
                f" it by: aws cloudformation update-termination-protection --region {account.region}"
                f" --no-enable-termination-protection --stack-name {stack.name}",
            )
    return Plan(stacks, data, inventory)


def destroy(account: Account, planned: Plan, *, with_data: bool, tell: Callable[[str], None]) -> None:
    """Deletes the stacks, one after the other, then the data if so wanted. Done again, it goes on.

    Args:
        account: Where.
        planned: What `plan` has found.
        with_data: Whether bucket and users go too, for good.
        tell: Is told what is under way, in one line.

    Raises:
        Gen3DError: `destroy_failed`: a stack kept a resource, or the bucket could not be emptied; `aws_unusable` or
            `aws_unreachable`. What is gone stays gone.
    """
    cloudformation = account.client("cloudformation")
    with aws_errors():
        for doomed in planned.stacks:
            if doomed.part == "foundation":
                _stop_builds(account, planned.inventory.names(BUILDS), tell)
            _await_others(cloudformation, doomed.name, tell)
            tell(f"{doomed.name}: deleting it")
            try:
                Stack(cloudformation, doomed.name, tell).delete()
            except Gen3DError as error:
                raise _failure(cloudformation, doomed.name, account.region, error) from None
            tell(f"{doomed.name}: deleted")
        if with_data:
            delete_data(account, planned.data, tell)


def look_again(account: Account, stage: str, planned: Plan, *, with_data: bool, tell: Callable[[str], None]) -> Remains:
    """What is gone, and what is not; where something was deleted just now, listings are given time to say so.

    Args:
        account: Where.
        stage: Its name.
        planned: What `plan` has found.
        with_data: Whether bucket and users were to go too.
        tell: Is told what is under way, in one line.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`.
    """
    is_deleted_just_now = bool(planned.stacks) or with_data
    patience = time.monotonic() + (_PATIENCE_SECONDS if is_deleted_just_now else 0)
    while True:
        remains = _look(account, stage, planned, with_data=with_data)
        if not remains.left or time.monotonic() > patience:
            return remains
        tell(f"{stage}: still listed, which may be about to end: {', '.join(map(str, remains.left))}")
        time.sleep(_LOOK_SECONDS)


def _look(account: Account, stage: str, planned: Plan, *, with_data: bool) -> Remains:
    with aws_errors():
        now = take_inventory(account, stage)
    data: Iterable[Thing] = ()
    if not with_data:
        pools = [Thing(POOL, pool.id) for pool in planned.data.pools]
        data = pools if planned.data.bucket is None else [Thing(BUCKET, planned.data.bucket.name), *pools]
    kept = tuple(thing for thing in now.things if thing in data)
    return Remains(
        gone=tuple(thing for thing in planned.inventory.things if thing not in now.things),
        kept=kept,
        left=tuple(thing for thing in now.things if thing not in kept),
        unseen=now.unseen,
    )


def _find(cloudformation: Any, part: Name, name: str) -> Doomed | None:
    """A stack, also one that was only planned: it would be in the inventory for ever."""
    try:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":  # its word for a stack that is not there
            raise
        return None
    there = [each for each in _resources(cloudformation, name) if each["ResourceStatus"] != "DELETE_COMPLETE"]
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", ())}
    sender = parameters.get("SenderEmail", "") if parameters.get("SenderIdentity") == "make" else ""
    return Doomed(part, name, found["StackStatus"], len(there), bool(found.get("EnableTerminationProtection")), sender)


def _resources(cloudformation: Any, name: str) -> list[dict[str, Any]]:
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    return [each for page in pages for each in page["StackResourceSummaries"]]


def _failure(cloudformation: Any, name: str, region: str, error: Gen3DError) -> Gen3DError:
    """Which resources the stack kept, and why; without one, what CloudFormation says of the stack."""
    kept = [each for each in _resources(cloudformation, name) if each["ResourceStatus"] == "DELETE_FAILED"]
    if not kept:
        return Gen3DError("destroy_failed", error.message)
    said = "; ".join(
        f"{each['LogicalResourceId']} ({each['ResourceType']} {each['PhysicalResourceId']}):"
        f" {each.get('ResourceStatusReason', 'no reason was given')}"
        for each in kept
    )
    words = " ".join(each["LogicalResourceId"] for each in kept)
    return Gen3DError(
        "destroy_failed",
        f"The stack {name} keeps {said.rstrip('.')}. Mend that; or leave it behind, to be deleted by hand:"
        f" aws cloudformation delete-stack --region {region} --stack-name {name} --retain-resources {words}",
    )


def _await_others(cloudformation: Any, name: str, tell: Callable[[str], None]) -> None:
    """A deployment that was broken off here goes on in AWS; one that makes the stack is ended by deleting it."""
    told = -_TELL_SECONDS
    while (status := _status(cloudformation, name)).endswith("_IN_PROGRESS") and status.startswith(_TO_BE_AWAITED):
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            tell(f"{name}: waiting for what is under way ({status})")
        time.sleep(_LOOK_SECONDS)


def _status(cloudformation: Any, name: str) -> str:
    try:
        return str(cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        return ""


def _stop_builds(account: Account, projects: list[str], tell: Callable[[str], None]) -> None:
    """A build that is under way would go on without its project, and cost, for up to four hours."""
    if not account.has("codebuild"):
        return
    codebuild = account.client("codebuild")
    for project in projects:
        ids = codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING").get("ids", [])
        recent = ids[:_RECENT_BUILDS]
        for build in codebuild.batch_get_builds(ids=recent)["builds"] if recent else []:
            if build["buildStatus"] == "IN_PROGRESS":
                tell(f"{project}: stopping the build {build['id']}")
                codebuild.stop_build(id=build["id"])
