"""Tables in Markdown. Knows nothing of what is in them."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> str:
    """A table.

    Args:
        head: The columns' names.
        rows: A cell for each column; what is in it may be Markdown.
        right: The columns that are aligned to the right.
    """
    lines = [list(head), ["---:" if name in right else "---" for name in head]]
    lines += [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def code(value: object) -> str:
    """Inline code; nothing for what is absent or empty."""
    return "" if value is None or value == "" else f"`{value}`"
