"""The rooms of the code, and which needs which: the arrows are the imports that are there."""

import ast
from functools import cache
from pathlib import Path
from typing import Final

from docs.source.diagrams.picture import Area, Arrow, Diagram, Frame, Node, Point

CHECKOUT: Final = Path(__file__).parents[3]
# What every room may need, so that arrows to it would say nothing.
_FLOOR: Final = "floor"
# By the modules that each has; a module is of the room whose name here is the longest that fits.
ROOMS: Final = {
    "gen3d": ("gen3d",),
    "http": ("serve.app", "serve.forms", "serve.replies", "serve.run", "serve.worker", "serve.health"),
    "job": ("serve.job", "serve.finishing", "serve.progress"),
    "engine": ("serve.engine", "serve.engines", "serve.warm_up", "serve.boxes"),
    "segment": ("serve.segment",),
    "reconstruct": ("serve.reconstruct", "serve.torchvision_operators"),
    "mesh": ("serve.mesh",),
    "finish": ("serve.mesh.finish",),
    _FLOOR: (
        *("serve.contract", "serve.errors", "serve.settings", "serve.logs", "serve.storage", "serve.s3"),
        *("serve.images", "serve.resize", "serve.file_kinds"),
    ),
    "model_loader": ("model_loader",),
    "selftest": ("selftest",),
    "lambdas": ("lambdas",),
    "infra": ("infra",),
    "local": ("infra.local",),
    "operator": ("infra.operator",),
    "deploy": ("infra.deploy",),
    "destroy": ("infra.destroy",),
    "cost": ("infra.cost",),
}


def diagram() -> Diagram:
    """Those who need others above those who are needed."""
    return Diagram(
        title="The rooms of the code",
        about="Which room imports which. What a longer way says has no arrow, nor has the floor that all stand on.",
        size=(1280, 800),
        nodes=_NODES,
        frames=(
            Frame("In the image", Area(24, 150, 640, 702), "#eaf8f4", "#45a98f", title_at=Point(40, 690)),
            Frame("In the checkout", Area(664, 150, 1256, 566), "#eef3ff", "#7c9cf0", title_at=Point(1125, 552)),
            Frame("In the zips", Area(664, 590, 1256, 702), "#fff6ec", "#e8944a"),
        ),
        arrows=tuple(_arrow(one, other) for one, other in sorted(shown(imports()))),
    )


_NODES: Final = (
    Node("gen3d", 640, 105, "gen3d/", ("the command: a thin module for each subcommand",), width=360, fill="#fff8e6"),
    Node("selftest", 480, 215, "selftest/", ("tries an installation out",), width=190),
    Node("http", 170, 215, "serve/app.py …", ("HTTP, and nothing else",), width=190),
    Node("job", 170, 310, "serve/job.py …", ("one job, object by object",), width=190),
    Node("engine", 170, 405, "serve/engine.py …", ("photo and boxes → objects",), width=190),
    Node("reconstruct", 330, 500, "serve/reconstruct/", ("masks → meshes",), width=170),
    Node("finish", 125, 500, "serve/mesh/finish/", ("dense mesh → finished",), width=170),
    Node("mesh", 125, 640, "serve/mesh/", ("files, pictures, numbers",), width=170),
    Node("segment", 330, 640, "serve/segment/", ("boxes → masks",), width=150),
    Node("model_loader", 530, 640, "model_loader/", ("the weights, whole",), width=160),
    Node("destroy", 800, 205, "infra/destroy/", ("takes a stage down",), width=190),
    Node("deploy", 800, 285, "infra/deploy/", ("makes a stage, step by step",), width=200),
    Node("cost", 1130, 285, "infra/cost/", ("what it costs, simulated",), width=190),
    Node("operator", 900, 370, "infra/operator/", ("looks after a stage",), width=190),
    Node("local", 900, 450, "infra/local/", ("AWS on one machine",), width=190),
    Node("infra", 1010, 530, "infra/", ("stacks, zips, images",), width=190),
    Node("lambdas", 1010, 650, "lambdas/", ("jobs, extract, notify, sweep, and the job folder",), width=340),
    Node(
        _FLOOR,
        640,
        745,
        "serve/contract.py, errors.py, settings.py, storage.py, images.py …",
        ("the floor: whoever needs it, and it needs nobody",),
        width=900,
    ),
)


@cache
def imports() -> frozenset[tuple[str, str]]:
    """Which room imports which, wherever in a module; what stands under TYPE_CHECKING counts too."""
    found = set()
    for top in ("gen3d", "serve", "model_loader", "selftest", "lambdas", "infra"):
        for file in (CHECKOUT / top).rglob("*.py"):
            module = ".".join(file.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
                found |= {(room_of(module), room_of(name)) for name in names}
    return frozenset((one, other) for one, other in found if one and other and one != other)


def room_of(module: str) -> str:
    """The room that a module is of; nothing where it is of none."""
    fitting = {
        name: room for room, names in ROOMS.items() for name in names if module == name or module.startswith(f"{name}.")
    }
    return fitting[max(fitting, key=len)] if fitting else ""


def shown(edges: frozenset[tuple[str, str]]) -> set[tuple[str, str]]:
    """The arrows that are drawn: none to the floor, and none where a way over rooms in between says the same."""
    kept = {(one, other) for one, other in edges if _FLOOR not in (one, other)}

    def reached(begin: str, but: tuple[str, str] | None = None, never: frozenset[str] = frozenset()) -> set[str]:
        seen, waiting = {begin}, [begin]
        while waiting:
            here = waiting.pop()
            after = {other for one, other in kept - {but} if one == here} - seen - never
            seen |= after
            waiting.extend(after)
        return seen

    for edge in sorted(kept):
        one, other = edge
        # Not by what the other one needs itself: where rooms need each other, each of their arrows says something.
        beyond = frozenset(reached(other) - {other})
        if one not in beyond and other in reached(one, edge, beyond):
            kept.discard(edge)
    return kept


def _arrow(one: str, other: str) -> Arrow:
    """Straight, between the sides that look at each other."""
    places = {node.name: node for node in _NODES}
    tail, head = places[one], places[other]
    if abs(head.y - tail.y) < 20:
        sides = ("right", "left") if tail.x < head.x else ("left", "right")
    else:
        sides = ("bottom", "top") if tail.y < head.y else ("top", "bottom")
    return Arrow(f"{one}.{sides[0]}", f"{other}.{sides[1]}", straight=True)
