"""The job folder: every key there is, what lies where, and what it says of the job. Nobody else spells a key.

    users/<sub>/jobs/<job>/request.json     what is asked, as the container reads it; its metadata say who asks
                           image            the photo
                           label/<when>-<text>   the user's name for the job; the newest counts
                           submitted.json   a step: the job was given to SageMaker
                           progress.json    written by the container
                           output/…         written by the container
                           outcome.json     how the job ended
                           mail-user.json, mail-admin.json   steps: the mails about it
                           cancelled.json, deleted.json      tombstones
    pending/<when>/<sub>/<job>              when the sweep is to look at a job
    users/notebook/…                        what the notebook asks and gets: of no user, and no job to the Lambdas
    async/output/…, async/failure/…         written by SageMaker

A label lies in a key and not in a document, because a page of 20 jobs must cost 22 calls at most: one listing tells
all the keys of 20 jobs, and of each job one document is read.
"""

import base64
import binascii
import re
import secrets
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Self

from lambdas.shared.documents import DocumentError, Origin, Outcome, Progress, Step, Tombstone, to_json
from lambdas.shared.store import Store, tag_header

REQUEST, IMAGE, OUTCOME, PROGRESS = "request.json", "image", "outcome.json", "progress.json"
SUBMITTED = "submitted.json"
CANCELLED: Final = "cancelled.json"
DELETED: Final = "deleted.json"
MAIL_TO_USER, MAIL_TO_ADMIN = "mail-user.json", "mail-admin.json"
OUTPUT, LABEL = "output/", "label/"
ASYNC_OUTPUT, ASYNC_FAILURE, PENDING = "async/output/", "async/failure/", "pending/"
NOTEBOOK: Final = "users/notebook/"
PREVIEW: Final = "preview.png"
THUMBNAIL: Final = "thumbnail.jpg"
MANIFEST: Final = "manifest.json"
# What lifecycle rules go by, as their filters know no wildcards.
IMAGE_TAGS: Final = {"Gen3D": "input"}
TOMBSTONE_TAGS: Final = {"Gen3D": "tombstone"}
LONGEST_LABEL: Final = 80

Status = Literal[
    "waiting", "uploaded", "queued", "running", "succeeded", "partial", "failed", "cancelled", "lost", "deleted"
]

_SUB = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_JOB_ID = re.compile(r"[0-9]{13}-[0-9a-f]{16}")
_KEY = re.compile(r"users/(?P<sub>[^/]+)/jobs/(?P<job>[^/]+)/(?P<name>.+)", re.DOTALL)
_MARKER = re.compile(r"pending/(?P<when>\d{8}T\d{6}Z)/(?P<sub>[^/]+)/(?P<job>[^/]+)")
_WHEN = "%Y%m%dT%H%M%SZ"
_LATEST_MS = 10**13 - 1


def is_sub(text: str) -> bool:
    """Whether this may be a Cognito user's `sub`: a UUID."""
    return _SUB.fullmatch(text) is not None


def is_job_id(text: str) -> bool:
    """Whether this may be a job's id."""
    return _JOB_ID.fullmatch(text) is not None


def new_job_id(now: datetime) -> str:
    """A job's id: 13 digits that fall as time rises, so that S3 lists the newest first, then 64 random bits.

    It is also a valid InferenceId of SageMaker's and a JobId of the contract.
    """
    return f"{_inverted(now)}-{secrets.token_hex(8)}"


