"""Runs a check and says in a row what it found. Knows nothing of what checks look at."""

import textwrap
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from selftest.offline import refused_network
from serve.errors import Gen3DError

Status = Literal["ok", "failed", "skipped"]
_LONGEST = 400  # characters of a finding


class CheckFailedError(Exception):
    """What was looked at is wrong: the message says what, and what to do."""


class CheckSkippedError(Exception):
    """It cannot be looked at here: the message says why."""


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes:
        name: A word or three.
        look: Returns what it found, in a few words, or raises: `CheckFailedError`, `CheckSkippedError`, or whatever
            goes wrong.
    """

    name: str
    look: Callable[[], str]


@dataclass(frozen=True)
class Row:
    """What a check found, on one line, and how long it took."""

    check: str
    status: Status
    seconds: float
    finding: str


def run_check(check: Check) -> Row:
    """Looks, without a network: an attempt to reach it is a failure, also where the code goes on without.

    Whatever the check raises is a failure, named by its type, and no reason for the next check not to run.
    """
    began = time.perf_counter()
    status: Status = "failed"
    with refused_network() as attempts:
        try:
            status, finding = "ok", check.look()
        except CheckSkippedError as reason:
            status, finding = "skipped", str(reason)
        except CheckFailedError as error:
            finding = str(error)
        except Gen3DError as error:
            finding = f"{error.code}: {error.message}"
        except ModuleNotFoundError as error:
            finding = f"{error}: install what the engine needs (in a checkout: make setup, make setup-sam3d)"
        except Exception as error:  # noqa: BLE001 - it becomes the row
            finding = f"{type(error).__name__}: {error}"
    if attempts:
        status, finding = "failed", f"{attempts[0]} was to be reached, but nothing here may need a network"
    return Row(check.name, status, time.perf_counter() - began, textwrap.shorten(finding, _LONGEST, placeholder=" …"))


def some(names: Iterable[str], most: int = 5) -> str:
    """The first few of many names, and how many more there are."""
    ordered = sorted(names)
    rest = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {rest} more" if rest > 0 else "")
