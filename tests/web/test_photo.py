"""How a photo comes in, and how one finds one's way in it."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import JSHandle, expect

from tests.infra.local.visitors import Visitor
from tests.web.person import PHONE, Person
from tests.web.test_journeys import CUP

Open = Callable[..., Person]


def test_a_photo_is_dropped(open_page: Open, visitor: Visitor, photo: Path) -> None:
    person = open_page(visitor)
    carried = carry(person, photo)
    for kind in ("dragenter", "dragover", "drop"):
        person.page.dispatch_event("main", kind, {"dataTransfer": carried})
    expect(person.heading("Draw a box around each thing")).to_be_visible()


def test_a_photo_is_pasted(open_page: Open, visitor: Visitor, photo: Path) -> None:
    person = open_page(visitor)
    person.page.evaluate(
        "(given) => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: given, bubbles: true }))",
        carry(person, photo),
    )
    expect(person.heading("Draw a box around each thing")).to_be_visible()


def test_two_fingers_look_closer_and_draw_nothing(open_page: Open, visitor: Visitor, photo: Path) -> None:
    person = open_page(visitor, PHONE)
    person.choose(photo)
    picture = person.page.locator(".editor-stage img")
    expect(picture).to_be_visible()
    before = picture.bounding_box()
    person.spread_fingers(person.page.locator(".editor-stage"))
    after = picture.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > 2 * before["width"]
    expect(person.boxes).to_have_count(0)
    person.press("See the whole photo")
    assert picture.bounding_box() == before


def test_a_box_is_set_by_numbers(open_page: Open, visitor: Visitor, photo: Path) -> None:
    person = open_page(visitor)
    person.choose(photo)
    person.draw(CUP)
    item = person.boxes.first
    item.locator("summary").click()
    item.get_by_label("Left").fill("31")
    item.get_by_label("Width").fill("100")
    item.get_by_label("Width").press("Tab")
    expect(person.page.locator(".editor-box")).to_have_attribute("aria-label", re.compile("^Box 1, 100 by .* at 31, "))


def carry(person: Person, photo: Path) -> JSHandle:
    """The photo as it is dragged, or lies in the clipboard."""
    return person.page.evaluate_handle(
        """(bytes) => {
          const carried = new DataTransfer();
          carried.items.add(new File([new Uint8Array(bytes)], "cup.jpg", { type: "image/jpeg" }));
          return carried;
        }""",
        list(photo.read_bytes()),
    )