def created_at(job_id: str) -> datetime:
    """When the job was made, to the millisecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=_LATEST_MS - int(job_id[:13]))


def _inverted(when: datetime) -> str:
    return f"{_LATEST_MS - int(when.timestamp() * 1000):013d}"


def to_label(text: str) -> str:
    """A label as it is kept: at most 80 characters, NFC, no blanks around it.

    Raises:
        ValueError: What is wrong with it, to be read after "The label".
    """
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        raise ValueError("is empty")
    if len(text) > LONGEST_LABEL:
        raise ValueError(f"has {len(text)} characters, at most {LONGEST_LABEL} are kept")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise ValueError("has control characters, such as line breaks, in it")
    return text


@dataclass(frozen=True, order=True)
class Job:
    """Whose job, and which. Both were checked: no other characters ever get into a key.

    Raises:
        ValueError: One of them is not what it must be.
    """

    sub: str
    id: str

    def __post_init__(self) -> None:
        if not is_sub(self.sub) or not is_job_id(self.id):
            raise ValueError(f"there can be no job {self.id!r} of a user {self.sub!r}")

    @property
    def prefix(self) -> str:
        """What all keys of the folder begin with."""
        return f"{jobs_prefix(self.sub)}{self.id}/"

    def key(self, name: str) -> str:
        """The key of something in the folder."""
        return self.prefix + name

    def label_key(self, label: str, now: datetime) -> str:
        """The key that names the job so from now on."""
        return self.key(f"{LABEL}{_inverted(now)}-{base64.urlsafe_b64encode(label.encode()).decode().rstrip('=')}")

    def marker(self, when: datetime) -> str:
        """The key that has the sweep look at the job then."""
        return f"{PENDING}{when.astimezone(UTC).strftime(_WHEN)}/{self.sub}/{self.id}"

    @classmethod
    def of_key(cls, key: str) -> tuple[Self, str] | None:
        """The job in whose folder a key lies, and the name there; None for any other key."""
        match = _KEY.fullmatch(key)
        try:
            return None if match is None else (cls(match["sub"], match["job"]), match["name"])
        except ValueError:
            return None

    @classmethod
    def of_marker(cls, key: str) -> tuple[Self, datetime] | None:
        """The job that a marker is of, and when it is due; None for any other key."""
        match = _MARKER.fullmatch(key)
        try:
            if match is None:
                return None
            return cls(match["sub"], match["job"]), datetime.strptime(match["when"], _WHEN).replace(tzinfo=UTC)
        except ValueError:
            return None


def jobs_prefix(sub: str) -> str:
    """What all keys of all jobs of a user begin with."""
    return f"users/{sub}/jobs/"


def after_job(sub: str, job_id: str) -> str:
    """A key that comes after all of this job's and before all of the next one's."""
    return f"{jobs_prefix(sub)}{job_id}0"  # 0 is the character after /


def pending_until(now: datetime) -> str:
    """A key that comes after all markers that are due, and before all others."""
    return f"{PENDING}{now.astimezone(UTC).strftime(_WHEN)}0"


def label_in(names: Iterable[str]) -> str | None:
    """The job's label, by the names that lie in its folder."""
    newest = min((name for name in names if name.startswith(LABEL)), default=None)
    if newest is None:
        return None
    coded = newest.removeprefix(LABEL).partition("-")[2]
    try:
        return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def status_of(names: Iterable[str], outcome: Outcome | None) -> Status:
    """What is the matter with a job: a pure function of what lies in its folder, in whatever order it came there.

    Args:
        names: What lies in the folder.
        outcome: `outcome.json`, where it lies there.
    """
    there = set(names)
    if DELETED in there:
        return "deleted"
    if outcome is not None:
        return outcome.status
    if CANCELLED in there:
        return "cancelled"
    if PROGRESS in there:
        return "running"
    if SUBMITTED in there:
        return "queued"
    return "uploaded" if IMAGE in there else "waiting"


class JobFolder:
    """One job's folder in the bucket."""

    def __init__(self, store: Store, job: Job) -> None:
        self.store, self.job = store, job

    def names(self) -> set[str]:
        """What lies in the folder; all of `output/` is one name, and all of `label/`."""
        found, _ = self.store.list_page(self.job.prefix, delimiter="/")
        return {item.key.removeprefix(self.job.prefix) for item in found}

    def request(self) -> tuple[bytes, Origin] | None:
        """What is asked, and who asks; None where there is no such job."""
        stored = self.store.get(self.job.key(REQUEST))
        return None if stored is None else (stored.data, Origin.parse(stored.metadata))

    def outcome(self) -> Outcome | None:
        """How the job ended; None where it has not."""
        stored = self.store.get(self.job.key(OUTCOME))
        return None if stored is None else Outcome.parse(stored.data)

    def progress(self) -> Progress | None:
        """Where the container is; None where it has not begun, or has written what cannot be read."""
        stored = self.store.get(self.job.key(PROGRESS))
        try:
            return None if stored is None else Progress.parse(stored.data)
        except DocumentError:
            return None

    def submission(self) -> Step | None:
        """How far the job's way to SageMaker is; None where it has not begun."""
        stored = self.store.get(self.job.key(SUBMITTED))
        return None if stored is None else Step.parse(stored.data)

    def label(self) -> str | None:
        """The job's label; None where it has none."""
        prefix = self.job.prefix
        return label_in(item.key.removeprefix(prefix) for item in self.store.list_all(prefix + LABEL))

    def end(self, outcome: Outcome) -> bool:
        """Writes the outcome; False where somebody was first."""
        return self.store.put_first(self.job.key(OUTCOME), to_json(outcome)) is not None

    def bury(self, name: Literal["cancelled.json", "deleted.json"], now: datetime) -> None:
        """Sets up a tombstone, unless it stands already."""
        tags = tag_header(TOMBSTONE_TAGS)
        self.store.put_first(self.job.key(name), to_json(Tombstone(now)), tags=tags)

    def empty(self) -> int:
        """Removes everything but `deleted.json`, old versions too; how many versions that were."""
        return self.store.delete_for_good(self.job.prefix, but=self.job.key(DELETED))

    def look_at(self, when: datetime) -> None:
        """Has the sweep look at the job then."""
        self.store.put(self.job.marker(when), b"")

    def forget(self, *times: datetime | None) -> None:
        """The sweep need not look at the job at these times."""
        markers = sorted({self.job.marker(when) for when in times if when is not None})
        if markers:
            self.store.delete(markers)
