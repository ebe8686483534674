"""`gen3d users`, as somebody types it: who can sign in, and what becomes of a folder."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from infra.local.running import find_running
from infra.local.stage import Stage
from infra.operator.mailbox import read_mails
from infra.operator.service import Session
from infra.operator.stage import find_stage
from infra.operator.users import Users
from lambdas.shared.documents import Step, to_json
from lambdas.shared.job_folder import DELETED, SUBMITTED, Job, jobs_prefix, new_job_id
from lambdas.shared.store import Store
from serve.errors import Gen3DError
from tests.infra.local.visitors import Visitor, keys, sign_up, versions, wait_until
from tests.infra.operator.conftest import Told

Command = Callable[..., Told]
PASSWORD = "Aa1-chosen-by-ada"


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def users(gen3d: Command) -> Command:
    """`gen3d users … --stage local`."""
    return lambda *arguments: gen3d("users", *arguments, "--stage", "local")


@pytest.fixture
def email(demo: Any) -> str:
    """An address that nobody has yet."""
    return f"new-{demo.email}"


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has a person at the keyboard who types these lines."""

    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    return lambda *lines: monkeypatch.setattr("sys.stdin", Keyboard("".join(f"{line}\n" for line in lines)))


def store_of(stage: Stage) -> Store:
    return Store(stage.outputs["BucketName"], stage.cloud.client("s3"))


def invitations(email: str) -> list[str]:
    """The passwords that were sent there, the last one last."""
    mails = [mail.html for mail in read_mails(find_running()) if mail.to == email]
    return [found[1] for html in mails if (found := re.search(r"<code>(.+?)</code>", html)) is not None]


def sign_in_first(stage: Stage, email: str, sent: str) -> str:
    """As the page does it with the password of an invitation: the ID token, once another is chosen."""
    cognito, client_id = stage.cloud.client("cognito-idp"), stage.outputs["UserPoolClientId"]
    asked = cognito.initiate_auth(
        ClientId=client_id, AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": email, "PASSWORD": sent}
    )
    assert asked["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    done = cognito.respond_to_auth_challenge(
        ClientId=client_id,
        ChallengeName=asked["ChallengeName"],
        Session=asked["Session"],
        ChallengeResponses={"USERNAME": email, "NEW_PASSWORD": PASSWORD},
    )
    return str(done["AuthenticationResult"]["IdToken"])


def can_sign_in(visitor: Visitor) -> bool:
    try:
        Session(find_stage("local"), visitor.user.email, visitor.user.password)
    except Gen3DError as error:
        if error.code != "sign_in_failed":
            raise
        return False
    return True


def ended_job(visitor: Visitor) -> Job:
    job = visitor.submit()
    assert visitor.wait(job)["status"] == "succeeded"
    return job


# Who is let in.


