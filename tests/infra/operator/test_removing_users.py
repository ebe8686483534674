"""`gen3d users remove`, as somebody types it: who goes, and what becomes of the folder."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from infra.local.stage import Stage
from infra.operator import users as operator
from lambdas.jobs import logic as jobs_lambda
from lambdas.shared.documents import Step, to_json
from lambdas.shared.job_folder import DELETED, SUBMITTED, Job, jobs_prefix, new_job_id
from lambdas.shared.store import Store
from tests.infra.local.visitors import Visitor, keys, sign_up, versions, wait_until
from tests.infra.operator.conftest import Told, can_sign_in

Command = Callable[..., Told]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has a person at the keyboard who types these lines."""

    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    return lambda *lines: monkeypatch.setattr("sys.stdin", Keyboard("".join(f"{line}\n" for line in lines)))


def store_of(stage: Stage) -> Store:
    return Store(stage.outputs["BucketName"], stage.cloud.client("s3"))


def ended_job(visitor: Visitor) -> Job:
    job = visitor.submit()
    assert visitor.wait(job)["status"] == "succeeded"
    return job


def last_look(stage: Stage, job: Job) -> datetime:
    """When the sweep looks at the job for the last time."""
    return max(found[1] for key in keys(stage, "pending/", job.id) if (found := Job.of_marker(key)) is not None)


def test_a_folder_is_deleted_with_all_versions_and_no_others(users: Command, stage: Stage, http: httpx.Client) -> None:
    ada, bob = sign_up(stage, http), sign_up(stage, http)
    job, kept = ended_job(ada), ended_job(bob)
    store_of(stage).put(job.key("request.json"), b"another version")
    store_of(stage).delete([job.key("image")])  # a mark of a deletion, with a version behind it
    before, count = versions(stage, jobs_prefix(bob.sub)), len(versions(stage, jobs_prefix(ada.sub)))
    status, out, err = users("remove", ada.user.email, "--folder", "delete", "--yes")
    assert status == 0, err
    assert f"{jobs_prefix(ada.sub)}: 1 job, " in out
    assert f" in {count} versions of files\n{count} versions deleted\n{ada.user.email} is removed\n" in out
    assert versions(stage, f"users/{ada.sub}") == set()
    assert not can_sign_in(ada)
    assert versions(stage, jobs_prefix(bob.sub)) == before
    assert can_sign_in(bob)
    assert bob.read(kept)["status"] == "succeeded"
    assert ada.user.email not in users("list")[1]


def test_of_a_job_under_way_a_mark_stays_that_the_sweep_comes_for(
    users: Command, stage: Stage, http: httpx.Client
) -> None:
    ada = sign_up(stage, http)
    job, _ = ada.create()
    _, out, _ = users("remove", ada.user.email, "--folder", "delete", "--yes")
    assert "a mark of it stays for a week" in out
    assert {key for key, _ in versions(stage, jobs_prefix(ada.sub))} == {job.key(DELETED)}
    assert last_look(stage, job) > datetime.now(UTC) + timedelta(minutes=10)


@pytest.mark.parametrize("hours", [None, 6])
def test_the_sweep_comes_for_late_writers_when_it_does_for_a_job_that_its_owner_deletes(
    users: Command, stage: Stage, http: httpx.Client, hours: int | None
) -> None:
    """The Lambda jobs and the command have this rule each; of a cancelled job the container may have not heard."""
    ada, bob = sign_up(stage, http), sign_up(stage, http)
    jobs = [each.create_ended()[0] if hours else each.create()[0] for each in (ada, bob)]
    if hours:
        wait_until(lambda: not any(keys(stage, "pending/", job.id) for job in jobs))
        now = datetime.now(UTC)
        step = Step("done", "somebody", until=now, deadline=now + timedelta(hours=hours), result={})
        for job in jobs:
            store_of(stage).put(job.key(SUBMITTED), to_json(step))
    assert ada.ask("DELETE", f"/api/jobs/{jobs[0].id}").status_code == 204
    users("remove", bob.user.email, "--folder", "delete", "--yes")
    deleted, removed = (last_look(stage, job) for job in jobs)
    assert abs(deleted - removed) < timedelta(minutes=1)
    assert deleted > datetime.now(UTC) + timedelta(hours=hours or 0, minutes=0 if hours else 10)
    for job in jobs:
        assert {key for key, _ in versions(stage, job.prefix)} == {job.key(DELETED)}


def test_the_command_and_the_lambda_know_the_same_times() -> None:
    assert (operator._OPEN_FOR, operator._LATE_WRITERS) == (jobs_lambda._OPEN_FOR, jobs_lambda._LATE_WRITERS)


def test_what_nobody_may_write_for_any_more_goes_without_a_mark(
    users: Command, stage: Stage, http: httpx.Client
) -> None:
    ada = sign_up(stage, http)
    old = Job(ada.sub, new_job_id(datetime.now(UTC) - timedelta(days=3)))
    store_of(stage).put(old.key("request.json"), b"{}")
    users("remove", ada.user.email, "--folder", "delete", "--yes")
    assert versions(stage, f"users/{ada.sub}") == set()


