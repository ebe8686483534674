"""An uploaded photo becomes one invocation of the endpoint, or an outcome that says why not. Knows no event's shape."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lambdas.extract.runtime import Endpoint
from lambdas.extract.settings import ExtractSettings
from lambdas.shared.clients import is_in_doubt
from lambdas.shared.documents import DocumentError, Origin, Outcome, Step
from lambdas.shared.job_folder import (
    CANCELLED,
    DELETED,
    IMAGE,
    OUTCOME,
    PROGRESS,
    REQUEST,
    SUBMITTED,
    Job,
    JobFolder,
)
from lambdas.shared.outcomes import cancelled, ended
from lambdas.shared.pictures import HEAD_BYTES, MEDIA_TYPES, kind_of_picture
from lambdas.shared.steps import begin, finish, release
from lambdas.shared.store import Store
from lambdas.shared.telemetry import Metrics

# Between the last moment at which SageMaker gives a job up and the sweep's asking for it.
GRACE: Final = timedelta(minutes=10)
NAME: Final = "extract"


@dataclass(frozen=True)
class Extract:
    """What it takes to submit jobs."""

    settings: ExtractSettings
    store: Store
    endpoint: Endpoint
    now: Callable[[], datetime]
    metrics: Metrics
    log: Any

    def submit(self, key: str, version: str | None) -> None:
        """Submits the job whose photo was uploaded under this key; once, however often it is called.

        The form that takes the photo can be sent again for as long as it works: the first upload is the job's photo,
        and every later one is removed.

        Args:
            key: Where the photo was uploaded.
            version: Which version of the object that was; None where that is not known.

        Raises:
            BusyError: Another call is at it.
            Exception: S3's or SageMaker's; to be called again later.
        """
        found = Job.of_key(key)
        if found is None or found[1] != IMAGE:
            self.log.warning("no photo's key", extra={"key": key})
            return
        job, folder = found[0], JobFolder(self.store, found[0])
        names = folder.names()
        if DELETED in names:
            folder.empty()
            return
        if version is not None and IMAGE in names and version != self.store.first_version(key):
            self.log.warning("a photo that came too late is removed", extra={"job_id": job.id})
            self.store.delete_version(key, version)
        if OUTCOME in names:
            self.log.info("the job has ended", extra={"job_id": job.id})
        elif CANCELLED in names:
            folder.end(cancelled(self.now()))
        elif IMAGE in names and (asked := self._asked(folder)) is not None:
            refusal = self._refusal(folder)
            if refusal is None:
                self._invoke(folder, asked, names)
            elif SUBMITTED not in names:
                self._refuse(folder, refusal)

    def _asked(self, folder: JobFolder) -> Origin | None:
        """Who asks for the job; None where nobody did in the way that the Lambda jobs lets people ask."""
        try:
            asked = folder.request()
            if asked is None:
                raise DocumentError("there is no request.json")
            body, origin = asked
            request = json.loads(body)
            if origin.sub != folder.job.sub or request.get("job_id") != folder.job.id:
                raise DocumentError("request.json is another job's")
        except (ValueError, AttributeError) as error:
            self.log.error("a photo without a proper request", extra={"job_id": folder.job.id, "reason": str(error)})
            return None
        return origin

    def _refusal(self, folder: JobFolder) -> Outcome | None:
        """The outcome of a photo that the container could do nothing with; None for any other."""
        photo = self.store.get(folder.job.key(IMAGE), first=HEAD_BYTES)
        most = self.settings.max_image_bytes
        if photo is None or photo.size == 0:
            return ended("failed", "image_empty", "The photo has no bytes: send the file itself.", self.now())
        if photo.size > most:
            message = f"The photo has {photo.size} bytes, at most {most} are taken: send a smaller one."
            return ended("failed", "image_too_large", message, self.now())
        if kind_of_picture(photo.data) is None:
            kinds = ", ".join(dict.fromkeys(MEDIA_TYPES.values()))
            message = f"The file is none of the pictures that are read ({kinds}): export the photo as JPEG or PNG."
            return ended("failed", "image_unsupported", message, self.now())
        return None

    def _refuse(self, folder: JobFolder, refusal: Outcome) -> None:
        folder.end(refusal)
        reason = refusal.error.code if refusal.error else ""
        self.log.info("upload refused", extra={"job_id": folder.job.id, "reason": reason})
        self.metrics.count("UploadsRefused", by={"Reason": reason})

    def _invoke(self, folder: JobFolder, asked: Origin, names: set[str]) -> None:
        job, settings = folder.job, self.settings
        longest = settings.request_ttl_seconds + settings.invocation_timeout_seconds
        deadline = self.now() + timedelta(seconds=longest) + GRACE
        step = begin(self.store, job.key(SUBMITTED), self.now(), deadline=deadline)
        if isinstance(step, Step):
            self._look_later(folder, asked, step.deadline)
            return
        places: dict[str, str] = {}
        # Before the invocation, so that there is never one that nobody asks for.
        folder.look_at(deadline)
        if PROGRESS not in names:  # else somebody did invoke the endpoint, and died before saying so
            try:
                places = self.endpoint.invoke(
                    self.store.uri(job.key(REQUEST)),
                    job.id,
                    ttl_seconds=settings.request_ttl_seconds,
                    timeout_seconds=settings.invocation_timeout_seconds,
                )
            except Exception as error:
                if not is_in_doubt(error):  # else the claim must run out first
                    release(self.store, step, f"{type(error).__name__}: {error}")
                raise
        finish(self.store, step, places)
        self._look_later(folder, asked, deadline)
        self.log.info("job submitted", extra={"job_id": job.id})
        self.metrics.count("JobsSubmitted")

    def _look_later(self, folder: JobFolder, asked: Origin, deadline: datetime | None) -> None:
        """The sweep need not ask for the upload any more."""
        if deadline is not None and folder.job.marker(deadline) != folder.job.marker(asked.upload_until):
            folder.forget(asked.upload_until)
