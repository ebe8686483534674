"""Documents as data, and their commands run as a reader would paste them. Knows no document's content."""

import json
import os
import re
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from docs.source.generate import REGION
from tests.conftest import ROOT

# All that readers get: those at the top of the repository and those in docs/.
DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
# Each stands alone on the line above a block that cannot run here.
MARKS: Final = (
    "> Needs an AWS account: no test runs this.",
    "> Needs a GPU: no test runs this.",
    "> Needs access to the weights, and a GPU: no test runs this.",
    "> Needs Docker: make test-image runs this.",
    "> Needs Docker and a GPU: no test runs this.",
    "> Needs a network: no test runs this.",
)
# And this where something else runs it: a test, or the pipeline.
_RUN_BY: Final = re.compile(r"(?:> |<!-- )Run by (\S+?)(?: [\w ]+)?\.(?: -->)?")
_MARKDOWN: Final = MarkdownIt("commonmark").enable("table")
# GitHub drops these from a heading's anchor: all but letters, digits, `-`, `_` and blanks.
_NOT_IN_ANCHOR: Final = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: The word after the fence; empty where there is none.
        text: What it holds.
        line: The number of the line that its fence is on.
        mark: What stands on the line above it, where that is one of `MARKS`, or says what runs the block, a file of
            the repository.
    """

    language: str
    text: str
    line: int
    mark: str | None

    @property
    def is_run(self) -> bool:
        """Whether it is to be run: commands without a mark."""
        return self.language == "sh" and self.mark is None


@dataclass(frozen=True)
class Mention:
    """Some inline code or a link's address, and the line its paragraph or table row begins on."""

    text: str
    line: int


@dataclass(frozen=True)
class Region:
    """What a generator writes: its name, at the beginning and at the end, and what stands between."""

    name: str
    end: str
    text: str


