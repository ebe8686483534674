"""Writes what is generated in the documents anew: `python -m docs.source.generate [FILE …]`. Knows no region."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from docs.source.regions import REGIONS

_DOCS: Final = Path(__file__).parents[1]
# What begins a region, its name, its text, what ends it, the name there.
REGION: Final = re.compile(r"(<!-- generated: (\S+) \(make docs\) -->\n)(.*?)(<!-- end: (\S+) -->)", re.DOTALL)


class RegionError(Exception):
    """A region is not closed by its own name, or there is no generator for it."""


def generated(text: str, regions: Mapping[str, Callable[[], str]]) -> str:
    """A document with all its regions written anew.

    Raises:
        RegionError: Which is wrong, and how.
    """

    def write(match: re.Match[str]) -> str:
        begin, name, _, end, closed_by = match.groups()
        if closed_by != name:
            raise RegionError(f"the region {name} is closed by {closed_by}")
        if name not in regions:
            raise RegionError(f"there is no region {name}; there are {', '.join(sorted(regions))}")
        return f"{begin}\n{regions[name]().strip()}\n\n{end}"

    written = REGION.sub(write, text)
    for word in ("generated", "end"):
        if written.count(f"<!-- {word}: ") != len(REGION.findall(written)):
            raise RegionError(f"a comment that says '{word}' stands alone")
    return written


def main(arguments: Sequence[str]) -> int:
    """Writes these documents, or all that lie in docs/ and above it; says which have changed."""
    paths = [Path(argument) for argument in arguments] or sorted([*_DOCS.glob("*.md"), *_DOCS.parent.glob("*.md")])
    for path in paths:
        text = path.read_text(encoding="utf-8")
        try:
            written = generated(text, REGIONS)
        except RegionError as error:
            sys.stderr.write(f"{path}: {error}\n")
            return 1
        if written != text:
            path.write_text(written, encoding="utf-8")
            sys.stdout.write(f"{path}: written anew\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
