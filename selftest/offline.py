"""Refuses the network for a while and notes who was to be reached. Knows nothing of who tries."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Python's audit events of what reaches another machine, and where in their arguments that machine is named:
# https://docs.python.org/3/library/audit_events.html
_EVENTS = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}


class NetworkRefusedError(Exception):
    """Something was to be reached over the network. No OSError, after which many packages would try again."""


class _Guard:
    """The hook, which stays once it is added, and the attempts while it refuses."""

    def __init__(self) -> None:
        self.attempts: list[str] | None = None
        self._is_added = False

    def add(self) -> None:
        if not self._is_added:
            sys.addaudithook(self._look)
            self._is_added = True

    def _look(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.attempts is None or event not in _EVENTS:
            return
        asked = arguments[_EVENTS[event]]
        if event.startswith(("socket.connect", "socket.send")) and not isinstance(asked, tuple):
            return  # a socket of this machine's own, which is named by a path
        place = ":".join(map(str, asked[:2])) if isinstance(asked, tuple) else str(asked)
        self.attempts.append(place)
        raise NetworkRefusedError(f"{place} was to be reached, but the network is refused here")


_GUARD = _Guard()


@contextmanager
def refused_network() -> Iterator[list[str]]:
    """Within, Python code can neither look a host up nor connect to one.

    Yields:
        Who was to be reached so far, as `host` or `host:port`; also where the code that tried went on without.
    """
    _GUARD.add()
    before, _GUARD.attempts = _GUARD.attempts, []
    try:
        yield _GUARD.attempts
    finally:
        _GUARD.attempts = before
