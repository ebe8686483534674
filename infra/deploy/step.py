"""What a step of a deployment is, and what all steps know. Knows none of them."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, cast, get_args

from infra.deploy.account import Account
from infra.stacks import Stack
from infra.templates import NAMES, Name, read_template
from serve.errors import Gen3DError

Engine = Literal["preview", "sam3d"]
# Where the image comes from: built by CodeBuild or by Docker on this machine, or the one that the endpoint has.
ImageSource = Literal["codebuild", "local", "keep"]
ENGINES: Final[tuple[Engine, ...]] = get_args(Engine)
IMAGE_SOURCES: Final[tuple[ImageSource, ...]] = get_args(ImageSource)


@dataclass(frozen=True)
class Asked:
    """What the operator asks for.

    Attributes:
        stage: The stage's name.
        engine: What is to make the meshes; None for what the stage has, else `sam3d`.
        parameters: Of any of the templates, by name. What is not given stays as the stage has it.
        image: Where the image comes from.
        with_smoke_test: Whether a photo goes through the endpoint at the end.
    """

    stage: str
    engine: Engine | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    image: ImageSource = "codebuild"
    with_smoke_test: bool = True


@dataclass
class Deployment:
    """What all steps know.

    Attributes:
        account: Where to.
        asked: What is asked for.
        checkout: The folder that the stage is made from.
        commit: The commit that it is at.
        tell: Is told what is under way, in one line.
        hub_token: The Hugging Face token, for the secret where that has none yet.
        outputs: Those of the stacks that are there, by name; steps add theirs.
        before: The parameters of the stacks that are there, as they were when the deployment began.
    """

    account: Account
    asked: Asked
    checkout: Path
    commit: str
    tell: Callable[[str], None]
    hub_token: str | None = field(default=None, repr=False)
    outputs: dict[str, str] = field(init=False, default_factory=dict)
    before: dict[Name, dict[str, str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name in NAMES:
            stack = self.stack(name)
            stack.wait()
            self.outputs |= stack.outputs()
            self.before[name] = stack.parameters()

    @property
    def engine(self) -> Engine:
        """What is to make the meshes."""
        return self.asked.engine or cast(Engine, self.before["endpoint"].get("Engine", "sam3d"))

    def stack(self, name: Name) -> Stack:
        """One of the three stacks, whether or not it is there."""
        return Stack(self.account.client("cloudformation"), f"Gen3D-{self.asked.stage}-{name}", self.tell)

    def parameters(self, name: Name, made: Mapping[str, str] | None = None) -> dict[str, str]:
        """All parameters of a stack but those left at the template's defaults.

        What was made for it comes first, then the outputs of the same names of other stacks, then what the operator
        gives, then what the stack has.

        Args:
            name: The stack.
            made: Those that steps have worked out.

        Raises:
            Gen3DError: `deployment_blocked`: one is missing.
        """
        declared = read_template(name)["Parameters"]
        known = {
            **self.stack(name).parameters(),
            **self.asked.parameters,
            **self.outputs,
            **(made or {}),
            "Stage": self.asked.stage,
        }
        missing = [each for each, what in declared.items() if "Default" not in what and each not in known]
        if missing:
            raise Gen3DError(
                "deployment_blocked",
                f"The stack {name} needs {' and '.join(missing)}: give it by --parameter {missing[0]}=VALUE, or by the"
                " option for it.",
            )
        return {each: known[each] for each in declared if each in known}

    def check_parameters(self) -> None:
        """Raises where the operator gives a parameter that no template has or takes, or that is worked out.

        Raises:
            Gen3DError: `deployment_blocked`.
        """
        declared = {each: what for name in NAMES for each, what in read_template(name)["Parameters"].items()}
        outputs = {each for name in NAMES for each in read_template(name)["Outputs"]}
        for each, value in self.asked.parameters.items():
            if each not in declared:
                problem = "the templates have no such parameter"
            elif each in outputs | WORKED_OUT:
                problem = "the deployment works it out; leave it out"
            else:
                problem = _problem(declared[each], value)
            if problem:
                raise Gen3DError("deployment_blocked", f"The parameter {each}={value}: {problem}.")


def _problem(declared: Mapping[str, Any], value: str) -> str:
    """Why a template does not take a value; empty where it does. CloudFormation says it too, but in the midst of it."""
    rule = str(declared.get("ConstraintDescription", declared.get("Description", ""))).rstrip(".")
    if "AllowedValues" in declared and value not in map(str, declared["AllowedValues"]):
        return f"it is one of {', '.join(map(str, declared['AllowedValues']))}"
    if not re.fullmatch(declared.get("AllowedPattern", ".*"), value):
        return rule
    if declared["Type"] == "Number":
        least, most = declared.get("MinValue", -math.inf), declared.get("MaxValue", math.inf)
        try:
            is_fit = least <= float(value) <= most
        except ValueError:
            is_fit = False
        if not is_fit:
            return f"it is a number from {least} to {most}"
    return ""


# Parameters of the templates that are neither outputs nor the operator's.
WORKED_OUT: Final = frozenset(
    (
        *("Stage", "ContentHash", "ImageUri", "WeightsUri", "Engine", "Scaling", "SenderIdentity", "NotebookSource"),
        *("JobsCode", "ExtractCode", "NotifyCode", "SweepCode"),
    )
)


class Step(ABC):
    """A step: what it would change, and doing that.

    Done again it changes nothing; broken off, it goes on from there.

    Args:
        deployment: What all steps know.
    """

    name: ClassVar[str]

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    @property
    def needs(self) -> frozenset[str]:
        """Services of AWS without which it could not do what there is to do."""
        return frozenset()

    @abstractmethod
    def plan(self) -> list[str]:
        """What it would change, a line each; nothing where all is as it should be.

        Raises:
            Gen3DError: That cannot be said, or the step could not be done.
        """

    @abstractmethod
    def do(self) -> None:
        """Does it.

        Raises:
            Gen3DError: Why it failed.
        """
