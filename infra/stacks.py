"""One CloudFormation stack: what would change, made or changed by a change set, waited for. Knows no template."""

import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from serve.errors import Gen3DError

# The first is for the local cloud, which needs tenths of a second; the last for AWS, which needs minutes.
_FIRST_LOOK_SECONDS: Final = 0.1
_SELDOMEST_LOOK_SECONDS: Final = 5.0
_TELL_SECONDS: Final = 15.0
_COMPLETE: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
# In these a stack takes no change; it has nothing that is not made anew, for its template retains what is not.
ONLY_TO_DELETE: Final = (
    "CREATE_FAILED",
    "DELETE_FAILED",
    "IMPORT_ROLLBACK_COMPLETE",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
)
# A change set was begun for it and never carried out: there is nothing in it.
_ONLY_PLANNED: Final = "REVIEW_IN_PROGRESS"
# The stack's own events with which something begins; what is older is another story.
_BEGINNINGS: Final = ("CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS", "UPDATE_IN_PROGRESS")
_CAPABILITIES: Final = ["CAPABILITY_NAMED_IAM"]
_NO_CHANGE: Final = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True)
class Change:
    """What would happen to one resource.

    Attributes:
        action: `Add`, `Modify`, `Remove` or `Import`.
        resource: Its name in the template.
        kind: Its type, such as `AWS::S3::Bucket`.
        replacement: `True` where it would be made anew, `Conditional` where that depends, else `False`.
    """

    action: str
    resource: str
    kind: str
    replacement: str

    def __str__(self) -> str:
        made_anew = {"True": ", made anew", "Conditional": ", perhaps made anew"}.get(self.replacement, "")
        return f"{self.action.lower()} {self.resource} ({self.kind.removeprefix('AWS::')}{made_anew})"


