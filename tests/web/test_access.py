"""The page is for everybody: axe finds nothing serious in any state, on a desk or a phone, light or dark."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from infra.local.stage import Stage
from tests.infra.local.visitors import BOX, Visitor
from tests.web.axe import check
from tests.web.engine import resting_engine
from tests.web.person import DESK, PHONE, Device, Person
from tests.web.test_journeys import CUP, SPOON
from tests.web.test_troubles import NOWHERE

Open = Callable[..., Person]


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def device(request: pytest.FixtureRequest) -> Device:
    found: Device = request.param
    return found


def test_while_signing_in(open_page: Open, visitor: Visitor, device: Device) -> None:
    person = open_page(device=device)
    check(person)
    person.press("Sign in")
    expect(person.page.locator(".session-problem")).to_be_visible()
    check(person)
    person.press("Forgot your password?")
    check(person)
    person.page.get_by_label("E-mail address").fill(visitor.user.email)
    person.press("Send me a code")
    expect(person.heading("Choose a password")).to_be_visible()
    check(person)


def test_from_a_photo_to_the_upload(open_page: Open, visitor: Visitor, device: Device, photo: Path) -> None:
    person = open_page(visitor, device)
    check(person)
    person.choose(photo)
    check(person)
    person.draw(CUP)
    person.draw(SPOON)
    person.page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    check(person)
    person.press("Other photo")
    check(person)


def test_jobs_and_their_list(open_page: Open, visitor: Visitor, device: Device, stage: Stage) -> None:
    done = visitor.submit([BOX, NOWHERE])
    visitor.wait(done)
    cancelled, _ = visitor.create_ended()
    person = open_page(visitor, device, f"/#/jobs/{done.id}")
    person.see_model()
    check(person)
    person.go(f"/#/jobs/{cancelled.id}")
    person.see_done("Cancelled")
    check(person)
    person.go("/#/history")
    expect(person.page.locator(".history-row")).to_have_count(2)
    check(person)
    with resting_engine(stage):
        waiting = visitor.submit()
        person.go(f"/#/jobs/{waiting.id}")
        expect(person.page.get_by_role("region", name="Progress")).to_be_visible()
        check(person)


def test_with_nothing_made_and_the_sheet_of_keys(open_page: Open, visitor: Visitor, device: Device) -> None:
    person = open_page(visitor, device, "/#/history")
    expect(person.page.get_by_role("link", name="Make the first")).to_be_visible()
    check(person)
    person.page.keyboard.press("?")
    expect(person.page.get_by_role("dialog")).to_be_visible()
    check(person)
