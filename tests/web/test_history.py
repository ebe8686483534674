"""What becomes of jobs later: found again, renamed, cancelled, tried once more, deleted."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from infra.local.stage import Stage
from tests.infra.local.visitors import BOX, Visitor
from tests.web.engine import resting_engine
from tests.web.person import Person
from tests.web.test_troubles import NOWHERE

Open = Callable[..., Person]


def test_jobs_are_listed_the_newest_first_renamed_and_deleted(open_page: Open, visitor: Visitor) -> None:
    first, _ = visitor.create_ended()
    second, _ = visitor.create_ended()
    person = open_page(visitor, path="/#/history")
    page = person.page
    rows = page.locator(".history-row")
    expect(rows).to_have_count(2)
    expect(rows.first.get_by_role("link")).to_have_attribute("href", f"#/jobs/{second.id}")
    rows.first.get_by_role("button", name="Rename").click()
    rows.first.get_by_role("textbox", name="Name").fill("My cup")
    page.keyboard.press("Enter")
    expect(rows.first.get_by_role("link", name="My cup")).to_be_visible()
    assert visitor.read(second)["label"] == "My cup"
    rows.first.get_by_role("button", name="Delete My cup").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(rows).to_have_count(1)
    expect(person.words("“My cup” was deleted.")).to_be_visible()
    assert visitor.ask("GET", f"/api/jobs/{second.id}").status_code == 404
    rows.first.get_by_role("link").click()
    expect(person.heading("cup.jpg")).to_be_visible()
    assert page.url.endswith(first.id)


def test_there_is_a_way_on_where_there_is_no_job_yet(open_page: Open, visitor: Visitor) -> None:
    person = open_page(visitor, path="/#/history")
    person.page.get_by_role("link", name="Make the first").click()
    expect(person.heading("Turn a photo into 3D")).to_be_visible()


def test_a_job_is_cancelled_and_tried_again(open_page: Open, visitor: Visitor, stage: Stage) -> None:
    with resting_engine(stage):
        job = visitor.submit()
        person = open_page(visitor, path=f"/#/jobs/{job.id}")
        person.press("Cancel")
        person.press("Cancel the job")
        person.see_done("Cancelled")
    person.press("Try again")
    person.page.wait_for_url(lambda address: "#/jobs/" in address and job.id not in address)
    person.see_done()


def test_boxes_of_a_failed_job_are_changed(open_page: Open, visitor: Visitor) -> None:
    job = visitor.submit([NOWHERE])
    assert visitor.wait(job)["status"] == "failed"
    person = open_page(visitor, path=f"/#/jobs/{job.id}")
    person.see_done("Failed")
    person.press("Change boxes")
    expect(person.heading("Draw a box around each thing")).to_be_visible()
    expect(person.boxes).to_have_count(1)


def test_a_job_is_deleted_from_its_own_page(open_page: Open, visitor: Visitor) -> None:
    job, _ = visitor.create_ended()
    person = open_page(visitor, path=f"/#/jobs/{job.id}")
    person.press("Delete")
    person.page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(person.heading("Your jobs")).to_be_visible()
    assert visitor.ask("GET", f"/api/jobs/{job.id}").status_code == 404


def test_somebody_elses_job_is_no_job(open_page: Open, visitor: Visitor, newcomer: Callable[[], Visitor]) -> None:
    job, _ = newcomer().create_ended()
    person = open_page(visitor, path=f"/#/jobs/{job.id}")
    person.expected.append("status of 404")
    expect(person.heading("There is no such job")).to_be_visible()


def test_a_job_with_several_objects_has_a_scene_of_them(open_page: Open, visitor: Visitor) -> None:
    job = visitor.submit([BOX, BOX])
    visitor.wait(job)
    person = open_page(visitor, path=f"/#/jobs/{job.id}")
    person.page.get_by_role("tab", name=re.compile("scene", re.IGNORECASE)).click()
    person.see_model()