class Document:
    """A Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self._tokens = _MARKDOWN.parse(self.text)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @cached_property
    def lines(self) -> list[str]:
        """Its lines."""
        return self.text.splitlines()

    @cached_property
    def blocks(self) -> list[Block]:
        """The fenced blocks, in order."""
        return [
            Block(token.info.strip(), token.content, _line(token), self._mark(token))
            for token in self._tokens
            if token.type == "fence"
        ]

    @cached_property
    def codes(self) -> list[Mention]:
        """What stands in inline code."""
        return [Mention(token.content, line) for token, line in self._inline() if token.type == "code_inline"]

    @cached_property
    def links(self) -> list[Mention]:
        """The addresses of links and pictures."""
        found = []
        for token, line in self._inline():
            address = token.attrGet("href" if token.type == "link_open" else "src")
            if token.type in ("link_open", "image") and address is not None:
                found.append(Mention(str(address), line))
        return found

    @cached_property
    def anchors(self) -> set[str]:
        """What GitHub makes of its headings, for links into the page."""
        seen: Counter[str] = Counter()
        anchors = set()
        for opening, heading in zip(self._tokens, self._tokens[1:], strict=False):
            if opening.type == "heading_open":
                words = "".join(
                    token.content for token in heading.children or () if token.type in ("text", "code_inline")
                )
                anchor = _NOT_IN_ANCHOR.sub("", words.strip().lower()).replace(" ", "-")
                anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
                seen[anchor] += 1
        return anchors

    @cached_property
    def regions(self) -> list[Region]:
        """What `make docs` writes."""
        return [Region(name, end, text.removesuffix("\n")) for _, name, text, _, end in REGION.findall(self.text)]

    def _inline(self) -> Iterator[tuple[Token, int]]:
        line = 0
        for token in self._tokens:
            if token.map is not None:
                line = _line(token)
            for child in token.children or ():
                yield child, line

    def _mark(self, fence: Token) -> str | None:
        above = self.lines[_line(fence) - 2].strip() if _line(fence) > 1 else ""
        run_by = _RUN_BY.fullmatch(above)
        return above if above in MARKS or (run_by and (ROOT / run_by[1]).is_file()) else None


def _line(token: Token) -> int:
    assert token.map is not None
    return token.map[0] + 1


# Running.


class BlockError(AssertionError):
    """A block ended with an error, took too long, or printed something else than the document shows."""


def run_blocks(
    document: Document, folder: Path, environment: Mapping[str, str], *, timeout: float = 90
) -> dict[int, str]:
    """Runs a document's unmarked blocks of commands, in order, in one bash.

    A block of JSON directly after one shows what it prints, and has to have the same shape.

    Args:
        document: The document.
        folder: Where the commands run; `checkout` in conftest.py makes one.
        environment: All variables that the commands see.
        timeout: After how many seconds they are ended.

    Returns:
        What each block wrote to standard output, by the line of the document that it begins on.

    Raises:
        BlockError: Which line, and why.
    """
    run = [block for block in document.blocks if block.is_run]
    if not run:
        raise BlockError(f"{document.name} has no commands to run")
    with tempfile.TemporaryDirectory(prefix="blocks-") as name:
        place = Path(name)
        # The document with all but its commands blank, so that the lines of which bash complains are the document's.
        script = [""] * len(document.lines)
        for block in run:
            where = place / str(block.line)
            script[block.line - 1] = f"exec >'{where}.out' 2>'{where}.err'"
            script[block.line : block.line + block.text.count("\n")] = block.text.splitlines()
        (place / document.name).write_text("\n".join([*script, ""]), encoding="utf-8")
        status = _bash(place / document.name, folder, environment, timeout)
        printed = {block.line: out.read_text() for block in run if (out := place / f"{block.line}.out").exists()}
        if status != 0:
            last = max(printed, default=run[0].line)
            (failed,) = (block for block in run if block.line == last)
            why = f"not done after {timeout:g} s" if status is None else f"exit status {status}"
            errors = place / f"{last}.err"
            said = errors.read_text() if errors.exists() else ""
            raise BlockError(
                f"{document.name}, the block on line {last}: {why}\n{failed.text}"
                f"--- standard error\n{said}--- standard output\n{printed.get(last, '')}"
            )
    _compare(document, printed)
    return printed


def _bash(script: Path, folder: Path, environment: Mapping[str, str], timeout: float) -> int | None:
    """Its exit status; None where it took too long. What it has left in the background ends too."""
    command = ["bash", "-eu", "-o", "pipefail", str(script)]
    with subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _compare(document: Document, printed: Mapping[int, str]) -> None:
    for block, shown in zip(document.blocks, document.blocks[1:], strict=False):
        if not block.is_run or shown.language != "json":
            continue
        where = f"{document.name}, the JSON on line {shown.line}"
        try:
            expected, got = json.loads(shown.text), json.loads(printed[block.line])
        except ValueError as error:
            message = f"{where}: it, or what the commands print, is no JSON: {error}\n{printed[block.line]}"
            raise BlockError(message) from None
        differences = list(differing(expected, got))
        if differences:
            raise BlockError("\n".join([f"{where} is not what the commands print:", *differences, printed[block.line]]))


def differing(expected: Any, got: Any, at: str = "$") -> Iterator[str]:
    """Where the shapes of two values differ: keys, JSON types, and those of lists' first elements."""
    if _kind(expected) != _kind(got):
        yield f"{at}: {_kind(expected)} in the document, {_kind(got)} in what is printed"
    elif isinstance(expected, dict):
        if expected.keys() != got.keys():
            shown, printed = sorted(expected.keys() - got.keys()), sorted(got.keys() - expected.keys())
            yield f"{at}: keys in the document alone: {shown}; in what is printed alone: {printed}"
        for key in expected.keys() & got.keys():
            yield from differing(expected[key], got[key], f"{at}.{key}")
    elif isinstance(expected, list) and expected:
        if got:
            yield from differing(expected[0], got[0], f"{at}[0]")
        else:
            yield f"{at}: a list with content in the document, an empty one in what is printed"


def _kind(value: Any) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "object"}
    return kinds.get(type(value), "null")
