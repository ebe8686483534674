"""What the API does: jobs of one user are made, told of, named, stopped, tried again and removed. Knows no HTTP."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lambdas.jobs.asking import Asked
from lambdas.jobs.errors import ApiError
from lambdas.jobs.settings import JobsSettings
from lambdas.jobs.views import detail, summary, version
from lambdas.shared.documents import Origin, moment
from lambdas.shared.job_folder import (
    CANCELLED,
    DELETED,
    IMAGE,
    IMAGE_TAGS,
    LABEL,
    OUTCOME,
    OUTPUT,
    PROGRESS,
    REQUEST,
    Job,
    JobFolder,
    after_job,
    created_at,
    jobs_prefix,
    label_in,
    new_job_id,
)
from lambdas.shared.outcomes import cancelled
from lambdas.shared.pictures import MEDIA_TYPES
from lambdas.shared.store import Store, tag_header
from lambdas.shared.telemetry import count

NAME: Final = "jobs"
PAGE: Final = 20
# Longer than any job may be under way: the sweep ends it before.
_OPEN_FOR = timedelta(days=2)
# Listings of a page at most; the page is shorter where more were needed.
_LISTINGS = 2
# What is deleted is looked at again after this: by then whoever was writing is done.
_LATE_WRITERS = timedelta(minutes=15)


@dataclass(frozen=True)
class User:
    """Who is asking, as Cognito has verified him."""

    sub: str
    email: str


@dataclass(frozen=True)
class Jobs:
    """What it takes to answer the API."""

    settings: JobsSettings
    store: Store
    now: Callable[[], datetime]
    log: Any

    def create(self, user: User, asked: Asked) -> dict[str, Any]:
        """A new job, and where to upload its photo."""
        self._check_room(user)
        settings, now = self.settings, self.now()
        origin = Origin(
            sub=user.sub,
            email=user.email,
            image_type=asked.media_type,
            image_bytes=asked.size,
            upload_until=now + timedelta(seconds=settings.upload_seconds),
        )
        folder = self._begin(user, origin, asked.boxes, asked.options, asked.label)
        url, fields = self.store.presigned_post(
            folder.job.key(IMAGE),
            media_type=asked.media_type,
            most_bytes=asked.size,
            tags=IMAGE_TAGS,
            seconds=settings.upload_seconds,
        )
        upload = {"url": url, "fields": fields, "expires_at": moment(origin.upload_until)}
        return version({"id": folder.job.id, "status": "waiting", "upload": upload})

    def retry(self, user: User, job_id: str) -> dict[str, Any]:
        """A new job with the photo and the request of one that has ended."""
        folder, names = self._open(user, job_id)
        if not names & {OUTCOME, CANCELLED}:
            raise ApiError("job_not_ended", "The job has not ended: cancel it first, or wait.")
        asked = folder.request()
        if asked is None or IMAGE not in names:
            raise ApiError("image_gone", "The job's photo is no longer kept: make a new job with it.")
        self._check_room(user)
        request, old = json.loads(asked[0]), asked[1]
        until = self.now() + timedelta(seconds=self.settings.upload_seconds)
        origin = Origin(user.sub, user.email, old.image_type, old.image_bytes, until)
        label = self._label(folder) if LABEL in names else None
        new = self._begin(user, origin, request["boxes"], request["options"], label)
        if not self.store.copy(folder.job.key(IMAGE), new.job.key(IMAGE), tags=tag_header(IMAGE_TAGS)):
            raise ApiError("image_gone", "The job's photo is no longer kept: make a new job with it.")
        return version({"id": new.job.id, "status": "uploaded"})

    def _begin(self, user: User, origin: Origin, boxes: Any, options: Any, label: str | None) -> JobFolder:
        """The folder of a new job, which waits for its photo."""
        now = self.now()
        job = Job(user.sub, new_job_id(now))
        folder = JobFolder(self.store, job)
        request = {
            "job_id": job.id,
            "image_uri": self.store.uri(job.key(IMAGE)),
            "output_uri": self.store.uri(job.key(OUTPUT)),
            "boxes": boxes,
            "options": options,
        }
        # First, so that the sweep knows of every job there is.
        folder.look_at(origin.upload_until)
        self.store.put_first(job.key(REQUEST), json.dumps(request).encode(), metadata=origin.to_metadata())
        if label is not None:
            self.store.put(job.label_key(label, now), b"")
        self.log.info("job made", extra={"job_id": job.id, "boxes": len(boxes)})
        count("JobsCreated", NAME)
        return folder

    def get(self, user: User, job_id: str) -> dict[str, Any]:
        """All there is to say of a job, with links to its files."""
        job = self._job(user, job_id)
        folder = JobFolder(self.store, job)
        found = {item.key.removeprefix(job.prefix): item.size or 0 for item in self.store.list_all(job.prefix)}
        asked = folder.request() if REQUEST in found and DELETED not in found else None
        if asked is None:
            raise _no_such_job()
        outcome = folder.outcome() if OUTCOME in found else None
        progress = folder.progress() if PROGRESS in found and outcome is None else None
        seconds = self.settings.link_seconds
        return version(
            detail(
                job.id,
                found,
                json.loads(asked[0]),
                outcome,
                progress,
                lambda name: self.store.presigned_get(job.key(name), seconds),
            )
        )

    def page(self, user: User, cursor: str | None, limit: int) -> dict[str, Any]:
        """A page of jobs, the newest first, and the cursor of the next page where there may be one.

        It takes at most 2 listings, and reads at most one document of each job.
        """
        page: list[dict[str, Any]] = []
        last, more = cursor, True
        for _ in range(_LISTINGS):
            groups, more = self._groups(user, last)
            for job_id, names in groups:
                if len(page) == limit:
                    more = True
                    break
                last = job_id
                if REQUEST in names and DELETED not in names:
                    page.append(self._summary(Job(user.sub, job_id), names))
            if not more or len(page) == limit:
                break
        return version({"jobs": page, "next": last if more else None})

    def _summary(self, job: Job, names: set[str]) -> dict[str, Any]:
        folder = JobFolder(self.store, job)
        outcome = folder.outcome() if OUTCOME in names else None
        progress = folder.progress() if PROGRESS in names and outcome is None else None
        return summary(job.id, names, outcome, progress)

    def _groups(self, user: User, after: str | None) -> tuple[list[tuple[str, set[str]]], bool]:
        """The names in the folders of the jobs after this one, and whether more jobs follow."""
        start = jobs_prefix(user.sub)
        begin = None if after is None else after_job(user.sub, after)
        # All of a job's output is one entry, so that a listing holds dozens of jobs whatever they have made.
        found, more = self.store.list_page(start, after=begin, delimiter=f"/{OUTPUT}")
        groups: dict[str, set[str]] = {}
        for item in found:
            job_id, _, name = item.key.removeprefix(start).partition("/")
            groups.setdefault(job_id, set()).add(name)
        if more:
            groups.popitem()  # the rest of it may be on the next page
        return list(groups.items()), more

    def rename(self, user: User, job_id: str, label: str) -> dict[str, Any]:
        """Another name for a job."""
        folder, names = self._open(user, job_id)
        prefix = folder.job.prefix
        old = [item.key for item in self.store.list_all(prefix + LABEL)] if LABEL in names else []
        new = folder.job.label_key(label, self.now())
        self.store.put(new, b"")
        if stale := [key for key in old if key != new]:
            self.store.delete(stale)
        return version({"id": job_id, "label": label})

    def cancel(self, user: User, job_id: str) -> dict[str, Any]:
        """Ends a job; the container sees the tombstone before its next object."""
        folder, names = self._open(user, job_id)
        if OUTCOME in names:
            raise ApiError("job_ended", "The job has ended: there is nothing to cancel.")
        now = self.now()
        folder.bury(CANCELLED, now)
        if not folder.end(cancelled(now)):
            raise ApiError("job_ended", "The job has just ended: there is nothing to cancel.")
        self.log.info("job cancelled", extra={"job_id": job_id})
        return version({"id": job_id, "status": "cancelled"})

    def delete(self, user: User, job_id: str) -> None:
        """Removes a job and all versions of all its files; only the tombstone stays, for those who write late."""
        folder, names = self._open(user, job_id, deleted_too=True)
        if DELETED not in names:
            now = self.now()
            later = now + _LATE_WRITERS
            submission = folder.submission()
            if submission is not None and submission.deadline is not None:
                # Not the submission's own marker, which goes with the mails.
                later = max(later, submission.deadline + timedelta(minutes=1))
            folder.look_at(later)
            folder.bury(DELETED, now)
        folder.empty()
        self.log.info("job deleted", extra={"job_id": job_id})

    def limits(self, user: User) -> dict[str, Any]:
        """What the user may ask for, and how much of it is taken."""
        settings = self.settings
        return version(
            {
                "open_jobs": {"used": sum(1 for _ in self._open_jobs(user)), "most": settings.max_open_jobs},
                "max_boxes": settings.max_boxes,
                "max_image_bytes": settings.max_image_bytes,
                "image_types": list(MEDIA_TYPES),
                "upload_seconds": settings.upload_seconds,
                "link_seconds": settings.link_seconds,
            }
        )

    def _check_room(self, user: User) -> None:
        """Two requests at the very same time may both find room: the quota is a help, and no wall."""
        most = self.settings.max_open_jobs
        if sum(1 for _ in self._open_jobs(user)) >= most:
            message = f"You have {most} jobs under way, as many as one may have: wait for one, or cancel one."
            raise ApiError("too_many_open_jobs", message, max_open_jobs=most)

    def _open_jobs(self, user: User) -> Iterator[str]:
        last, more = None, True
        oldest = self.now() - _OPEN_FOR
        while more:
            groups, more = self._groups(user, last)
            for job_id, names in groups:
                if created_at(job_id) < oldest:
                    return
                last = job_id
                if REQUEST in names and not names & {OUTCOME, CANCELLED, DELETED}:
                    yield job_id

    def _label(self, folder: JobFolder) -> str | None:
        prefix = folder.job.prefix
        return label_in(item.key.removeprefix(prefix) for item in self.store.list_all(prefix + LABEL))

    def _job(self, user: User, job_id: str) -> Job:
        try:
            return Job(user.sub, job_id)
        except ValueError:
            raise _no_such_job() from None

    def _open(self, user: User, job_id: str, *, deleted_too: bool = False) -> tuple[JobFolder, set[str]]:
        """A job's folder, and what lies in it."""
        folder = JobFolder(self.store, self._job(user, job_id))
        names = folder.names()
        if (DELETED in names and not deleted_too) or not names & {REQUEST, DELETED}:
            raise _no_such_job()
        return folder, names


def _no_such_job() -> ApiError:
    return ApiError("job_not_found", "You have no such job.")
