"""The diagrams say what is so, and can be read: what they draw is in the templates, and nothing lies on another."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations, pairwise
from typing import Any, cast, get_args

import pytest

from docs.source.diagrams import DIAGRAMS, deployment, rooms, states
from docs.source.diagrams.icons import ICONS
from docs.source.diagrams.picture import ICON, Area, Arrow, Diagram, Node
from docs.source.diagrams.svg import icons_in, words_in, write_svg
from infra.deploy.run import STEPS
from infra.templates import NAMES, read_template
from lambdas.shared.documents import OUTCOME_CODES, Outcome, OutcomeStatus
from lambdas.shared.job_folder import Status, status_of
from tests.conftest import ROOT

PICTURES = ROOT / "docs" / "images"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
EACH = pytest.mark.parametrize("name", sorted(DIAGRAMS))


def resources() -> dict[str, str]:
    """The type of every resource of the three stacks."""
    return {
        f"{stack}.{logical}": resource["Type"]
        for stack in NAMES
        for logical, resource in read_template(stack)["Resources"].items()
    }


def untrue(diagram: Diagram) -> list[str]:
    """What nodes stand for, but is not in the templates, or is something else than their icon says."""
    known = resources()
    return [
        f"{node.title}: {each}"
        for node in diagram.nodes
        for each in node.what
        if node.icon is None or not known.get(each, "").startswith(ICONS[node.icon].kind or "nothing")
    ]


def overlaps(diagram: Diagram) -> Iterator[str]:
    """What lies on something else, is cut by a frame, or outside the picture."""
    areas = {node.name: node.area() for node in diagram.nodes}
    whole = Area(0, 44, *map(float, diagram.size))
    for (one, its), (other, others) in combinations(areas.items(), 2):
        if its.overlaps(others):
            yield f"{one} lies on {other}"
    for name, area in areas.items():
        if not whole.holds(area):
            yield f"{name} is outside"
        yield from (
            f"{name} is cut by {f.title}" for f in diagram.frames if f.area.overlaps(area) and not f.area.holds(area)
        )
    for arrow in diagram.arrows:
        way = list(pairwise(diagram.way(arrow)))
        for node in diagram.nodes:
            # To its own icons it may come beside their words.
            area = core(node) if node.name in diagram.ends(arrow) else areas[node.name]
            if any(crosses(area, part) for part in way):
                yield f"{arrow.tail} → {arrow.head} runs over {node.name}"


def core(node: Node) -> Area:
    """A node without the words below its icon."""
    half = ICON / 2
    return Area(node.x - half, node.y - half, node.x + half, node.y + half) if node.icon else node.area()


def crosses(area: Area, part: Any) -> bool:
    """Whether a line, looked at every few pixels, comes into an area."""
    (x0, y0), (x1, y1) = part
    steps = int(max(abs(x1 - x0), abs(y1 - y0)) / 3) + 1
    places = ((x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps) for step in range(steps + 1))
    return any(area.left < x < area.right and area.top < y < area.bottom for x, y in places)


@EACH
def test_the_picture_is_the_one_that_the_code_draws(name: str) -> None:
    there = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert write_svg(DIAGRAMS[name](), icons_in(there)) == there, "make diagrams draws it anew"


@EACH
def test_a_picture_stands_alone_and_holds_each_icon_once(name: str) -> None:
    there = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]*)"', there)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert there.count("data:image/png") == len({node.icon for node in DIAGRAMS[name]().nodes if node.icon})
    assert len(there) < 400_000
    words = words_in(there)
    assert words[0] == DIAGRAMS[name]().title
    assert all(node.title in words for node in DIAGRAMS[name]().nodes)


@EACH
def test_what_is_drawn_is_in_the_templates_and_is_what_its_icon_says(name: str) -> None:
    assert untrue(DIAGRAMS[name]()) == []


def test_a_resource_that_is_gone_or_has_a_wrong_icon_is_noticed() -> None:
    gone = Node("gone", 100, 100, "Gone", icon="sqs", what=("foundation.ImageDownloaded",))
    wrong = Node("wrong", 300, 100, "Wrong", icon="sns", what=("foundation.ImageUploaded",))
    assert untrue(Diagram("", "", (400, 200), (gone, wrong))) == [
        "Gone: foundation.ImageDownloaded",
        "Wrong: foundation.ImageUploaded",
    ]


@EACH
def test_nothing_lies_on_anything_else(name: str) -> None:
    assert list(overlaps(DIAGRAMS[name]())) == []


def test_an_arrow_through_a_thing_and_things_on_each_other_are_noticed() -> None:
    things = tuple(Node(name, x, 100, name) for name, x in (("a", 60), ("b", 200), ("c", 340)))
    arrow = Arrow("a.right", "c.left")
    assert list(overlaps(Diagram("", "", (400, 200), things, arrows=(arrow,)))) == ["a.right → c.left runs over b"]
    close = (things[0], replace(things[1], x=94))
    assert "a.right → b.left runs over b" in overlaps(
        Diagram("", "", (400, 200), close, arrows=(Arrow("a.right", "b.left"),))
    )
    moved = (things[0], replace(things[1], x=70), things[2])
    assert list(overlaps(Diagram("", "", (400, 200), moved))) == ["a lies on b"]


def test_the_overview_has_every_service_that_the_templates_use() -> None:
    shown = {ICONS[node.icon].kind for node in DIAGRAMS["aws"]().nodes if node.icon and node.what}
    missing = {kind for kind in resources().values() if not any(kind.startswith(each or "nothing") for each in shown)}
    assert missing == set()


def test_the_stacks_are_drawn_with_all_that_lies_in_them() -> None:
    drawn = [each for node in DIAGRAMS["deployment"]().nodes for each in node.what]
    assert sorted(drawn) == sorted(resources())


def test_the_steps_are_those_of_the_deployment() -> None:
    assert list(deployment.STEPS) == [step.name for step in STEPS]


def test_every_state_of_a_job_is_drawn() -> None:
    titles = [node.title for node in DIAGRAMS["job-states"]().nodes if node.name in get_args(Status)]
    assert sorted(titles) == sorted(get_args(Status)) == sorted(states.FILES)


@pytest.mark.parametrize("state", sorted(states.FILES))
def test_a_state_is_what_the_files_under_it_make(state: Status) -> None:
    files = states.FILES[state]
    ended = None
    if "outcome.json" in files:
        assert state in get_args(OutcomeStatus)
        ended = Outcome(status=cast("OutcomeStatus", state), ended_at=NOW)
    assert status_of(files, ended) == state


def test_the_codes_of_ended_jobs_are_on_the_arrows() -> None:
    arrows = [arrow for arrow in DIAGRAMS["job-states"]().arrows if arrow.colour == "red"]
    drawn = {code for arrow in arrows for line in arrow.label for code in line.split(", ")}
    assert drawn == set(OUTCOME_CODES) - {"cancelled"}


def test_every_module_has_a_room_and_the_floor_needs_no_other() -> None:
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for top in ("gen3d", "serve", "model_loader", "selftest", "lambdas", "infra")
        for file in (ROOT / top).rglob("*.py")
        if file != ROOT / "serve" / "__init__.py"  # the version alone
    ]
    assert [module for module in modules if not rooms.room_of(module.removesuffix(".__init__"))] == []
    assert [edge for edge in rooms.imports() if edge[0] == "floor"] == []


def test_no_room_needs_one_that_needs_it() -> None:
    needed = {room: {other for one, other in rooms.imports() if one == room} for room in rooms.ROOMS}
    while leaves := {room for room, others in needed.items() if not others}:
        needed = {room: others - leaves for room, others in needed.items() if room not in leaves}
    assert needed == {}


def test_lambdas_need_no_other_room_and_the_server_none_of_the_checkout() -> None:
    needed = {room: {other for one, other in rooms.imports() if one == room} for room in rooms.ROOMS}
    assert needed["lambdas"] == set()
    served = ("http", "job", "engine", "segment", "reconstruct", "mesh", "finish", "model_loader")
    assert {other for room in served for other in needed[room]} <= {*served, "floor"}
