"""What was lost on the way is found: jobs that the sweep was asked to look at, and whose time has come.

It does no other Lambda's work: it has events brought again, and ends what nobody else will end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lambdas.shared.documents import DocumentError, Outcome, Step
from lambdas.shared.events import created_message
from lambdas.shared.job_folder import (
    CANCELLED,
    DELETED,
    IMAGE,
    OUTCOME,
    PENDING,
    REQUEST,
    Job,
    JobFolder,
    pending_until,
)
from lambdas.shared.outcomes import (
    cancelled,
    conclude,
    ended,
    left_by_sagemaker,
    mails_about,
    outcome_of_failure,
    outcome_of_manifest,
)
from lambdas.shared.store import Store
from lambdas.shared.telemetry import Metrics
from lambdas.sweep.queues import Queue
from lambdas.sweep.settings import SweepSettings

NAME: Final = "sweep"
# So long after a job's end a mail that SES still refuses is given up.
MAIL_PATIENCE: Final = timedelta(days=3)
# Whoever was told to do something is left alone for so long, and so is what could not be looked at.
LOOK_AGAIN: Final = timedelta(hours=1)
# With less time than this left, no further job is begun.
SECONDS_KEPT: Final = 10


class SweepError(Exception):
    """Some jobs could not be looked at; the log says why. The next sweep will look again."""


@dataclass(frozen=True)
class Sweep:
    """What it takes to find what was lost."""

    settings: SweepSettings
    store: Store
    uploaded: Queue
    finished: Queue
    now: Callable[[], datetime]
    metrics: Metrics
    log: Any

    def run(self, seconds_left: Callable[[], float]) -> int:
        """Looks at every job whose marker is due, and at no other, while there is time; how many those were.

        Args:
            seconds_left: How long the sweep may still take.

        Raises:
            SweepError: Some could not be looked at.
        """
        looked = failed = 0
        due = list(self._due())
        for job, when in due:
            if seconds_left() < SECONDS_KEPT:
                self.log.warning("the rest is left to the next sweep", extra={"jobs": len(due) - looked})
                break
            looked += 1
            failed += not self._try_to_look(JobFolder(self.store, job), when)
        if failed:
            raise SweepError(f"{failed} of {looked} jobs could not be looked at")
        return looked

    def _due(self) -> Iterator[tuple[Job, datetime]]:
        until = pending_until(self.now())
        for item in self.store.list_all(PENDING):
            if item.key >= until:
                return
            if found := Job.of_marker(item.key):
                yield found

    def _try_to_look(self, folder: JobFolder, when: datetime) -> bool:
        """Whether it could; else its marker makes way for those behind it."""
        try:
            self._look(folder, when)
        except Exception:
            self.log.exception("a job could not be looked at", extra={"job_id": folder.job.id})
        else:
            return True
        try:
            self._look_later(folder, when, self.now() + LOOK_AGAIN)
        except Exception:
            self.log.exception("a marker could not be moved", extra={"job_id": folder.job.id})
        return False

    def _look(self, folder: JobFolder, when: datetime) -> None:
        names = folder.names()
        if DELETED in names:
            removed = folder.empty()
            folder.forget(when)
            self.log.info("deleted job emptied", extra={"job_id": folder.job.id, "removed": removed})
        elif OUTCOME in names:
            self._look_at_mails(folder, when)
        elif REQUEST not in names:
            folder.forget(when)  # making the job was never finished
        elif CANCELLED in names:
            folder.end(cancelled(self.now()))
        else:
            submission = folder.submission()
            if submission is None or submission.state != "done":
                self._look_at_upload(folder, when, submission, has_photo=IMAGE in names)
            elif submission.deadline is not None and self.now() < submission.deadline:
                self._look_later(folder, when, submission.deadline)
            else:
                self._end(folder, self._found(submission))

    def _look_at_mails(self, folder: JobFolder, when: datetime) -> None:
        """The job has ended: all that may be missing is a mail."""
        outcome = folder.outcome()
        if outcome is None:  # deleted just now
            return
        steps = [self.store.get(folder.job.key(name)) for name in mails_about(outcome)]
        if all(stored is not None and Step.parse(stored.data).state == "done" for stored in steps):
            folder.forget(when)
        elif self.now() - outcome.ended_at < MAIL_PATIENCE:
            self.finished.send(created_message(self.store.bucket, folder.job.key(OUTCOME)))
            self._look_later(folder, when, self.now() + LOOK_AGAIN)
        else:
            folder.forget(when)
            self.log.error("a mail was given up", extra={"job_id": folder.job.id})
            self.metrics.count("MailsGivenUp")

    def _look_at_upload(self, folder: JobFolder, when: datetime, submission: Step | None, *, has_photo: bool) -> None:
        """The job was never given to SageMaker, as far as anybody has said."""
        asked = folder.request()
        if asked is None:
            return
        now, until = self.now(), asked[1].upload_until
        if now < until:
            self._look_later(folder, when, until)
        elif not has_photo:
            message = "The photo never arrived: make a new job, and upload the photo at once."
            self._end(folder, ended("failed", "upload_missing", message, now))
        elif now < until + timedelta(seconds=self.settings.submit_patience_seconds):
            self.uploaded.send(created_message(self.store.bucket, folder.job.key(IMAGE)))
            self._look_later(folder, when, now + LOOK_AGAIN)
        else:
            reason = "" if submission is None else submission.result.get("reason", "")
            message = f"No endpoint took the job in time. {reason}".strip()
            self._end(folder, ended("lost", "never_submitted", message, now))

    def _look_later(self, folder: JobFolder, when: datetime, later: datetime) -> None:
        if folder.job.marker(later) != folder.job.marker(when):
            folder.look_at(later)
            folder.forget(when)

    def _found(self, submission: Step) -> Outcome:
        """The outcome of a job past its deadline: from what SageMaker has left, if anything."""
        now = self.now()
        answer, failure = (
            left_by_sagemaker(self.store, submission, place) for place in ("output_location", "failure_location")
        )
        if answer is not None:
            try:
                return outcome_of_manifest(answer, now)
            except DocumentError as error:
                return ended("failed", "result_unreadable", f"The container's answer is no manifest: {error}.", now)
        if failure is not None:
            return outcome_of_failure([failure.decode(errors="replace")], now)
        return ended("lost", "no_answer", "Neither an answer nor a failure came before the deadline.", now)

    def _end(self, folder: JobFolder, outcome: Outcome) -> None:
        """Ends the job; its marker stays until its mails are sent."""
        if conclude(folder, outcome):
            reason = outcome.error.code if outcome.error else ""
            extra = {"job_id": folder.job.id, "status": outcome.status, "reason": reason}
            if reason == "upload_missing":  # somebody thought better of it: nothing that an alarm should tell
                self.log.info("the photo never came", extra=extra)
                return
            self.log.warning("job ended by the sweep", extra=extra)
            self.metrics.count("JobsEndedBySweep", by={"Status": outcome.status})
