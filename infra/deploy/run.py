"""A deployment: what it would change, and doing that step by step. Knows no step's work."""

from pathlib import Path
from typing import Final

from infra.checkout import DIRTY, read_revision
from infra.deploy.image import ImageStep
from infra.deploy.page import PageStep
from infra.deploy.prune import PruneStep
from infra.deploy.smoke import SmokeStep
from infra.deploy.sources import SourcesStep
from infra.deploy.stack_steps import EndpointStep, FoundationStep, ServiceStep
from infra.deploy.step import Deployment, Step
from infra.deploy.weights import WeightsStep
from infra.operator.stage import aws_errors
from serve.errors import Gen3DError

# In this order: each stands on those before it.
STEPS: Final[tuple[type[Step], ...]] = (
    FoundationStep,
    SourcesStep,
    ImageStep,
    WeightsStep,
    ServiceStep,
    EndpointStep,
    PageStep,
    SmokeStep,
    PruneStep,
)


def settled_commit(checkout: Path) -> str:
    """The commit that a checkout is at, with nothing changed.

    Raises:
        Gen3DError: `revision_unclear`.
    """
    revision = read_revision(checkout, None)
    if revision is None:
        raise Gen3DError("revision_unclear", "A stage is deployed from a git checkout, whose commit is archived.")
    if revision.endswith(DIRTY):
        raise Gen3DError("revision_unclear", "The checkout has changes that are not committed: commit them first.")
    return revision


def plan(deployment: Deployment) -> dict[str, list[str]]:
    """What each step would change, by the step's name, in order; nothing is changed. Steps that are skipped are not in.

    Raises:
        Gen3DError: A step could not be done, or AWS refuses to say.
    """
    with aws_errors():
        planned = {step.name: step.plan() for step in _steps(deployment) if not _missing(step)}
    is_changed = any(changes for step, changes in planned.items() if step != PruneStep.name)
    if SmokeStep.name in planned and is_changed and deployment.asked.with_smoke_test:
        planned[SmokeStep.name] = [SmokeStep.LINE]
    return planned


def carry_out(deployment: Deployment) -> None:
    """Does the steps that have something to do.

    Raises:
        Gen3DError: A step failed; the message begins with its name. What is done stays done.
    """
    for step in _steps(deployment):
        if missing := _missing(step):
            deployment.tell(f"{step.name}: skipped: this cloud has no {' and no '.join(missing)}")
            continue
        try:
            with aws_errors():
                # Once more: the steps before may have changed what it stands on.
                if step.plan():
                    deployment.tell(f"{step.name}: begins")
                    step.do()
                    deployment.tell(f"{step.name}: done")
                else:
                    deployment.tell(f"{step.name}: unchanged")
        except Gen3DError as error:
            raise Gen3DError(error.code, f"The step {step.name} failed: {error.message}") from None


def skipped(deployment: Deployment) -> list[str]:
    """Steps that this cloud cannot play, a line each; in AWS there is none."""
    return [
        f"{step.name}: skipped: this cloud has no {' and no '.join(_missing(step))}"
        for step in _steps(deployment)
        if _missing(step)
    ]


def _steps(deployment: Deployment) -> list[Step]:
    return [step(deployment) for step in STEPS]


def _missing(step: Step) -> list[str]:
    return sorted(each for each in step.needs if not step.deployment.account.has(each))
