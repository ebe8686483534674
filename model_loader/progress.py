"""How far a long piece of work on files has come. Knows nothing of who looks on."""

from collections.abc import Mapping
from typing import Protocol


class Watcher(Protocol):
    """Looks on. It is called from several threads at once."""

    def plan(self, sizes: Mapping[str, int]) -> None:
        """These files will be worked on; called once, before the first begins. Sizes in bytes, by path."""

    def begin(self, path: str, size: int, done: int) -> None:
        """Work on a file begins, or begins anew: it has `size` bytes, of which `done` need no more work."""

    def advance(self, path: str, count: int) -> None:
        """So many of its bytes more are done."""

    def end(self, path: str, outcome: str) -> None:
        """Its work is done; the outcome is a word or two for people, such as `fetched`."""


class Unwatched:
    """Nobody looks on."""

    def plan(self, sizes: Mapping[str, int]) -> None:
        """Says nothing."""

    def begin(self, path: str, size: int, done: int) -> None:
        """Says nothing."""

    def advance(self, path: str, count: int) -> None:
        """Says nothing."""

    def end(self, path: str, outcome: str) -> None:
        """Says nothing."""
