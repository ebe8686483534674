"""What goes wrong on the way, and what becomes of the work: nothing of it is lost."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect
from skimage import data

from infra.local.stage import Stage
from tests.infra.local.visitors import BOX, Visitor
from tests.web.axe import check
from tests.web.engine import resting_engine
from tests.web.person import Person
from tests.web.test_journeys import CUP, SPOON

Open = Callable[..., Person]
OFFLINE = "ERR_INTERNET_DISCONNECTED|ERR_FAILED|ERR_NETWORK"
UNTIL_KEPT = """(words) => new Promise((tell) => {
  indexedDB.open("gen3d").onsuccess = ({ target: { result: database } }) => {
    const look = () => {
      database.transaction("drafts").objectStore("drafts").getAll().onsuccess = ({ target: { result: drafts } }) => {
        if (JSON.stringify(drafts).includes(words)) tell(database.close());
        else requestAnimationFrame(look);
      };
    };
    look();
  };
})"""
NOWHERE = [900, 900, 950, 950]


def test_a_reload_in_mid_job_goes_on_where_it_was(open_page: Open, visitor: Visitor, stage: Stage) -> None:
    with resting_engine(stage):
        job = visitor.submit()
        person = open_page(visitor, path=f"/#/jobs/{job.id}")
        expect(person.page.get_by_role("region", name="Progress")).to_be_visible()
        person.page.reload()
        expect(person.page.get_by_role("region", name="Progress")).to_be_visible()
    person.see_done()
    person.see_model()


def test_two_tabs_show_the_same_job(open_page: Open, visitor: Visitor, stage: Stage) -> None:
    with resting_engine(stage):
        job = visitor.submit()
        person = open_page(visitor, path=f"/#/jobs/{job.id}")
        other = person.context.new_page()
        other.goto(f"{stage.page}/#/jobs/{job.id}")
        expect(other.get_by_role("region", name="Progress")).to_be_visible()
    expect(other.locator(".job-state")).to_contain_text("Done")
    person.page.bring_to_front()
    person.see_done()


def test_one_object_fails_and_the_others_are_there(open_page: Open, visitor: Visitor) -> None:
    job = visitor.submit([BOX, NOWHERE])
    assert visitor.wait(job)["status"] == "partial"
    person = open_page(visitor, path=f"/#/jobs/{job.id}")
    person.see_done("Partly done")
    person.see_model()
    person.page.get_by_role("tab", name=re.compile("Failed")).click()
    expect(person.page.get_by_role("tabpanel")).to_contain_text("outside")
    expect(person.button("Try again")).to_be_visible()


def test_offline_in_mid_upload_the_photo_and_boxes_are_kept(open_page: Open, visitor: Visitor, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    Image.fromarray(data.coffee()).save(large, quality=95)  # so slowly, it takes a minute
    person = open_page(visitor)
    person.expected.append(OFFLINE)
    person.choose(large)
    person.draw(CUP)
    person.page.get_by_role("radio", name="Draft").check()
    with person.tools() as tools:
        tools.send("Network.enable")
        slowly = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2048}
        tools.send("Network.emulateNetworkConditions", slowly)
        person.press("Make 3D")
        expect(person.words("Uploading the photo")).to_be_visible()
        tools.send("Network.emulateNetworkConditions", {**slowly, "offline": True})
        expect(person.words("Your photo and boxes are kept.")).to_be_visible()
        check(person)
        expect(person.boxes).to_have_count(1)
        tools.send("Network.emulateNetworkConditions", {**slowly, "uploadThroughput": -1})
    person.press("Try again")
    person.page.wait_for_url(re.compile("#/jobs/"))
    person.see_done()


def test_where_the_session_has_ended_the_work_is_kept(open_page: Open, visitor: Visitor, photo: Path) -> None:
    person = open_page(visitor)
    person.expected.append("status of 400")
    person.choose(photo)
    person.draw(CUP)
    person.draw(SPOON)
    expect(person.boxes).to_have_count(2)
    end_session(person, visitor)
    person.press("Make 3D")
    expect(person.words("Your work is kept")).to_be_visible()
    person.sign_in(visitor.user)
    expect(person.boxes).to_have_count(2)
    person.press("Make 3D")
    person.page.wait_for_url(re.compile("#/jobs/"))


def test_a_reload_keeps_what_is_being_prepared(open_page: Open, visitor: Visitor, photo: Path) -> None:
    person = open_page(visitor)
    person.choose(photo)
    person.draw(CUP)
    person.page.get_by_label("What is in box 1?").fill("my favourite")
    # Who is faster than a moment loses the last stroke.
    person.page.evaluate(UNTIL_KEPT, "my favourite")
    person.page.reload()
    expect(person.page.get_by_label("What is in box 1?")).to_have_value("my favourite")


def test_an_empty_file_is_told_at_once(open_page: Open, visitor: Visitor, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.write_bytes(b"")
    person = open_page(visitor)
    person.choose(empty)
    expect(person.words("This file is empty")).to_be_visible()
    expect(person.button("Choose a photo")).to_be_visible()


def test_a_photo_of_30_megabytes_is_made_smaller_where_it_is_larger_than_needed(
    open_page: Open, visitor: Visitor, large_photo: Path
) -> None:
    person = open_page(visitor)
    person.choose(large_photo)
    expect(person.words("Made smaller here, from 4800 × 2400 and 30")).to_be_visible()
    person.draw((0.3, 0.15, 0.7, 0.85))
    person.page.get_by_role("radio", name="Draft").check()
    person.press("Make 3D")
    person.page.wait_for_url(re.compile("#/jobs/"))
    person.see_done()


@pytest.fixture(scope="session")
def large_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disc on a ground, in 11 million pixels; with bytes at its end that readers pass over, it has 30 MB."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (4800, 2400), "white")
    ImageDraw.Draw(picture).ellipse((1800, 600, 3000, 1800), "teal")
    file = tmp_path_factory.mktemp("large") / "large.jpg"
    picture.save(file)
    with file.open("r+b") as end:
        end.truncate(30_000_000)
    return file


def end_session(person: Person, visitor: Visitor) -> None:
    """As when somebody comes back after days: the token is over, and Cognito gives no other."""
    stage = visitor.stage
    stage.cloud.client("cognito-idp").admin_user_global_sign_out(
        UserPoolId=stage.outputs["UserPoolId"], Username=visitor.user.email
    )
    person.page.evaluate(
        """() => {
          const [key, text] = Object.entries(localStorage).find(([key]) => key.startsWith("gen3d.session."));
          localStorage.setItem(key, JSON.stringify({ ...JSON.parse(text), until: 0 }));
        }"""
    )