class Stack:
    """A stack by its name, whether or not there is one.

    Args:
        cloudformation: A boto3 client.
        name: The stack's name.
        tell: Is told what is under way, in one line.
    """

    def __init__(self, cloudformation: Any, name: str, tell: Callable[[str], None]) -> None:
        self.name = name
        self._cloudformation = cloudformation
        self._tell = tell

    def find(self) -> dict[str, Any] | None:
        """What CloudFormation says of it; None where there is none, or one with nothing in it yet."""
        found = self._describe(self.name)
        return None if found is None or found["StackStatus"] == _ONLY_PLANNED else found

    def wait(self) -> None:
        """Waits while somebody is changing it: a command that was broken off, say, whose change goes on."""
        found = self.find()
        if found and found["StackStatus"].endswith("_IN_PROGRESS"):
            self._tell(f"{self.name}: {found['StackStatus']}; waiting until that has ended")
            self._settled(found["StackId"])

    def outputs(self) -> dict[str, str]:
        """Its outputs by name; none where there is no stack, or one that can only be deleted."""
        found = self.find() or {"StackStatus": ""}
        return {} if found["StackStatus"] in ONLY_TO_DELETE else _outputs(found)

    def parameters(self) -> dict[str, str]:
        """Its parameters as they are, by name; none where there is no stack."""
        return {each["ParameterKey"]: each["ParameterValue"] for each in (self.find() or {}).get("Parameters", ())}

    def changes(self, template: Path, parameters: Mapping[str, str]) -> list[Change]:
        """What `deploy` would change in a stack that is there; nothing is changed.

        Raises:
            Gen3DError: `deployment_failed`: there is no stack, the template or a parameter was refused.
        """
        found = self.find()
        if found is None:
            raise _failed(f"There is no stack {self.name}")
        change_set = self._prepare(found, template.read_text(encoding="utf-8"), parameters, "UPDATE", [])
        if change_set is None:
            return []
        try:
            return [_change(each["ResourceChange"]) for each in change_set["Changes"]]
        finally:
            self._cloudformation.delete_change_set(ChangeSetName=change_set["ChangeSetId"])

    def deploy(self, template: Path, parameters: Mapping[str, str]) -> dict[str, str]:
        """Makes the stack, or changes it to what the template and the parameters say; its outputs.

        A stack whose first creation failed is deleted before.

        Args:
            template: The template.
            parameters: All that are not left at the template's defaults.

        Raises:
            Gen3DError: `deployment_failed`: the template or a parameter was refused, or a resource failed, and then
                CloudFormation has taken back what it had changed; or somebody else is changing the stack.
        """
        found = self._usable()
        body = template.read_text(encoding="utf-8")
        change_set = self._prepare(found, body, parameters, "UPDATE" if found else "CREATE", [])
        if change_set is None:
            self._tell(f"{self.name}: unchanged")
            return _outputs(found or {})
        self._tell(f"{self.name}: {'changing' if found else 'making'} it")
        return self._carry_out(change_set)

    def set_parameters(self, parameters: Mapping[str, str]) -> None:
        """Changes parameters of a stack that is there, and nothing else: its template stays.

        Raises:
            Gen3DError: As `deploy`.
        """
        others = [each for each in self.parameters() if each not in parameters]
        try:
            changed = self._cloudformation.update_stack(
                StackName=self.name,
                UsePreviousTemplate=True,
                Parameters=_as_parameters(parameters)
                + [{"ParameterKey": each, "UsePreviousValue": True} for each in others],
                Capabilities=_CAPABILITIES,
            )
        except ClientError as error:
            message = error.response["Error"]["Message"]
            if _NO_CHANGE[1] in message:
                return
            raise _failed(f"CloudFormation refused the stack {self.name}: {message}") from None
        self._check_settled(changed["StackId"])

    def adopt(self, body: str, parameters: Mapping[str, str], resources: list[dict[str, Any]]) -> None:
        """Makes the stack of resources that are there already, with no stack of their own.

        Args:
            body: A template of these resources alone, each with a deletion policy.
            parameters: Those of the template.
            resources: As CreateChangeSet takes them for an import.

        Raises:
            Gen3DError: As `deploy`.
        """
        found = self._usable()
        change_set = self._prepare(found, body, parameters, "IMPORT", resources)
        if change_set is not None:
            self._tell(f"{self.name}: adopting {', '.join(each['LogicalResourceId'] for each in resources)}")
            self._carry_out(change_set)

    def delete(self) -> None:
        """Deletes the stack where there is one; what its template retains stays.

        Raises:
            Gen3DError: `deployment_failed`.
        """
        found = self._describe(self.name)
        if not found:
            return
        self._cloudformation.delete_stack(StackName=self.name)
        stack = self._settled(found["StackId"])
        if stack["StackStatus"] != "DELETE_COMPLETE":
            raise _failed(f"The stack {self.name} was not deleted: {self._reason(stack)}")

    def _usable(self) -> dict[str, Any] | None:
        """The stack, if it takes changes; where it can only be deleted, that is done."""
        found = self.find()
        if found and found["StackStatus"].endswith("_IN_PROGRESS"):
            raise _failed(
                f"The stack {self.name} is being changed ({found['StackStatus']}). Wait until that has ended; where"
                " nobody does, the cloud was stopped in the midst of it: begin with an empty one"
            )
        if found and found["StackStatus"] in ONLY_TO_DELETE:
            self._tell(f"{self.name}: deleting what an attempt that failed has left ({found['StackStatus']})")
            self.delete()
            return None
        return found

    def _prepare(
        self,
        found: dict[str, Any] | None,
        body: str,
        parameters: Mapping[str, str],
        kind: str,
        imported: list[dict[str, Any]],
    ) -> dict[str, Any] | None:
        """A change set, with all its changes; None where nothing would change."""
        given = {
            "StackName": self.name,
            "ChangeSetName": f"Gen3D-{uuid.uuid4().hex}",
            "ChangeSetType": kind,
            "TemplateBody": body,
            "Parameters": _as_parameters(parameters),
            "Capabilities": _CAPABILITIES,
            **({"ResourcesToImport": imported} if imported else {}),
        }
        try:
            made = self._cloudformation.create_change_set(**given)["Id"]
        except ClientError as error:
            message = error.response["Error"]["Message"]
            if found and _NO_CHANGE[1] in message:
                return None
            raise _failed(f"CloudFormation refused the stack {self.name}: {message}") from None
        for pause in _pauses():
            change_set = self._describe_change_set(made)
            if change_set["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                break
            time.sleep(pause)
        if change_set["Status"] != "CREATE_COMPLETE":
            self._cloudformation.delete_change_set(ChangeSetName=made)
            reason = change_set.get("StatusReason", "no reason was given")
            if found and any(said in reason for said in _NO_CHANGE):
                return None
            raise _failed(f"CloudFormation refused the stack {self.name}: {reason}")
        return change_set

    def _describe_change_set(self, identifier: str) -> dict[str, Any]:
        found: dict[str, Any] = self._cloudformation.describe_change_set(ChangeSetName=identifier)
        page = found
        while "NextToken" in page:
            page = self._cloudformation.describe_change_set(ChangeSetName=identifier, NextToken=page["NextToken"])
            found["Changes"] += page["Changes"]
        return found

    def _carry_out(self, change_set: dict[str, Any]) -> dict[str, str]:
        self._cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
        self._wait_until_begun(change_set["ChangeSetId"])
        return _outputs(self._check_settled(change_set["StackId"], len(change_set["Changes"])))

    def _wait_until_begun(self, identifier: str) -> None:
        """Until then the stack's status is that of the last time."""
        for pause in _pauses():
            try:
                said = self._cloudformation.describe_change_set(ChangeSetName=identifier)["ExecutionStatus"]
            except ClientError as error:
                if error.response["Error"]["Code"] == "ChangeSetNotFound":  # they go when one was carried out
                    return
                raise
            if said not in ("AVAILABLE", "EXECUTE_PENDING"):
                return
            time.sleep(pause)

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        return found

    def _check_settled(self, name: str, changes: int = 0) -> dict[str, Any]:
        stack = self._settled(name, changes)
        if stack["StackStatus"] not in _COMPLETE:
            raise _failed(f"The stack {self.name} ended as {stack['StackStatus']}: {self._reason(stack)}")
        return stack

    def _settled(self, name: str, changes: int = 0) -> dict[str, Any]:
        told = time.monotonic()
        for pause in _pauses():
            found: dict[str, Any] = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]
            if not found["StackStatus"].endswith("_IN_PROGRESS"):
                return found
            if time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                done = sum(1 for event in self._events(name) if event["ResourceStatus"].endswith("_COMPLETE"))
                of = f", {done} of {changes} resources" if changes else ""
                self._tell(f"{self.name}: {found['StackStatus']}{of}")
            time.sleep(pause)
        raise AssertionError("the pauses never end")

    def _events(self, stack: str) -> Iterator[dict[str, Any]]:
        """Those of what has been begun last, newest first, without the stack's own."""
        for page in self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack):
            for event in page["StackEvents"]:
                if event["PhysicalResourceId"] != event["StackId"]:
                    yield event
                elif event["ResourceStatus"] in _BEGINNINGS:
                    return

    def _reason(self, stack: Mapping[str, Any]) -> str:
        """What failed first; what failed later was mostly cancelled for it."""
        failed = [each for each in self._events(stack["StackId"]) if each["ResourceStatus"].endswith("_FAILED")]
        if not failed:
            return str(stack.get("StackStatusReason", "no reason was given"))
        first = failed[-1]  # they come newest first
        return f"{first['LogicalResourceId']}: {first.get('ResourceStatusReason', 'no reason was given')}"


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def _as_parameters(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]


def _change(said: Mapping[str, Any]) -> Change:
    return Change(
        said["Action"], said["LogicalResourceId"], said["ResourceType"], str(said.get("Replacement", "False"))
    )


def _pauses() -> Iterator[float]:
    for looks in itertools.count():
        yield min(_FIRST_LOOK_SECONDS * 1.1 ** min(looks, 100), _SELDOMEST_LOOK_SECONDS)


def _failed(message: str) -> Gen3DError:
    return Gen3DError("deployment_failed", f"{message}.".replace("..", "."))
