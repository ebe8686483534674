"""A diagram as data: things at their places, frames around them, arrows between. Knows nothing of what they stand for.

Places are chosen by hand, because a layout that a program finds leads arrows through icons where everything hangs on
one bucket. So a drawing is the same on every machine, and tests can look for what overlaps. Lengths are pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

Side = Literal["left", "right", "top", "bottom"]

ICON: Final = 48
TITLE_SIZE, LINE_SIZE = 15, 13
_TITLE_HEIGHT, _LINE_HEIGHT = 18, 16
# Of a character, in its size; bold ones are wider.
_WIDTH, _BOLD = 0.53, 0.58


class Point(NamedTuple):
    """A place: to the right, and down."""

    x: float
    y: float


class Area(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Area") -> bool:
        """Whether they have more than an edge in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: "Area") -> bool:
        """Whether the other lies in it."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True)
class Node:
    """A thing: an icon with words below, or a box with words in it.

    Attributes:
        name: What arrows call it.
        x: Where the middle of the icon, or of the box, is.
        y: See `x`.
        title: What it is called.
        lines: What is said of it, a line each.
        icon: A key of ICONS; None for a box.
        what: The resources that it stands for, as `stack.LogicalId`.
        width: The box's; as wide as its words where it is 0.
        fill: The box's colour.
        line: The colour of its edge.
    """

    name: str
    x: float
    y: float
    title: str
    lines: tuple[str, ...] = ()
    icon: str | None = None
    what: tuple[str, ...] = ()
    width: float = 0
    fill: str = "#ffffff"
    line: str = "#7b8794"

    def words(self) -> Iterator[tuple[str, Point, bool]]:
        """Each line, the middle of its foot, and whether it is the title."""
        y = self.y + ICON / 2 + 3 if self.icon else self.y - self._text_height() / 2
        for place, line in enumerate((self.title, *self.lines)):
            y += _LINE_HEIGHT if place else _TITLE_HEIGHT
            yield line, Point(self.x, y - 4), not place

    def area(self) -> Area:
        """All that it takes, words included."""
        wide = max(text_width(line, bold=bold) for line, _, bold in self.words())
        if self.icon is None:
            half, high = max(self.width, wide + 24) / 2, self._text_height() / 2 + 8
            return Area(self.x - half, self.y - high, self.x + half, self.y + high)
        half = max(wide, ICON) / 2
        return Area(self.x - half, self.y - ICON / 2, self.x + half, self.y + ICON / 2 + 3 + self._text_height())

    def side(self, side: Side, offset: float) -> Point:
        """Where an arrow touches it, so far down or to the right of the middle of the side."""
        area, gap = self.area(), 5
        half = ICON / 2 if self.icon else (area.right - area.left) / 2
        match side:
            case "left":
                return Point(self.x - half - gap, self.y + offset)
            case "right":
                return Point(self.x + half + gap, self.y + offset)
            case "top":
                return Point(self.x + offset, area.top - gap)
            case "bottom":
                return Point(self.x + offset, area.bottom + gap)

    def _text_height(self) -> float:
        return _TITLE_HEIGHT + _LINE_HEIGHT * len(self.lines)


@dataclass(frozen=True)
class Frame:
    """A frame around things that belong together: around what lies in it.

    Attributes:
        title: What they have in common.
        area: Where it is.
        fill: Its colour.
        line: The colour of its edge.
        dashed: How its edge is.
        title_at: Where the title begins, if not in the upper left corner.
    """

    title: str
    area: Area
    fill: str = "#f6f8fa"
    line: str = "#9aa5b1"
    dashed: bool = False
    title_at: Point | None = None

    def title_begin(self) -> Point:
        """Where the title's foot begins."""
        return self.title_at or Point(self.area.left + 14, self.area.top + 23)


@dataclass(frozen=True)
class Arrow:
    """An arrow, which turns at right angles or, where it is `straight`, not at all.

    Attributes:
        tail: Where it begins: `name.side`, with how far from the side's middle, such as `jobs.top-12`.
        head: Where it ends.
        label: What is said of it, a line each.
        bend: Where it turns, down or to the right, if its ends do not say.
        via: All its corners, where two are not enough.
        at: Where the label's middle is; beside the longest part where absent.
        number: Its place in a sequence, on a badge before the label.
        colour: A key of COLOURS.
        dashed: How its line is.
        both: Whether it has two heads.
        straight: Whether it goes the shortest way.
    """

    tail: str
    head: str
    label: tuple[str, ...] = ()
    bend: float | None = None
    via: tuple[Point, ...] = ()
    at: Point | None = None
    number: str = ""
    colour: str = "grey"
    dashed: bool = False
    both: bool = False
    straight: bool = False


COLOURS: Final = {"blue": "#1f6feb", "brown": "#9a6700", "red": "#c2292e", "green": "#1a7f37", "grey": "#57606a"}


@dataclass(frozen=True)
class Key:
    """What a colour of arrows means."""

    colour: str
    text: str
    dashed: bool = False


@dataclass(frozen=True)
class Diagram:
    """A picture.

    Attributes:
        title: Stands above it.
        about: What it shows, for those who cannot see it.
        size: Width and height.
        nodes: The things in it.
        frames: Around them, the outer ones first.
        arrows: Between them.
        keys: What colours mean, in a row at the bottom.
    """

    title: str
    about: str
    size: tuple[int, int]
    nodes: tuple[Node, ...]
    frames: tuple[Frame, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    keys: tuple[Key, ...] = field(default=())

    def way(self, arrow: Arrow) -> list[Point]:
        """An arrow's corners, from its tail to its head."""
        (tail, tail_side), (head, head_side) = self._end(arrow.tail), self._end(arrow.head)
        if arrow.via or arrow.straight:
            return [tail, *arrow.via, head]
        across = ("left", "right")
        if tail_side in across and head_side in across:
            middle = (tail.x + head.x) / 2 if arrow.bend is None else arrow.bend
            corners = [Point(middle, tail.y), Point(middle, head.y)] if tail.y != head.y or arrow.bend else []
        elif tail_side not in across and head_side not in across:
            middle = (tail.y + head.y) / 2 if arrow.bend is None else arrow.bend
            corners = [Point(tail.x, middle), Point(head.x, middle)] if tail.x != head.x or arrow.bend else []
        else:
            corners = [Point(head.x, tail.y) if tail_side in across else Point(tail.x, head.y)]
        return [tail, *corners, head]

    def node(self, name: str) -> Node:
        """The node of this name."""
        return next(node for node in self.nodes if node.name == name)

    def ends(self, arrow: Arrow) -> tuple[str, str]:
        """The names of the nodes that an arrow goes between."""
        return arrow.tail.partition(".")[0], arrow.head.partition(".")[0]

    def _end(self, text: str) -> tuple[Point, str]:
        name, _, rest = text.partition(".")
        side = next(each for each in ("left", "right", "top", "bottom") if rest.startswith(each))
        return self.node(name).side(side, float(rest.removeprefix(side) or 0)), side  # type: ignore[arg-type]  # one of them


def text_width(text: str, *, bold: bool = False) -> float:
    """About how wide a line is."""
    return len(text) * (TITLE_SIZE * _BOLD if bold else LINE_SIZE * _WIDTH)
