"""Tells what is under way, with the time since the beginning. Knows nothing of what it is."""

import sys
import time


class Clock:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def tell(self, line: str) -> None:
        """Prints a line on standard error."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        print(f"{minutes:3}:{seconds:02}  {line}", file=sys.stderr, flush=True)
