"""`gen3d users`, as somebody types it: who is invited, listed, shut out and let in."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
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
from serve.errors import Gen3DError
from tests.infra.local.visitors import sign_up
from tests.infra.operator.conftest import Told, can_sign_in

Command = Callable[..., Told]
PASSWORD = "Aa1-chosen-by-ada"


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "ACTION"),
        (["add", "--stage", "local"], "EMAIL"),
        (["remove", "ada@example.com", "--stage", "local", "--yes"], "say --folder keep or --folder delete"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what(gen3d: Command, arguments: list[str], said: str) -> None:
    status, _, err = gen3d("users", *arguments)
    assert status == 2
    assert said in err
