"""What the API does: jobs of one user are made, told of, named, stopped, tried again and removed. Knows no HTTP."""

import json
from collections.abc import Callable
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
    is_job_id,
    jobs_prefix,
    new_job_id,
)
from lambdas.shared.outcomes import cancelled
from lambdas.shared.pictures import MEDIA_TYPES
from lambdas.shared.store import Store, tag_header
from lambdas.shared.telemetry import Metrics

NAME: Final = "jobs"
PAGE: Final = 20
# Longer than any job may be under way: the sweep ends it before.
_OPEN_FOR = timedelta(days=2)
_A_DAY = timedelta(days=1)
# Listings of a page at most; the page is shorter where more were needed.
_LISTINGS = 2
# A deleted job is looked at again after this, for Lambdas that were writing; where SageMaker has it, after its
# deadline, as the container may write till then.
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
    metrics: Metrics
    log: Any

    def create(self, user: User, asked: Asked) -> dict[str, Any]:
        """A new job, and where to upload its photo."""
        self._check_room(user)
        settings, now = self.settings, self.now()
        origin = Origin(
            sub=user.sub,
            email=user.email,
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
        request = json.loads(asked[0])
        until = self.now() + timedelta(seconds=self.settings.upload_seconds)
        origin = Origin(user.sub, user.email, until)
        label = folder.label() if LABEL in names else None
        new = self._begin(user, origin, request["boxes"], request["options"], label)
        if not self.store.copy(folder.job.key(IMAGE), new.job.key(IMAGE), tags=tag_header(IMAGE_TAGS)):
            new.empty()
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
        self.metrics.count("JobsCreated")
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
        return version(detail(job.id, found, json.loads(asked[0]), outcome, progress, self._link(job)))

    def _link(self, job: Job) -> Callable[[str], str]:
        """Makes the address of something in the job's folder."""
        seconds = self.settings.link_seconds
        return lambda name: self.store.presigned_get(job.key(name), seconds)

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
        return summary(job.id, names, outcome, progress, self._link(job))

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
        if more and len(groups) > 1:
            groups.popitem()  # the rest of it may be on the next page
        return [(job_id, names) for job_id, names in groups.items() if is_job_id(job_id)], more

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
        # First the outcome, so that nobody who has listed the folder before can still end it otherwise; the tombstone
        # is the container's to see.
        if not folder.end(cancelled(now)):
            raise ApiError("job_ended", "The job has just ended: there is nothing to cancel.")
        folder.bury(CANCELLED, now)
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
        under_way, made = self._count_jobs(user)
        return version(
            {
                "open_jobs": {"used": under_way, "most": settings.max_open_jobs},
                "jobs_a_day": {"used": made, "most": settings.max_jobs_a_day},
                "max_boxes": settings.max_boxes,
                "max_image_bytes": settings.max_image_bytes,
                "image_types": list(MEDIA_TYPES),
                "upload_seconds": settings.upload_seconds,
                "link_seconds": settings.link_seconds,
            }
        )

    def _check_room(self, user: User) -> None:
        """Two requests at the very same time may both find room: the quotas are a help, and no wall."""
        most, most_a_day = self.settings.max_open_jobs, self.settings.max_jobs_a_day
        under_way, made = self._count_jobs(user)
        if under_way >= most:
            message = f"You have {most} jobs under way, as many as one may have: wait for one, or cancel one."
            raise ApiError("too_many_open_jobs", message, max_open_jobs=most)
        if made >= most_a_day:
            message = f"You have made {most_a_day} jobs in 24 hours, as many as one may: come again tomorrow."
            raise ApiError("too_many_jobs", message, max_jobs_a_day=most_a_day)

    def _count_jobs(self, user: User) -> tuple[int, int]:
        """How many jobs are under way, and how many were made in the last 24 hours, whatever became of them."""
        under_way = made = 0
        last, more = None, True
        now = self.now()
        while more:
            groups, more = self._groups(user, last)
            for job_id, names in groups:
                if created_at(job_id) < now - _OPEN_FOR:
                    return under_way, made
                last = job_id
                made += created_at(job_id) > now - _A_DAY
                under_way += REQUEST in names and not names & {OUTCOME, CANCELLED, DELETED}
        return under_way, made

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
