"""A diagram as SVG that stands alone, readable on white and on black. Knows nothing of what is drawn."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import hypot
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from docs.source.diagrams.picture import COLOURS, ICON, LINE_SIZE, TITLE_SIZE, Arrow, Diagram, Frame, Node, Point

_FONT: Final = "Helvetica, Arial, 'Liberation Sans', sans-serif"
_INK, _FAINT, _BADGE = "#1f2933", "#52606d", "#6f42c1"
_ROUND: Final = 9  # the radius of a corner
_NUMBER: Final = 10  # the radius of a badge
_SYMBOL: Final = re.compile(r'<symbol id="icon-([a-z0-9]+)".*?href="(data:image/png;base64,[^"]+)"', re.DOTALL)


def write_svg(diagram: Diagram, icons: Mapping[str, str]) -> str:
    """The drawing.

    Args:
        diagram: What is drawn.
        icons: As `data:` addresses, by their keys; each is in the file once.
    """
    width, height = diagram.size
    used = sorted({node.icon for node in diagram.nodes if node.icon})
    symbols = [
        f'<symbol id="icon-{key}" viewBox="0 0 1 1"><image width="1" height="1" href="{icons[key]}"/></symbol>'
        for key in used
    ]
    heads = [
        f'<marker id="head-{key}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
        f' orient="auto-start-reverse"><path d="M0 0.8 10 5 0 9.2z" fill="{colour}"/></marker>'
        for key, colour in COLOURS.items()
    ]
    style = (
        f"text{{font-family:{_FONT};fill:{_INK}}}"
        f".t{{font-size:{TITLE_SIZE}px;font-weight:700;text-anchor:middle}}"
        f".l{{font-size:{LINE_SIZE}px;fill:{_FAINT};text-anchor:middle}}"
        f".f{{font-size:{TITLE_SIZE}px;font-weight:700}}"
        f".a{{font-size:{LINE_SIZE}px;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:5px;"
        "stroke-linejoin:round;stroke-opacity:.9}"
        f".n{{font-size:{LINE_SIZE}px;font-weight:700;text-anchor:middle;fill:#fff}}"
        f".k{{font-size:{LINE_SIZE}px}}.h{{font-size:20px;font-weight:700}}"
        ".w{fill:none;stroke-width:1.8}"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" aria-label={quoteattr(diagram.title)}>',
        f"<title>{escape(diagram.title)}</title>",
        f"<desc>{escape(diagram.about)}</desc>",
        f"<style>{style}</style>",
        "<defs>",
        *symbols,
        *heads,
        "</defs>",
        f'<rect width="{width}" height="{height}" rx="12" fill="#ffffff"/>',
        f'<text class="h" x="24" y="38">{escape(diagram.title)}</text>',
        *(_frame(frame) for frame in diagram.frames),
        *(_line(arrow, diagram.way(arrow)) for arrow in diagram.arrows),
        *(_node(node) for node in diagram.nodes),
        *(text for arrow in diagram.arrows if (text := _label(arrow, diagram.way(arrow)))),
        *_keys(diagram),
        "</svg>\n",
    ]
    return "\n".join(parts)


def icons_in(svg: str) -> dict[str, str]:
    """The icons of a drawing, by their keys, as `write_svg` takes them."""
    return dict(_SYMBOL.findall(svg))


def words_in(svg: str) -> list[str]:
    """All that is written in a drawing, line by line."""
    return [each.text or "" for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - ours


def _frame(frame: Frame) -> str:
    left, top, right, bottom = frame.area
    dashes = ' stroke-dasharray="7 5"' if frame.dashed else ""
    title = frame.title_begin()
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" height="{bottom - top:g}" rx="10"'
        f' fill="{frame.fill}" stroke="{frame.line}" stroke-width="1.4"{dashes}/>'
        f'<text class="f" x="{title.x:g}" y="{title.y:g}">{escape(frame.title)}</text>'
    )


def _node(node: Node) -> str:
    area = node.area()
    if node.icon is None:
        shape = (
            f'<rect x="{area.left:g}" y="{area.top:g}" width="{area.right - area.left:g}"'
            f' height="{area.bottom - area.top:g}" rx="8" fill="{node.fill}" stroke="{node.line}" stroke-width="1.4"/>'
        )
    else:
        x, y = node.x - ICON / 2, node.y - ICON / 2
        shape = f'<use href="#icon-{node.icon}" x="{x:g}" y="{y:g}" width="{ICON}" height="{ICON}"/>'
    words = "".join(
        f'<text class="{"t" if is_title else "l"}" x="{at.x:g}" y="{at.y:g}">{escape(line)}</text>'
        for line, at, is_title in node.words()
        if line
    )
    return shape + words


def _line(arrow: Arrow, way: Sequence[Point]) -> str:
    path = f"M{way[0].x:g} {way[0].y:g}"
    for before, corner, after in zip(way, way[1:], way[2:], strict=False):
        begin, end = _towards(corner, before), _towards(corner, after)
        path += f"L{begin.x:g} {begin.y:g}Q{corner.x:g} {corner.y:g} {end.x:g} {end.y:g}"
    path += f"L{way[-1].x:g} {way[-1].y:g}"
    dashes = ' stroke-dasharray="6 4"' if arrow.dashed else ""
    start = f' marker-start="url(#head-{arrow.colour})"' if arrow.both else ""
    point = f' marker-end="url(#head-{arrow.colour})"'
    return f'<path class="w" d="{path}" stroke="{COLOURS[arrow.colour]}"{dashes}{start}{point}/>'


def _towards(corner: Point, other: Point) -> Point:
    """The point on the way from a corner where its rounding ends."""
    length = hypot(other.x - corner.x, other.y - corner.y)
    share = min(_ROUND, length / 2) / length if length else 0
    return Point(round(corner.x + (other.x - corner.x) * share, 2), round(corner.y + (other.y - corner.y) * share, 2))


def _label(arrow: Arrow, way: Sequence[Point]) -> str:
    if not arrow.label and not arrow.number:
        return ""
    begin, end = max(pairwise(way), key=lambda part: hypot(part[1].x - part[0].x, part[1].y - part[0].y))
    at = arrow.at or Point((begin.x + end.x) / 2, (begin.y + end.y) / 2 - (0 if arrow.number else 7))
    height = LINE_SIZE + 3
    is_on_level = any(one.y == other.y == at.y for one, other in pairwise(way))
    # Beside a badge, and above a line that it would lie on.
    lower = 0 if not arrow.number else -7 if is_on_level else 4
    first = at.y - (len(arrow.label) - 1) * height / 2 + lower
    badge, x, kind = "", at.x, "a"
    if arrow.number:
        badge = (
            f'<circle cx="{at.x:g}" cy="{at.y:g}" r="{_NUMBER}" fill="{_BADGE}" stroke="#fff" stroke-width="2"/>'
            f'<text class="n" x="{at.x:g}" y="{at.y + 4:g}">{escape(arrow.number)}</text>'
        )
        x, kind = at.x + _NUMBER + 5, 'a" style="text-anchor:start'
    lines = "".join(
        f'<text class="{kind}" x="{x:g}" y="{first + place * height:g}">{escape(line)}</text>'
        for place, line in enumerate(arrow.label)
    )
    return badge + lines


def _keys(diagram: Diagram) -> list[str]:
    x, y, parts = 24.0, diagram.size[1] - 22, []
    for key in diagram.keys:
        dashes = ' stroke-dasharray="6 4"' if key.dashed else ""
        parts.append(
            f'<path class="w" d="M{x:g} {y}h34" stroke="{COLOURS[key.colour]}"{dashes}'
            f' marker-end="url(#head-{key.colour})"/>'
            f'<text class="k" x="{x + 42:g}" y="{y + 4}">{escape(key.text)}</text>'
        )
        x += 42 + len(key.text) * LINE_SIZE * 0.53 + 28
    return parts
