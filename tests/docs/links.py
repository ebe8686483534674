"""Where a document's links lead. Asks no other machine: addresses elsewhere are not looked at."""

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from tests.docs.documents import Document

# Made here, and in no repository.
_NOT_KEPT = ("out", ".venv", ".venv-sam3d")


def broken_links(document: Document) -> Iterator[str]:
    """What is wrong with each link that leads nowhere."""
    for link in document.links:
        address = urlsplit(link.text)
        if address.scheme:
            continue
        where = f"{document.name}, line {link.line}: {link.text}"
        target = document.path if not address.path else document.path.parent / unquote(address.path)
        if address.netloc or address.path.startswith("/"):
            yield f"{where}: not relative"
        elif not target.exists():
            yield f"{where}: there is no such file"
        elif set(_NOT_KEPT) & set(unquote(address.path).split("/")):
            yield f"{where}: it is not in the repository"
        elif address.fragment and target.suffix == ".md" and address.fragment not in Document(target).anchors:
            yield f"{where}: {target.name} has no such heading"
