"""Keys, ids, labels and the status: what holds of them whatever is put in."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lambdas.shared.documents import DocumentError, Origin, Outcome, OutcomeStatus, Progress, Step, to_json
from lambdas.shared.job_folder import (
    Job,
    after_job,
    created_at,
    is_job_id,
    label_in,
    new_job_id,
    pending_until,
    status_of,
    to_label,
)
from serve.contract import JobId

SUB = "0b3e7c3c-2f9c-4d38-9f4f-aa2a5d1c9d11"
times = st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
labels = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80).filter(
    lambda text: len(text.strip()) > 0 and _fits(text)
)
names_of_fields = st.sampled_from(["status", "ended_at", "state", "by", "until", "objects", "files", "error", "stage"])
nonsense = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(names_of_fields, inner),
)
documents = ["image", "submitted.json", "progress.json", "cancelled.json", "deleted.json", "outcome.json"]


def _fits(text: str) -> bool:
    try:
        return bool(to_label(text))
    except ValueError:
        return False


@given(times, times)
def test_the_newest_job_comes_first_in_s3(one: datetime, other: datetime) -> None:
    if one - other >= timedelta(milliseconds=1):
        assert new_job_id(one) < new_job_id(other)


@given(times)
def test_an_id_is_sagemakers_and_the_contracts_and_says_when(when: datetime) -> None:
    job_id = new_job_id(when)
    TypeAdapter(JobId).validate_python(job_id)
    assert re.fullmatch(r"\S[ -~]{0,63}", job_id), "an InferenceId"
    assert is_job_id(job_id)
    assert abs(created_at(job_id) - when) < timedelta(milliseconds=1)


@given(st.text(), st.text())
def test_no_other_text_gets_into_a_key(sub: str, job_id: str) -> None:
    with pytest.raises(ValueError, match="there can be no job"):
        Job(sub, job_id)


@given(times, st.sampled_from([*documents, "output/object-0.glb", "label/x", "a b+c"]))
def test_a_key_leads_back_to_its_job(when: datetime, name: str) -> None:
    job = Job(SUB, new_job_id(when))
    assert Job.of_key(job.key(name)) == (job, name)
    assert Job.of_marker(job.marker(when)) == (job, when.replace(microsecond=0))


@given(st.text())
def test_any_other_text_leads_to_no_job(text: str) -> None:
    for key in (text, f"users/{text}", f"users/{SUB}/jobs/{text}/image", f"users/{text}/jobs/{text}/image"):
        assert Job.of_key(key) is None
    assert Job.of_marker(f"pending/{text}") is None


@given(times, times)
def test_a_listing_of_what_is_due_ends_at_the_time(when: datetime, now: datetime) -> None:
    marker = Job(SUB, new_job_id(when)).marker(when)
    assert (marker < pending_until(now)) == (when.replace(microsecond=0) <= now)


@given(times, st.sampled_from(["a", "output/z", "~", "\U0010ffff"]))
def test_the_next_page_begins_after_all_of_a_job(when: datetime, name: str) -> None:
    job = Job(SUB, new_job_id(when))
    older = Job(SUB, new_job_id(when - timedelta(milliseconds=1)))
    assert job.key(name).encode() < after_job(SUB, job.id).encode() < older.key("a").encode()


@given(times, st.lists(labels, min_size=1, max_size=5, unique=True))
def test_the_newest_label_counts_in_whatever_order_they_lie(when: datetime, texts: list[str]) -> None:
    job = Job(SUB, new_job_id(when))
    keys = [job.label_key(to_label(text), when + timedelta(seconds=number)) for number, text in enumerate(texts)]
    assert all(len(key.encode()) <= 1024 for key in keys), "what S3 takes"
    assert label_in({key.removeprefix(job.prefix) for key in keys}) == to_label(texts[-1])


def outcome_among(names: set[str], status: OutcomeStatus) -> Outcome | None:
    return Outcome(status, datetime(2026, 11, 23, tzinfo=UTC)) if "outcome.json" in names else None


RANKS = {name: rank for rank, name in enumerate(["waiting", "uploaded", "queued", "running", "cancelled"])}
RANKS |= dict.fromkeys(get_args(OutcomeStatus), 10) | {"deleted": 11}


@given(st.lists(st.sampled_from(documents)), st.sampled_from(get_args(OutcomeStatus)), st.randoms())
def test_a_status_is_a_pure_function_of_what_lies_there(came: list[str], how: OutcomeStatus, random: Any) -> None:
    """Twice, or in another order: the same; and whatever comes, a job never goes back."""
    again = came + came
    random.shuffle(again)
    assert status_of(came, outcome_among(set(came), how)) == status_of(again, outcome_among(set(again), how))
    told = [status_of(came[:count], outcome_among(set(came[:count]), how)) for count in range(len(came) + 1)]
    ranks = [RANKS[status] for status in told]
    assert ranks == sorted(ranks)


@given(nonsense)
def test_what_is_no_document_is_said_to_be_none(data: Any) -> None:
    for parse in (Outcome.parse, Step.parse, Progress.parse):
        with pytest.raises(DocumentError):
            parse(json.dumps(data).encode())


def test_documents_come_back_as_they_were_written() -> None:
    when = datetime(2026, 11, 23, 10, 0, 0, 250000, tzinfo=UTC)
    step = Step("done", "me", when, when, {"output_location": "s3://b/k"})
    assert Step.parse(to_json(step)) == step
    origin = Origin(SUB, "gräfin@example.com", when)
    assert Origin.parse(origin.to_metadata()) == origin
    assert all(value.isascii() for value in origin.to_metadata().values()), "as S3 wants metadata"
