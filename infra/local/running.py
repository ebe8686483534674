"""The note that `gen3d up` leaves of itself, by which other commands find the stage `local`. Starts nothing."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from infra.local.cloud import Cloud
from infra.local.processes import answers
from infra.local.stage import Stage, User
from serve.errors import Gen3DError

# One for each that runs here: what one begins or ends is no business of the others.
NOTES: Final = Path(__file__).parents[2] / "out" / "local"


@dataclass(frozen=True)
class Running:
    """A stage `local` that another process of this machine has running.

    Attributes:
        page: The address of the page and the API, without a slash at the end.
        cloud: The address of S3, Cognito and all the rest of ministack.
        moto: The address of what ministack leaves to moto.
        endpoint: The address of the asynchronous endpoint.
        folder: Where its logs are.
        email: The demo user's address, who signs in with it.
        password: The demo user's password.
        pid: The process that ends all of it when it ends.
    """

    page: str
    cloud: str
    moto: str
    endpoint: str
    folder: str
    email: str
    password: str
    pid: int

    def as_cloud(self) -> Cloud:
        """Its cloud, for boto3's clients."""
        return Cloud(self.cloud, self.moto)


@contextmanager
def note_running(stage: Stage, user: User) -> Iterator[None]:
    """Lets commands of this checkout find the stage meanwhile, and sign in as this user.

    Raises:
        Gen3DError: `local_cloud_failed`: the note cannot be written.
    """
    pid = os.getpid()
    found = Running(
        page=stage.page,
        cloud=stage.cloud.address,
        moto=stage.cloud.moto,
        endpoint=stage.endpoint,
        folder=str(stage.folder),
        email=user.email,
        password=user.password,
        pid=pid,
    )
    note = NOTES / f"{pid}.json"
    try:
        NOTES.mkdir(parents=True, exist_ok=True)
        _living()  # so that the notes of those that were killed do not gather
        # Made so that nobody else can read it; it is there whole or not at all.
        descriptor, draft = tempfile.mkstemp(dir=NOTES, prefix=".")
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(found), file, indent=1)
        Path(draft).replace(note)
    except OSError as error:
        message = f"What runs cannot be noted in {NOTES}, where other commands look for it: {error.strerror}."
        raise Gen3DError("local_cloud_failed", message) from None
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def find_running() -> Running:
    """The stage that `gen3d up` of this checkout has running; where there are several, the one started last.

    Raises:
        Gen3DError: `stage_not_running`.
    """
    for found in _living():
        if answers(f"{found.cloud}/_ministack/health"):
            return found
    raise Gen3DError(
        "stage_not_running", "The stage local does not run: start it with `gen3d up` in another terminal, and wait."
    )


def _living() -> list[Running]:
    """Those whose process lives, the last one first; the notes of those that were killed are removed."""
    living = []
    for note in sorted(NOTES.glob("*.json"), key=_noted_at, reverse=True):
        try:
            found = Running(**json.loads(note.read_text()))
        except (OSError, ValueError, TypeError):  # it has just ended, or was noted by another version
            continue
        if _is_alive(found.pid):
            living.append(found)
        else:
            note.unlink(missing_ok=True)
    return living


def _noted_at(note: Path) -> float:
    try:
        return note.stat().st_mtime
    except FileNotFoundError:
        return 0


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