def test_who_is_added_gets_a_mail_and_signs_in_with_what_it_says(
    users: Command, stage: Stage, email: str, http: httpx.Client
) -> None:
    status, out, err = users("add", email)
    assert (status, err) == (0, "")
    (sent,) = invitations(email)
    token = sign_in_first(stage, email, sent)
    assert http.get(f"{stage.page}/api/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert Session(find_stage("local"), email, PASSWORD).token
    assert re.fullmatch(rf"{email} is invited; the user's id is [0-9a-f-]{{36}}\n", out)


def test_a_user_is_added_once(users: Command, email: str) -> None:
    users("add", email)
    status, _, err = users("add", email)
    assert status == 1
    assert err.startswith(f"gen3d: user_exists: {email} is a user already; --again")
    assert err.count("\n") == 1
    assert len(invitations(email)) == 1


def test_an_invitation_that_was_not_used_is_sent_again(users: Command, stage: Stage, email: str) -> None:
    users("add", email)
    assert users("add", email, "--again")[0] == 0
    *_, last = invitations(email)
    assert len(invitations(email)) == 2
    assert sign_in_first(stage, email, last)


def test_who_has_a_password_is_not_invited_again(users: Command, demo: Any) -> None:
    assert users("add", demo.email, "--again")[2].startswith(f"gen3d: user_exists: {demo.email} has chosen a password")


@pytest.mark.parametrize(
    "wrong", ["ada", "ada@example", "@example.com", "ada@@example.com", "a b@example.com", "a\x1b@example.com", ""]
)
@pytest.mark.parametrize("action", ["add", "disable", "remove"])
def test_what_is_no_address_is_told_in_a_line(users: Command, action: str, wrong: str) -> None:
    status, _, err = users(action, wrong)
    assert status == 1
    assert err.startswith("gen3d: email_invalid: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["add", "--again"], ["disable"], ["enable"], ["remove", "--folder", "keep"]])
def test_who_is_not_there_is_told_in_a_line(users: Command, email: str, arguments: list[str]) -> None:
    status, _, err = users(arguments[0], email, *arguments[1:])
    assert status == 1
    assert err == f"gen3d: user_not_found: There is no user {email}: `gen3d users list` shows who there is.\n"


def test_a_mail_that_cognito_cannot_send_says_how_to_go_on(email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    users = Users(find_stage("local"))

    def refuse(**_: Any) -> None:
        said = {"Error": {"Code": "CodeDeliveryFailureException", "Message": "Daily limit"}}
        raise ClientError({**said, "ResponseMetadata": {"HTTPStatusCode": 400}}, "AdminCreateUser")  # type: ignore[typeddict-item]

    monkeypatch.setattr(users._cognito, "admin_create_user", refuse)
    with pytest.raises(
        Gen3DError, match=r"invitation_failed: .*Daily limit.*send another invitation later with --again"
    ):
        users.add(email)


def test_the_list_says_who_has_which_id_and_who_may_come_in(users: Command, email: str, demo: Any) -> None:
    users("add", email)
    users("disable", demo.email)
    lines = {line.split()[0]: line.split()[1:] for line in users("list")[1].splitlines()}
    assert lines[email][0] == "invited"
    assert lines[demo.email][0] == "disabled"
    assert lines[email][2] == f"{datetime.now(UTC):%Y-%m-%d}"
    assert all(re.fullmatch(r"[0-9a-f-]{36}", line[-1]) for line in lines.values())
    assert list(lines) == sorted(lines)


def test_the_list_is_whole_where_there_is_more_than_a_page(users: Command, stage: Stage, email: str) -> None:
    cognito, pool = stage.cloud.client("cognito-idp"), stage.outputs["UserPoolId"]
    names = [f"{number}-{email}" for number in range(61)]
    for name in names:
        cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
    listed = users("list")[1]
    assert all(name in listed for name in names)
    for name in names:
        cognito.admin_delete_user(UserPoolId=pool, Username=name)


def test_who_is_disabled_cannot_sign_in_until_enabled(users: Command, stage: Stage, http: httpx.Client) -> None:
    ada, bob = sign_up(stage, http), sign_up(stage, http)
    session = Session(find_stage("local"), ada.user.email, ada.user.password)
    status, out, _ = users("disable", ada.user.email)
    assert (status, "half an hour" in out) == (0, True)
    assert (can_sign_in(ada), can_sign_in(bob)) == (False, True)
    with pytest.raises(Gen3DError, match="sign_in_failed"):
        session.renew()
    assert users("enable", ada.user.email)[0] == 0
    assert can_sign_in(ada)


def test_a_stage_in_aws_is_served_the_same_way(gen3d: Command, trial: str, email: str, aws: pytest.MonkeyPatch) -> None:
    assert gen3d("users", "add", email, "--stage", trial)[0] == 0
    assert email in gen3d("users", "list", "--stage", trial)[1]
    assert gen3d("users", "remove", email, "--stage", trial, "--yes", "--folder", "delete")[0] == 0
    assert email not in gen3d("users", "list", "--stage", trial)[1]


def test_the_help_names_what_the_identity_needs(
    gen3d: Command, stage: Stage, trial: str, email: str, http: httpx.Client, allowed: Callable[[str], None]
) -> None:
    ada = sign_up(stage, http)
    ada.create()
    allowed(gen3d("users", "--help")[1])
    for arguments in (
        ["add", email],
        ["list"],
        ["disable", email],
        ["enable", email],
        ["remove", email, "--folder", "keep", "--yes"],
        ["remove", ada.user.email, "--folder", "delete", "--yes"],
    ):
        status, _, err = gen3d("users", *arguments, "--stage", trial)
        assert status == 0, (arguments, err)


# Who goes, and what becomes of the folder.


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
    times = [found[1] for key in keys(stage, "pending/", job.id) if (found := Job.of_marker(key)) is not None]
    assert max(times) > datetime.now(UTC) + timedelta(minutes=10)


def test_of_a_cancelled_job_that_the_container_may_have_the_mark_outlasts_that(
    users: Command, stage: Stage, http: httpx.Client
) -> None:
    ada = sign_up(stage, http)
    job, _ = ada.create_ended()
    wait_until(lambda: not keys(stage, "pending/", job.id))
    now = datetime.now(UTC)
    step = Step("done", "somebody", until=now, deadline=now + timedelta(hours=6), result={})
    store_of(stage).put(job.key(SUBMITTED), to_json(step))
    users("remove", ada.user.email, "--folder", "delete", "--yes")
    times = [found[1] for key in keys(stage, "pending/", job.id) if (found := Job.of_marker(key)) is not None]
    assert max(times) > now + timedelta(hours=6)
    assert {key for key, _ in versions(stage, jobs_prefix(ada.sub))} == {job.key(DELETED)}


def test_what_nobody_may_write_for_any_more_goes_without_a_mark(
    users: Command, stage: Stage, http: httpx.Client
) -> None:
    ada = sign_up(stage, http)
    old = Job(ada.sub, new_job_id(datetime.now(UTC) - timedelta(days=3)))
    store_of(stage).put(old.key("request.json"), b"{}")
    users("remove", ada.user.email, "--folder", "delete", "--yes")
    assert versions(stage, f"users/{ada.sub}") == set()


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
        status, out, _ = users("remove", ada.user.email, "--folder", "delete", "--yes")
    assert status == 130
    assert f"to go on: gen3d users remove {ada.user.email} --stage local --folder delete" in out
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "ACTION"),
        (["add", "--stage", "local"], "EMAIL"),
        (["add", "ada@example.com"], "--stage"),
        (["remove", "ada@example.com", "--stage", "local", "--yes"], "say --folder keep or --folder delete"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what(gen3d: Command, arguments: list[str], said: str) -> None:
    status, _, err = gen3d("users", *arguments)
    assert status == 2
    assert said in err