def test_what_is_no_job_s_goes_too(users: Command, stage: Stage, visitor: Visitor) -> None:
    store_of(stage).put(jobs_prefix(visitor.sub), b"")  # as S3's console marks a folder
    status, out, err = users("remove", visitor.user.email, "--folder", "delete", "--yes")
    assert (status, "0 jobs, " in out, "1 version deleted\n" in out) == (0, True, True), err
    assert versions(stage, f"users/{visitor.sub}") == set()


def test_many_files_are_deleted_page_by_page(users: Command, stage: Stage, http: httpx.Client) -> None:
    ada = sign_up(stage, http)
    old = Job(ada.sub, new_job_id(datetime.now(UTC) - timedelta(days=3)))
    store = store_of(stage)
    for number in range(1005):  # S3 lists and deletes a thousand at a time
        store.put(old.key(f"output/{number}"), b"")
    _, out, _ = users("remove", ada.user.email, "--folder", "delete", "--yes")
    assert "1005 versions deleted" in out
    assert versions(stage, f"users/{ada.sub}") == set()


def test_a_folder_that_is_kept_stays_as_it_is(users: Command, stage: Stage, http: httpx.Client) -> None:
    ada = sign_up(stage, http)
    ada.create_ended()
    # The mail about the cancelled job comes in its own time.
    wait_until(lambda: not keys(stage, "pending/", ada.sub))
    before = versions(stage, jobs_prefix(ada.sub))
    status, out, _ = users("remove", ada.user.email, "--folder", "keep", "--yes")
    assert status == 0
    bucket = stage.outputs["BucketName"]
    assert out.endswith(f"{ada.user.email} is removed; the folder stays: s3://{bucket}/{jobs_prefix(ada.sub)}\n")
    assert versions(stage, jobs_prefix(ada.sub)) == before != set()
    assert not can_sign_in(ada)


def test_an_empty_folder_is_no_question(users: Command, email: str, answer: Callable[..., None], stage: Stage) -> None:
    users("add", email)
    answer("yes")
    status, out, err = users("remove", email)
    assert (status, ": empty\n" in out) == (0, True)
    assert err == f"remove {email} and keep the folder? [yes/no] "


@pytest.mark.parametrize(
    ("lines", "is_deleted"), [(["delete", "yes"], True), (["keep", "y"], False), (["", "y"], False)]
)
def test_it_asks_what_becomes_of_the_folder(
    users: Command,
    stage: Stage,
    http: httpx.Client,
    answer: Callable[..., None],
    lines: list[str],
    is_deleted: bool,
) -> None:
    ada = sign_up(stage, http)
    old = Job(ada.sub, new_job_id(datetime.now(UTC) - timedelta(days=3)))
    store_of(stage).put(old.key("request.json"), b"{}")
    answer(*lines)
    assert users("remove", ada.user.email)[0] == 0
    assert (versions(stage, jobs_prefix(ada.sub)) == set()) is is_deleted


@pytest.mark.parametrize("lines", [["delete", "no"], ["delete", ""], ["delete"], []])
def test_without_a_yes_nothing_is_changed(
    users: Command, stage: Stage, http: httpx.Client, answer: Callable[..., None], lines: list[str]
) -> None:
    ada = sign_up(stage, http)
    ada.create()
    before = versions(stage, jobs_prefix(ada.sub))
    answer(*lines)
    status, _, err = users("remove", ada.user.email)
    assert status == 1
    assert err.splitlines()[-1].endswith("gen3d: not_confirmed: Nothing was changed.")
    assert versions(stage, jobs_prefix(ada.sub)) == before
    assert can_sign_in(ada)


def test_interrupted_it_says_how_to_go_on_and_then_goes_on(
    users: Command, stage: Stage, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = sign_up(stage, http)
    for days in (3, 4, 5):
        old = Job(ada.sub, new_job_id(datetime.now(UTC) - timedelta(days=days)))
        store_of(stage).put(old.key("request.json"), b"{}")
    calls: list[str] = []
    delete = Store.delete_for_good

    def interrupted(store: Store, prefix: str, *, but: str) -> int:
        calls.append(prefix)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return delete(store, prefix, but=but)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "delete_for_good", interrupted)
        status, _, err = users("remove", ada.user.email, "--folder", "delete", "--yes")
    assert status == 130
    assert f"to go on: gen3d users remove {ada.user.email} --stage local --folder delete" in err
    assert len(versions(stage, jobs_prefix(ada.sub))) == 2
    assert not can_sign_in(ada)
    assert users("remove", ada.user.email, "--folder", "delete", "--yes")[0] == 0
    assert versions(stage, jobs_prefix(ada.sub)) == set()


def test_versions_that_s3_keeps_are_told_and_the_user_stays(
    users: Command, stage: Stage, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = sign_up(stage, http)
    old = Job(ada.sub, new_job_id(datetime.now(UTC) - timedelta(days=3)))
    store_of(stage).put(old.key("request.json"), b"{}")

    def refuse(*_: object, **__: object) -> int:
        raise OSError("S3 did not delete 'a': AccessDenied")

    monkeypatch.setattr(Store, "delete_for_good", refuse)
    status, _, err = users("remove", ada.user.email, "--folder", "delete", "--yes")
    assert status == 1
    assert "gen3d: aws_unusable: S3 did not delete 'a': AccessDenied. Once that is mended" in err
    assert ada.user.email in users("list")[1]
