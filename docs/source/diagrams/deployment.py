"""The three stacks with all that lies in them, from the templates, and the steps that `gen3d deploy` takes."""

from collections import Counter
from itertools import pairwise
from typing import Final, cast

from docs.source.diagrams.icons import ICONS
from docs.source.diagrams.picture import Area, Arrow, Diagram, Frame, Node
from infra.templates import Name, read_template

# What `gen3d deploy` does, in its order; a test holds it to infra/deploy/run.py.
STEPS: Final = {
    "foundation": ("what holds", "data"),
    "sources": ("archive and", "Lambda zips"),
    "image": ("CodeBuild", "or Docker"),
    "weights": ("CodeBuild,", "14 GB"),
    "service": ("Lambdas,", "mail, alarms"),
    "endpoint": ("an instance", "starts"),
    "page": ("PUBLIC/,", "CloudFront"),
    "smoke test": ("one photo,", "all the way"),
    "prune": ("what is old", "in the bucket"),
}
_STACKS: Final[dict[Name, tuple[float, int, str, str]]] = {
    # Where it begins, its icons a row, what it is, and what becomes of that when it is deleted.
    "foundation": (24, 4, "holds data; its outputs are the others' parameters", "deleted: bucket and users stay"),
    "service": (508, 3, "acts on what the foundation holds", "deleted: its logs go, no job does"),
    "endpoint": (880, 3, "costs by the hour", "deleted or rolled back: no data is lost"),
}
_CELL, _ROW = 112, 106
_TOP: Final = 235


def diagram() -> Diagram:
    """Stacks below, steps above."""
    frames, nodes, arrows = [], [*_steps()], [*_between_steps()]
    for stack, (left, columns, what, kept) in _STACKS.items():
        width = columns * _CELL + 16
        frames.append(Frame("", Area(left, _TOP, left + width, _TOP + 116 + _ROW * 3), "#f6f9fd", "#7c9cf0"))
        middle = left + width / 2
        title = f"Gen3D-STAGE-{stack}"
        nodes.append(Node(stack, middle, _TOP + 46, title, (what, kept), width=width - 24, fill="#e6eefc"))
        for place, (icon, ids) in enumerate(sorted(_services(stack).items())):
            x, y = left + 8 + _CELL * (place % columns + 0.5), _TOP + 122 + _ROW * (place // columns)
            nodes.append(Node(f"{stack}_{icon}", x, y, _NAMES[icon], _counted(icon, ids), icon, ids))
        arrows.append(Arrow(f"step_{stack}.bottom", f"{stack}.top", colour="brown", bend=_TOP - 28))
    return Diagram(
        title="Three stacks, and the steps of gen3d deploy",
        about="The stacks foundation, service and endpoint, the services in each, and the nine steps that make them.",
        size=(1256, 692),
        nodes=tuple(nodes),
        frames=tuple(frames),
        arrows=tuple(arrows),
    )


# What is counted first of a service, where that is not what there is most of.
_FIRST: Final = {"cloudfront": "Distribution", "notebook": "NotebookInstance", "sagemaker": "Endpoint"}
_NAMES: Final = {
    "api": "API Gateway",
    "autoscaling": "Auto Scaling",
    "budgets": "Budgets",
    "cloudfront": "CloudFront",
    "cloudwatch": "CloudWatch",
    "codebuild": "CodeBuild",
    "cognito": "Cognito",
    "ecr": "ECR",
    "eventbridge": "EventBridge",
    "iam": "IAM",
    "lambda": "Lambda",
    "logs": "Logs",
    "notebook": "Notebook",
    "s3": "S3",
    "sagemaker": "SageMaker",
    "secret": "Secrets",
    "ses": "SES",
    "sns": "SNS",
    "sqs": "SQS",
}


def _services(stack: Name) -> dict[str, tuple[str, ...]]:
    """A stack's resources by the icon that stands for them."""
    found: dict[str, tuple[str, ...]] = {}
    for logical, resource in read_template(stack)["Resources"].items():
        icon = _icon_of(resource["Type"])
        found[icon] = (*found.get(icon, ()), f"{stack}.{logical}")
    return found


def _icon_of(kind: str) -> str:
    """The icon whose types begin so; of several, the one that says it most exactly."""
    fitting = {key: icon.kind for key, icon in ICONS.items() if icon.kind is not None and kind.startswith(icon.kind)}
    return max(fitting, key=lambda key: len(fitting[key]))


def _counted(icon: str, ids: tuple[str, ...]) -> tuple[str, ...]:
    """What lies there: how many of what, and how many more."""
    kinds = Counter(_kind(each) for each in ids)
    first = _FIRST.get(icon) or kinds.most_common(1)[0][0]
    lines = (f"{kinds[first]} {_plural(first.removeprefix(_NAMES[icon]), kinds[first])}",)
    return lines if len(kinds) == 1 else (*lines, f"{len(ids) - kinds[first]} more")


def _kind(resource: str) -> str:
    stack, _, logical = resource.partition(".")
    return str(read_template(cast("Name", stack))["Resources"][logical]["Type"]).rpartition("::")[2]


def _plural(word: str, count: int) -> str:
    if count == 1:
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def _steps() -> list[Node]:
    nodes = []
    for place, (name, lines) in enumerate(STEPS.items()):
        nodes.append(
            Node(
                f"step_{name.replace(' ', '_')}",
                82 + 136.5 * place,
                118,
                name,
                lines,
                width=104,
                fill="#fff8e6",
                line="#9a6700",
            )
        )
    return nodes


def _between_steps() -> list[Arrow]:
    names = [f"step_{name.replace(' ', '_')}" for name in STEPS]
    return [Arrow(f"{one}.right", f"{other}.left", colour="brown") for one, other in pairwise(names)]
