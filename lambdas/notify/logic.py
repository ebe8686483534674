"""A job that ended gets its outcome, and then its mails: each once. Knows no event's shape."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Any, Final

from lambdas.notify.mailer import Mailer, RejectedError
from lambdas.notify.mails import Told, admin_mail, user_mail
from lambdas.notify.settings import NotifySettings
from lambdas.shared.clients import is_in_doubt
from lambdas.shared.documents import DocumentError, Outcome, Step
from lambdas.shared.job_folder import (
    DELETED,
    LABEL,
    MAIL_TO_ADMIN,
    MAIL_TO_USER,
    NOTEBOOK,
    OUTCOME,
    OUTPUT,
    PREVIEW,
    REQUEST,
    Job,
    JobFolder,
)
from lambdas.shared.outcomes import (
    conclude,
    job_of_manifest,
    left_by_sagemaker,
    mails_about,
    outcome_of_failure,
    outcome_of_manifest,
)
from lambdas.shared.steps import BusyError, begin, finish, release
from lambdas.shared.store import Store
from lambdas.shared.telemetry import Metrics

NAME: Final = "notify"
# SES takes 40 MB; a mail should be read on a phone.
_LARGEST_PREVIEW = 4 * 2**20


@dataclass(frozen=True)
class Notify:
    """What it takes to end jobs and tell of it."""

    settings: NotifySettings
    store: Store
    mailer: Mailer
    now: Callable[[], datetime]
    metrics: Metrics
    log: Any

    def read_answer(self, key: str) -> None:
        """The container has answered a job, and SageMaker has put that under this key: the job ends.

        Raises:
            Exception: S3's; to be called again later.
        """
        stored = self.store.get(key)
        if stored is None:
            self.log.warning("the answer is gone", extra={"key": key})
            return
        try:
            job = job_of_manifest(stored.data, self.store)
            if job is None:
                self.log.info("an answer to the notebook", extra={"key": key})
                return
            outcome = outcome_of_manifest(stored.data, self.now())
        except DocumentError as error:
            # The sweep ends the job, as it knows by the job where its answer lies.
            self.log.error("an answer that is no manifest", extra={"key": key, "reason": str(error)})
            return
        self._conclude(job, outcome)

    def fail(self, input_location: str, reason: str) -> None:
        """SageMaker gave up the request that lies there: the job ends.

        Raises:
            Exception: S3's; to be called again later.
        """
        key = self.store.key_of(input_location)
        if key is not None and key.startswith(NOTEBOOK):
            self.log.info("a request of the notebook has failed", extra={"key": key})
            return
        found = None if key is None else Job.of_key(key)
        if found is None or found[1] != REQUEST:
            self.log.error("no job's request has failed", extra={"input_location": input_location})
            return
        folder = JobFolder(self.store, found[0])
        # SageMaker's reason does not always hold the container's own words, which tell the user what to change.
        words = left_by_sagemaker(self.store, folder.submission(), "failure_location")
        reasons = [reason] if words is None else [reason, words.decode(errors="replace")]
        self._conclude(found[0], outcome_of_failure(reasons, self.now()))

    def _conclude(self, job: Job, outcome: Outcome) -> None:
        if conclude(JobFolder(self.store, job), outcome):
            self.log.info("job ended", extra={"job_id": job.id, "status": outcome.status})

    def tell(self, job: Job) -> None:
        """Sends the mails of a job that has its outcome; each once, however often it is called.

        Of a deleted job, what came after the deletion is removed instead.

        Raises:
            BusyError: Another call is at it.
            Exception: S3's or SES's; to be called again later.
        """
        folder = JobFolder(self.store, job)
        names = folder.names()
        if DELETED in names:
            self._empty(folder)
            return
        outcome = folder.outcome() if OUTCOME in names else None
        asked = folder.request() if outcome is not None else None
        if outcome is None or asked is None:
            self.log.info("nothing to tell of", extra={"job_id": job.id})
            return
        origin = asked[1]
        name = (folder.label() if LABEL in names else None) or job.id
        told = Told(job, name, outcome, self._preview(folder, names))
        settings, sender = self.settings, self.mailer.sender
        to_user = user_mail(told, sender=sender, to=origin.email, page_url=settings.page_url)
        to_admin = admin_mail(
            told,
            sender=sender,
            to=settings.admin_mail,
            user=f"{origin.email} ({job.sub})",
            log_link=settings.log_link,
        )
        mails = {MAIL_TO_ADMIN: (settings.admin_mail, to_admin), MAIL_TO_USER: (origin.email, to_user)}
        refused: list[Exception] = []
        for step in mails_about(outcome):
            try:
                self._send_once(job, step, *mails[step], outcome)
            except Exception as error:  # noqa: BLE001 - one reader's mail must not hang on the other's; raised below
                reason = f"{type(error).__name__}: {error}"
                self.log.warning("a mail was not sent", extra={"job_id": job.id, "step": step, "reason": reason})
                refused.append(error)
        if DELETED in folder.names():  # deleted meanwhile: the steps have come back
            self._empty(folder)
            return
        if refused:
            raise next((error for error in refused if not isinstance(error, BusyError)), refused[0])
        submission = folder.submission()
        folder.forget(origin.upload_until, None if submission is None else submission.deadline)

    def _empty(self, folder: JobFolder) -> None:
        removed = folder.empty()
        self.log.info("deleted job emptied", extra={"job_id": folder.job.id, "removed": removed})

    def _send_once(self, job: Job, name: str, to: str, message: EmailMessage, outcome: Outcome) -> None:
        step = begin(self.store, job.key(name), self.now())
        if isinstance(step, Step):
            return
        try:
            message_id = self.mailer.send(to, message)
        except RejectedError as error:
            finish(self.store, step, {"rejected": str(error)})
            self.log.error("a mail was given up", extra={"job_id": job.id, "step": name, "reason": str(error)})
            self.metrics.count("MailsGivenUp")
            return
        except Exception as error:
            if not is_in_doubt(error):  # else the claim must run out first
                release(self.store, step, f"{type(error).__name__}: {error}")
            raise
        finish(self.store, step, {"message_id": message_id})
        self.metrics.count("MailsSent", by={"Status": outcome.status})

    def _preview(self, folder: JobFolder, names: set[str]) -> bytes | None:
        if OUTPUT not in names:
            return None
        picture = self.store.get(folder.job.key(OUTPUT + PREVIEW), first=_LARGEST_PREVIEW)
        return picture.data if picture is not None and picture.size == len(picture.data) else None
