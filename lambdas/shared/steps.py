"""Doing something once, although events come twice and a Lambda may die at any point. Knows not what is done.

A step's document says `begun` before and `done` after. Who finds it begun by somebody who may still live keeps off;
who finds it begun by somebody who must be dead, or released after a failure, begins it anew. So a step is done again
only where somebody who did it died before saying so, could not record it, or never heard that it was done.
"""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from lambdas.shared.documents import Step, to_json
from lambdas.shared.store import Store

# A Lambda must have ended by then: the templates give each a timeout of LAMBDA_SECONDS.
LAMBDA_SECONDS: Final = 60
CLAIM_SECONDS: Final = 120


class BusyError(Exception):
    """Somebody else is at it: come again later."""


@dataclass(frozen=True)
class Begun:
    """A step that is ours to do: `step` lies at `key`, as the version `etag`."""

    key: str
    step: Step
    etag: str


def begin(store: Store, key: str, now: datetime, *, deadline: datetime | None = None) -> Begun | Step:
    """Begins a step, unless it is done: then what lies there.

    Raises:
        BusyError: Somebody else has begun it, and may still be alive.
    """
    until = now + timedelta(seconds=CLAIM_SECONDS)
    ours = Step(state="begun", by=secrets.token_hex(8), until=until, deadline=deadline, result={})
    etag = store.put_first(key, to_json(ours))
    if etag is not None:
        return Begun(key, ours, etag)
    stored = store.get(key)
    if stored is None:
        raise BusyError(f"'{key}' went away")
    step = Step.parse(stored.data)
    if step.by == ours.by:  # the write was repeated on its way, and met itself
        return Begun(key, ours, stored.etag)
    if step.state == "done":
        return step
    if step.state == "begun" and now < step.until:
        raise BusyError(f"'{key}' was begun by another, who has until {step.until}")
    etag = store.replace(key, to_json(ours), stored.etag)
    if etag is None:
        raise BusyError(f"'{key}' was begun by another at the same time")
    return Begun(key, ours, etag)


def finish(store: Store, begun: Begun, result: dict[str, str]) -> None:
    """The step is done."""
    # Where it is no longer ours, somebody else took us for dead, and will say so himself.
    store.replace(begun.key, to_json(replace(begun.step, state="done", result=result)), begun.etag)


def release(store: Store, begun: Begun, reason: str) -> None:
    """The step was not done: the next one may try at once."""
    released = replace(begun.step, state="released", result={"reason": reason})
    store.replace(begun.key, to_json(released), begun.etag)
