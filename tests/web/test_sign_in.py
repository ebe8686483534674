"""Who may in, and how somebody gets another password."""

from collections.abc import Callable

import httpx
from playwright.sync_api import expect

from infra.local.stage import Stage
from tests.infra.local.visitors import Visitor, invite
from tests.web.person import Person

Open = Callable[..., Person]
ANOTHER = "Another-Password-1"
# Cognito says no with a 400, which the browser notes.
REFUSED = "status of 400"


def test_a_wrong_password_is_told_and_leaves_the_address(open_page: Open, visitor: Visitor) -> None:
    person = open_page()
    person.expected.append(REFUSED)
    person.page.get_by_label("E-mail address").fill(visitor.user.email)
    person.page.get_by_label("Password", exact=True).fill("wrong")
    person.press("Sign in")
    expect(person.page.get_by_label("Password", exact=True)).to_be_focused()
    expect(person.page.locator(".session-problem")).to_be_visible()
    expect(person.page.get_by_label("E-mail address")).to_have_value(visitor.user.email)
    person.sign_in(visitor.user)
    expect(person.heading("Turn a photo into 3D")).to_be_visible()


def test_a_reload_does_not_sign_out(open_page: Open, visitor: Visitor) -> None:
    person = open_page(visitor)
    person.page.reload()
    expect(person.heading("Turn a photo into 3D")).to_be_visible()


def test_the_first_time_one_chooses_a_password(open_page: Open, stage: Stage) -> None:
    user = invite(stage, "first-time@example.com")
    person = open_page()
    person.expected.append(REFUSED)
    person.sign_in(user)
    expect(person.heading("Choose a password")).to_be_visible()
    person.page.get_by_label("New password").fill("short")
    person.press("Keep it and sign in")
    expect(person.page.locator(".session-problem")).to_be_visible()
    person.page.get_by_label("New password").fill(ANOTHER)
    person.press("Keep it and sign in")
    expect(person.heading("Turn a photo into 3D")).to_be_visible()


def test_a_forgotten_password_is_changed_with_the_mails_code(open_page: Open, stage: Stage, visitor: Visitor) -> None:
    person = open_page()
    person.press("Forgot your password?")
    person.page.get_by_label("E-mail address").fill(visitor.user.email)
    person.press("Send me a code")
    expect(person.heading("Choose a password")).to_be_visible()
    person.page.get_by_label("The code of the mail").fill(mailed_code(stage, visitor.user.email))
    person.page.get_by_label("New password").fill(ANOTHER)
    person.press("Change it and sign in")
    expect(person.heading("Turn a photo into 3D")).to_be_visible()


def test_signed_out_in_one_tab_one_is_in_the_other_too(open_page: Open, visitor: Visitor) -> None:
    person = open_page(visitor)
    other = person.context.new_page()
    other.goto(person.stage.page)
    expect(other.get_by_role("heading", level=1, name="Turn a photo into 3D")).to_be_visible()
    person.press(f"Account: {visitor.user.email}")
    person.press("Sign out")
    for page in (person.page, other):
        expect(page.get_by_role("heading", level=1, name="Sign in")).to_be_visible()


def test_a_link_to_a_job_is_still_known_after_signing_in(open_page: Open, visitor: Visitor) -> None:
    job, _ = visitor.create_ended()
    person = open_page(visitor, path=f"/#/jobs/{job.id}")
    expect(person.heading("cup.jpg")).to_be_visible()


def mailed_code(stage: Stage, email: str) -> str:
    """The digits in the mail that this one got last."""
    found = httpx.get(f"{stage.cloud.address}/_ministack/ses/messages", trust_env=False).json()["messages"]
    mails = [mail for account in found.values() for mail in account if email in mail["To"]]
    words = str(mails[-1]["BodyText"] or mails[-1]["BodyHtml"]).replace(".", " ").split()
    return next(word for word in words if word.isdigit())
