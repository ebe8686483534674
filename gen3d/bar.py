"""A progress bar for the terminal, and the words for what a job is at. Knows nothing of the work."""

import sys
import time
from typing import Final, Self

# By the stages of the contract's Progress.
STAGES: Final = {
    "decode": "reading the photo",
    "segment": "segmenting",
    "reconstruct": "shaping",
    "finish": "checking",
    "store": "writing",
    "done": "done",
    "failed": "failed",
}


class Bar:
    """A progress bar where a person looks on, a line for each step where none does; both with the time it takes."""

    def __enter__(self) -> Self:
        # Imported here for the sake of --help, which needs none of it.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description:40}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task("starting", total=100)
        self._is_watched = console.is_terminal
        self._last = ("", "")
        self._began = time.monotonic()
        if self._is_watched:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_watched:
            self._bar.stop()

    def show(self, at: str, percent: float) -> None:
        """Moves the bar.

        Args:
            at: What is being done.
            percent: How much of it all is done, 0 to 100.
        """
        self._bar.update(self._task, description=at, completed=percent)
        now = (f"{percent:3.0f}", at)
        if not self._is_watched and now != self._last:
            print(f"{now[0]} %  {time.monotonic() - self._began:4.0f} s  {at}", file=sys.stderr, flush=True)
            self._last = now
