"""How a job ended: from the container's manifest, or from SageMaker's failure. Knows nothing of mails."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lambdas.shared.documents import DocumentError, Fields, File, ObjectOutcome, Outcome, Problem, Step, readable
from lambdas.shared.job_folder import (
    CANCELLED,
    DELETED,
    MAIL_TO_ADMIN,
    MAIL_TO_USER,
    NOTEBOOK,
    OUTCOME,
    OUTPUT,
    Job,
    JobFolder,
)
from lambdas.shared.store import Store

_LONGEST_MESSAGE = 500


def job_of_manifest(manifest: bytes, store: Store) -> Job | None:
    """The job that a manifest is of, by the folder it says the results lie in; None where the notebook asked for it.

    Raises:
        DocumentError: It is no manifest, or of no job of this bucket.
    """
    fields = Fields.of_json(manifest, "the manifest")
    key = store.key_of(fields.text("output_uri"))
    if key is not None and key.startswith(NOTEBOOK):
        return None
    found = None if key is None else Job.of_key(key)
    if found is None or found[1] != OUTPUT or found[0].id != fields.text("job_id"):
        raise DocumentError("the manifest's output_uri is no job's folder")
    return found[0]


def outcome_of_manifest(manifest: bytes, now: datetime) -> Outcome:
    """Raises DocumentError where it is no manifest."""
    fields = Fields.of_json(manifest, "the manifest")
    engine = fields.fields_or_none("engine")
    return Outcome(
        status=fields.choice("status", ("succeeded", "partial", "failed")),
        ended_at=now,
        engine=None if engine is None else engine.text("name"),
        preview=engine is not None and engine.flag("preview"),
        objects=tuple(_object(item) for item in fields.each("objects")),
        files=tuple(File.read(item) for item in fields.each("artefacts")),
        error=Problem("no_object_made", "No object could be made: each says why.")
        if fields.text("status") == "failed"
        else None,
    )


def _object(fields: Fields) -> ObjectOutcome:
    mask = fields.fields_or_none("mask")
    masks = [] if mask is None else [mask.fields_or_none("artefact")]
    return ObjectOutcome(
        index=fields.whole("index"),
        label=fields.text_or_none("label"),
        status=fields.choice("status", ("succeeded", "failed")),
        files=tuple(File.read(item) for item in [*fields.each("artefacts"), *masks] if item is not None),
        error=Problem.read(fields.fields_or_none("error")),
    )


def outcome_of_failure(reasons: Sequence[str], now: datetime) -> Outcome:
    """The outcome of an invocation that failed.

    Args:
        reasons: One or more: SageMaker's `failureReason`, and what it wrote to the failure location. The container's
            own error is taken out where it is in one of them; else the first one is told.
        now: When.
    """
    own = next((error for error in map(_own_error, reasons) if error is not None), None)
    return Outcome(status="failed", ended_at=now, error=own or Problem("inference_failed", _line(reasons[0])))


def left_by_sagemaker(store: Store, submission: Step | None, place: str) -> bytes | None:
    """What SageMaker has written about an invocation so far; None where there is nothing.

    Args:
        store: Where.
        submission: How the job was submitted, as far as that is known.
        place: `output_location` or `failure_location`.
    """
    location = None if submission is None else submission.result.get(place)
    key = None if location is None else store.key_of(location)
    stored = None if key is None else store.get(key)
    return None if stored is None else stored.data


def ended(status: Any, code: str, message: str, now: datetime) -> Outcome:
    """An outcome without results."""
    return Outcome(status=status, ended_at=now, error=Problem(code, message))


def cancelled(now: datetime) -> Outcome:
    """The outcome of a job that its user stopped."""
    return ended("cancelled", "cancelled", "The job was cancelled.", now)


def conclude(folder: JobFolder, outcome: Outcome) -> bool:
    """Ends a job so, unless it has ended or is deleted; whether an outcome was written.

    A cancelled job ends as one, whatever came of it after all. Of a deleted job everything that has come since is
    removed.
    """
    names = folder.names()
    if DELETED in names:
        folder.empty()
        return False
    if OUTCOME in names:
        return False
    if CANCELLED in names:
        outcome = cancelled(outcome.ended_at)
    return folder.end(outcome)


def mails_about(outcome: Outcome) -> tuple[str, ...]:
    """The steps that send a job's mails. What a user has stopped himself is no news to the admin."""
    return (MAIL_TO_USER,) if outcome.status == "cancelled" else (MAIL_TO_ADMIN, MAIL_TO_USER)


def _own_error(reason: str) -> Problem | None:
    """The container's error body in a longer text, which may have escaped its quotation marks."""
    for text in (reason, reason.replace('\\"', '"')):
        for start in re.finditer(r'\{\s*"error"', text):
            try:
                body, _ = json.JSONDecoder().raw_decode(text, start.start())
                return Problem.read(Fields(body, "the failure").fields_or_none("error"))
            except (ValueError, RecursionError):  # a DocumentError is a ValueError
                continue
    return None


def _line(text: str) -> str:
    line = " ".join(readable(text).split()) or "SageMaker gave no reason."
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 1]}…"
