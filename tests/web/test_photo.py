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
    before = person.see_photo()
    person.spread_fingers(person.page.locator(".editor-stage"))
    assert person.see_photo()["width"] > 2 * before["width"]
    expect(person.boxes).to_have_count(0)
    person.press("See the whole photo")
    assert person.see_photo() == before


def test_a_number_that_cannot_be_is_said_before_anything_is_made(
    open_page: Open, visitor: Visitor, photo: Path
) -> None:
    person = open_page(visitor)
    person.choose(photo)
    person.draw(CUP)
    person.page.get_by_text("More options").click()
    triangles = person.page.get_by_label("Triangles")
    triangles.fill("12")
    triangles.press("Tab")
    expect(person.button("Make 3D")).to_have_attribute("aria-disabled", "true")
    reason = "Triangles: a whole number from 1,000 to 1,000,000."
    expect(person.button("Make 3D")).to_have_accessible_description(reason)
    triangles.fill("2000")
    triangles.press("Tab")
    expect(person.button("Make 3D")).to_have_attribute("aria-disabled", "false")


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
