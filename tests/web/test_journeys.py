"""The whole way from a photo to a mesh: by mouse, by finger, by keyboard alone."""

import re
from collections.abc import Callable
from pathlib import Path

import trimesh
from playwright.sync_api import expect

from tests.infra.local.visitors import Visitor
from tests.web.person import PHONE, Person

Open = Callable[..., Person]
# The cup, and the spoon's bowl from its lower left corner, in shares of the photo's sides.
CUP = (0.28, 0.03, 0.68, 0.60)
SPOON = (0.53, 0.83, 0.70, 0.62)


def test_by_mouse(open_page: Open, visitor: Visitor, photo: Path, tmp_path: Path) -> None:
    person = open_page(visitor)
    page = person.page
    person.choose(photo)
    expect(person.words("Draw a box on the photo first.")).to_be_visible()
    person.draw(CUP)
    person.draw(SPOON)
    expect(person.boxes).to_have_count(2)
    page.get_by_label("What is in box 1?").fill("cup")
    # The first is moved by its number, and the second is deleted and comes back.
    page.get_by_label("Delete box 2").click()
    expect(person.boxes).to_have_count(1)
    person.press("Undo")
    expect(person.boxes).to_have_count(2)
    page.get_by_role("radio", name="Draft").check()
    page.get_by_role("checkbox", name="OBJ").check()
    person.press("Make 3D")
    page.wait_for_url(re.compile("#/jobs/"))
    person.see_done()
    expect(person.words("Preview quality")).to_be_visible()
    page.get_by_role("tab", name="cup").click()
    person.see_model()
    with page.expect_download() as saved:
        page.get_by_role("button", name=re.compile("^Download GLB")).first.click()
    mesh = tmp_path / saved.value.suggested_filename
    saved.value.save_as(mesh)
    assert mesh.suffix == ".glb"
    assert len(trimesh.load_mesh(mesh).faces) > 100
    expect(page.get_by_role("button", name=re.compile("^Download OBJ"))).to_be_visible()


def test_by_finger(open_page: Open, visitor: Visitor, photo: Path) -> None:
    person = open_page(visitor, PHONE)
    page = person.page
    person.choose(photo)
    person.draw(CUP)
    expect(person.boxes).to_have_count(1)
    page.get_by_text("Draft").tap()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE.width
    person.press("Make 3D")
    page.wait_for_url(re.compile("#/jobs/"))
    person.see_done()
    person.see_model()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE.width


def test_by_keyboard_alone(open_page: Open, visitor: Visitor) -> None:
    person = open_page(visitor)
    page, press = person.page, person.page.keyboard.press
    # The window for files is the browser's own; an example needs none.
    person.tab_to(page.locator(".photo-example").first)
    press("Enter")
    expect(person.heading("Draw a box around each thing")).to_be_visible()
    expect(person.boxes).not_to_have_count(0)
    before = person.boxes.count()
    person.tab_to(person.button("Add a box"))
    press("Enter")
    expect(person.boxes).to_have_count(before + 1)
    added = page.get_by_role("button", name=re.compile(f"^Box {before + 1}, "))
    expect(added).to_be_focused()
    said = added.get_attribute("aria-label")
    for key in ("Shift+ArrowRight", "ArrowDown", "Alt+ArrowLeft"):
        press(key)
    assert added.get_attribute("aria-label") != said
    press("Delete")
    expect(person.boxes).to_have_count(before)
    press("Control+z")
    expect(person.boxes).to_have_count(before + 1)
    press("Control+Shift+z")
    expect(person.boxes).to_have_count(before)
    draft = page.get_by_role("radio", name="Draft")
    person.tab_to(page.get_by_role("radio", name="Standard"))
    press("ArrowLeft")
    expect(draft).to_be_checked()
    person.tab_to(person.button("Make 3D"))
    press("Enter")
    page.wait_for_url(re.compile("#/jobs/"))
    person.see_done()
    person.see_model()
    reset = person.button("Reset the view")
    person.tab_to(reset)
    press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    press("Escape")
    expect(reset).to_be_focused()
