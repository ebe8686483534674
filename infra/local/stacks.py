"""One CloudFormation stack: made or brought up to date, and waited for. Knows no template and no cloud."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from serve.errors import Gen3DError

_LOOK_SECONDS: Final = 0.1
# In these a stack takes no update; it has nothing that is not made anew.
_ONLY_TO_DELETE: Final = ("CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")


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

    def deploy(self, template: Path, parameters: Mapping[str, str]) -> dict[str, str]:
        """Makes the stack, or changes it to what the template and the parameters say; its outputs.

        Raises:
            Gen3DError: `deployment_failed`: the template or a parameter was refused, or a resource failed, and then
                CloudFormation has taken back what it had changed; or somebody else is changing the stack.
        """
        found = self._find(self.name)
        if found and found["StackStatus"].endswith("_IN_PROGRESS"):
            raise _failed(
                f"The stack {self.name} is being changed ({found['StackStatus']}). Wait until that has ended; where"
                " nobody does, the cloud was stopped in the midst of it: begin with an empty one"
            )
        if found and found["StackStatus"] in _ONLY_TO_DELETE:
            self.delete()
            found = None
        given = {
            "StackName": self.name,
            "TemplateBody": template.read_text(encoding="utf-8"),
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
        }
        change = self._cloudformation.update_stack if found else self._cloudformation.create_stack
        self._tell(f"{self.name}: {'changing' if found else 'making'} it")
        try:
            stack = self._settled(change(**given)["StackId"])
        except ClientError as error:
            message = error.response["Error"]["Message"]
            if not found or "No updates are to be performed" not in message:
                raise _failed(f"CloudFormation refused the stack {self.name}: {message}") from None
            stack = found
        if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE") and stack is not found:
            raise _failed(f"The stack {self.name} ended as {stack['StackStatus']}: {self._reason(stack)}")
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}

    def delete(self) -> None:
        """Deletes the stack where there is one; what its template retains stays.

        Raises:
            Gen3DError: `deployment_failed`.
        """
        found = self._find(self.name)
        if not found:
            return
        self._cloudformation.delete_stack(StackName=self.name)
        stack = self._settled(found["StackId"])
        if stack["StackStatus"] != "DELETE_COMPLETE":
            raise _failed(f"The stack {self.name} was not deleted: {self._reason(stack)}")

    def _find(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        return found

    def _settled(self, name: str) -> dict[str, Any]:
        while True:
            found: dict[str, Any] = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]
            if not found["StackStatus"].endswith("_IN_PROGRESS"):
                return found
            time.sleep(_LOOK_SECONDS)

    def _reason(self, stack: Mapping[str, Any]) -> str:
        """What failed first; what failed later was mostly cancelled for it."""
        events = self._cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
        if not failed:
            return str(stack.get("StackStatusReason", "no reason was given"))
        first = failed[-1]  # they come newest first
        return f"{first['LogicalResourceId']}: {first.get('ResourceStatusReason', 'no reason was given')}"


def _failed(message: str) -> Gen3DError:
    return Gen3DError("deployment_failed", f"{message}.".replace("..", "."))
