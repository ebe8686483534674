"""Photographs the page's main states, on a desk and a phone, light and dark. Knows no test.

`python -m tests.web.screens FOLDER IMAGES`, which `make screens` does: the photographs lie in FOLDER then, and what the
User Guide shows of them in IMAGES. Photos and jobs are real; the engine is the preview's.
"""

import base64
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from PIL import Image
from playwright.sync_api import Browser, expect

from infra.local.stage import Stage
from lambdas.shared.job_folder import Job
from tests.conftest import ROOT
from tests.infra.local.visitors import Visitor, invite, send, sign_up
from tests.web.axe import SCHEMES
from tests.web.browser import PATIENCE_MS, find_browser, launched, running_page
from tests.web.engine import resting_engine
from tests.web.person import DESK, PHONE, Device, Person

PHOTOS: Final = ROOT / "out" / "photos"
BEST: Final = ("boxes-desk-light", "scene-desk-light", "result-phone-dark")
# What the User Guide shows, by the picture's name: photographs side by side, as high as is said.
GUIDE: Final = {
    "page-sign-in": (480, ("sign-in-card", "password-card")),
    "page-photo": (640, ("new-desk-light",)),
    "page-boxes": (720, ("boxes-desk-light", "options")),
    "page-progress": (640, ("job-desk-light",)),
    "page-result": (1000, ("object",)),
    "page-partly": (640, ("failure-desk-light",)),
    "page-history": (640, ("history-desk-light",)),
    "page-phone": (720, ("new-phone-light", "boxes-phone-light", "job-phone-light", "result-phone-light")),
    "page-mail": (640, ("mail",)),
}
COMPARISON: Final = "page-good-and-bad"
PICTURES: Final = {*GUIDE, COMPARISON}
HEIGHT: Final = 620
GAP: Final = 16
DEVICES: Final = {"desk": DESK, "phone": PHONE}
# By their photos, as `make demo` has them.
THINGS: Final = {
    "coffee": {"cup and saucer": (75, 12, 484, 394), "bowl of the spoon": (325, 232, 408, 330)},
    "astronaut": {"portrait": (150, 12, 304, 172), "shuttle": (355, 0, 460, 285), "helmet": (285, 345, 495, 512)},
    "chelsea": {"cat": (0, 0, 400, 300)},
    "rocket": {"rocket": (303, 122, 342, 410)},
}
# A good box, and one that is not, on the same photos.
PAIRS: Final = {
    "coffee": ({"good": (75, 12, 484, 394)}, {"bad: half of it": (75, 12, 290, 394)}),
    "rocket": ({"good": (303, 122, 342, 410)}, {"bad: too wide": (150, 60, 500, 427)}),
    "astronaut": ({"good": (355, 0, 460, 285)}, {"bad: two things": (150, 0, 470, 290)}),
}
PAIR: Final = (420, 280)


def main() -> None:
    """Writes `STATE-DEVICE-SCHEME.png` for each into the folder, and the guide's pictures to the images."""
    folder, images = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    program = find_browser()
    if program is None:
        sys.exit("There is no Chromium on the PATH.")
    with (
        tempfile.TemporaryDirectory() as home,
        running_page(Path(home)) as stage,
        httpx.Client(trust_env=False, timeout=30) as http,
        launched(program) as browser,
    ):
        visitor = sign_up(stage, http)
        made = {name: _submit(visitor, name, things) for name, things in THINGS.items()}
        made["failed"] = _submit(visitor, "coffee", {"cup": (170, 12, 410, 240), "beside the photo": (700, 0, 800, 90)})
        for job in made.values():
            visitor.wait(job)
        for name, device in DEVICES.items():
            with _opened(browser, stage, device) as person:
                _Camera(person, folder, name).photograph(visitor, made)
        _photograph_mail(browser, visitor, made["astronaut"], folder / "mail.png")
        _compare(sign_up(stage, http)).save(images / f"{COMPARISON}.jpg", quality=85, optimize=True)
    _join([folder / f"{name}.png" for name in BEST], HEIGHT, folder / "page.jpg")
    for name, (height, shown) in GUIDE.items():
        _join([folder / f"{each}.png" for each in shown], height, images / f"{name}.jpg")
    print(f"Look at {folder}/*.png and {images}/page-*.jpg")  # noqa: T201
    print(f"{folder}/page.jpg is what the README shows, from docs/images/")  # noqa: T201


def _join(pictures: list[Path], height: int, to: Path) -> None:
    """Puts pictures beside each other, all of one height, or less where that would enlarge one."""
    opened = [Image.open(picture).convert("RGB") for picture in pictures]
    height = min(height, *(one.height for one in opened))
    scaled = [one.resize((round(one.width * height / one.height), height), Image.Resampling.LANCZOS) for one in opened]
    width = sum(one.width for one in scaled) + GAP * (len(scaled) - 1)
    joined = Image.new("RGB", (width, height), "white")
    left = 0
    for one in scaled:
        joined.paste(one, (left, 0))
        left += one.width + GAP
    joined.save(to, quality=85, optimize=True)


def _compare(visitor: Visitor) -> Image.Image:
    """What came of good boxes, and below them of others, each with its mask."""
    sheet = Image.new("RGB", (3 * PAIR[0] + 2 * GAP, 2 * PAIR[1] + GAP), "white")
    for row, things in enumerate(zip(*PAIRS.values(), strict=True)):
        jobs = [_submit(visitor, photo, boxes) for photo, boxes in zip(PAIRS, things, strict=True)]
        for column, job in enumerate(jobs):
            masks = _picture(visitor, visitor.wait(job), "masks.png")
            # The top of one that is higher.
            height = round(masks.height * PAIR[0] / masks.width)
            one = masks.resize((PAIR[0], height), Image.Resampling.LANCZOS).crop((0, 0, *PAIR))
            sheet.paste(one, (column * (PAIR[0] + GAP), row * (PAIR[1] + GAP)))
    return sheet


def _picture(visitor: Visitor, job: dict[str, Any], name: str) -> Image.Image:
    """A picture among the files of a job that has ended."""
    (address,) = (file["url"] for file in job["files"] if file["name"] == name)
    return Image.open(io.BytesIO(visitor.http.get(address).content)).convert("RGB")


def _photograph_mail(browser: Browser, visitor: Visitor, job: Job, to: Path) -> None:
    """The mail about a job, as a browser shows it; the local cloud keeps its text alone, so its picture is put back."""
    kept = visitor.http.get(f"{visitor.stage.cloud.address}/_ministack/ses/messages").json()["messages"]
    mails = [mail for account in kept.values() for mail in account if visitor.user.email in mail["To"]]
    (html,) = (mail["BodyHtml"] for mail in mails if job.id in mail["BodyText"])
    picture = io.BytesIO()
    _picture(visitor, visitor.read(job), "preview.png").save(picture, "PNG")
    shown = f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"
    page = browser.new_page(viewport={"width": 760, "height": 400})
    page.set_content(re.sub(r"cid:[^\"]+", shown, html), wait_until="load")
    page.screenshot(path=to, full_page=True)
    page.close()


def _submit(visitor: Visitor, photo: str, things: dict[str, tuple[int, int, int, int]]) -> Job:
    data = (PHOTOS / f"{photo}.jpg").read_bytes()
    boxes = [
        {**dict(zip(("x_min", "y_min", "x_max", "y_max"), box, strict=True)), "label": label}
        for label, box in things.items()
    ]
    file = {"name": f"{photo}.jpg", "type": "image/jpeg", "bytes": len(data)}
    asked = {"boxes": boxes, "file": file, "options": {"formats": ["glb", "obj", "stl", "usdz"]}}
    answer = visitor.ask("POST", "/api/jobs", asked)
    assert answer.status_code == 201, answer.text
    assert send(visitor.http, answer.json()["upload"], data).status_code == 204
    return Job(visitor.sub, answer.json()["id"])


@contextmanager
def _opened(browser: Browser, stage: Stage, device: Device) -> Iterator[Person]:
    context = browser.new_context(**device.context(), device_scale_factor=2 if device.is_touched else 1)
    context.set_default_timeout(PATIENCE_MS)
    yield Person(context, stage, device)
    context.close()


@dataclass
class _Camera:
    """Somebody's way through the page, which is photographed where it stops."""

    person: Person
    folder: Path
    device: str

    def take(self, state: str) -> None:
        """What is seen at the top; on a phone also all there is, from top to bottom."""
        page = self.person.page
        page.evaluate("scrollTo(0, 0)")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=self.folder / f"{state}-{self.device}-{scheme}.png")
            if self.person.device.is_touched:
                page.screenshot(path=self.folder / f"{state}-{self.device}-{scheme}-whole.png", full_page=True)
        page.emulate_media(color_scheme="light")

    def take_part(self, state: str, selector: str, height: int) -> None:
        """A part of the page as it is on a desk, in a window that is high enough for all of it."""
        if self.person.device.is_touched:
            return
        page = self.person.page
        page.set_viewport_size({"width": self.person.device.width, "height": height})
        page.locator(selector).screenshot(path=self.folder / f"{state}.png")
        page.set_viewport_size({"width": self.person.device.width, "height": self.person.device.height})

    def photograph(self, visitor: Visitor, made: dict[str, Job]) -> None:
        """All of the states."""
        person, page = self.person, self.person.page
        person.go("/")
        expect(person.heading("Sign in")).to_be_visible()
        self.take("sign-in")
        self.take_part("sign-in-card", ".session-card", 800)
        person.sign_in(invite(visitor.stage, f"ada-{self.device}@example.com"))
        expect(person.heading("Choose a password")).to_be_visible()
        self.take("password")
        self.take_part("password-card", ".session-card", 800)
        person.press("Back")
        person.sign_in(visitor.user)
        expect(person.button("Choose a photo")).to_be_visible()
        page.wait_for_load_state("networkidle")
        for image in page.locator("img").all():
            image.evaluate("(image) => image.decode()")
        self.take("new")
        person.choose(PHOTOS / "astronaut.jpg")
        expect(person.heading("Draw a box around each thing")).to_be_visible()
        self.take("photo")
        for number, (label, box) in enumerate(THINGS["astronaut"].items(), start=1):
            person.draw([side / 512 for side in box])
            page.get_by_label(f"What is in box {number}?").fill(label)
        page.keyboard.press("Escape")
        self.take("boxes")
        page.get_by_text("More options", exact=True).click()
        self.take_part("options", ".new-wishes > :last-child", 1700)
        with resting_engine(visitor.stage):
            waiting = _submit(visitor, "chelsea", THINGS["chelsea"])
            person.go(f"/#/jobs/{waiting.id}")
            expect(page.get_by_role("region", name="Progress")).to_be_visible()
            page.wait_for_load_state("networkidle")
            self.take("job")
        visitor.wait(waiting)
        for state, name in (("result", "coffee"), ("scene", "astronaut"), ("failure", "failed")):
            person.go(f"/#/jobs/{made[name].id}")
            person.see_model()
            page.wait_for_load_state("networkidle")
            if state == "failure":
                page.get_by_role("tab").nth(1).click()
            self.take(state)
        person.go(f"/#/jobs/{made['coffee'].id}")
        page.get_by_role("tab").first.click()
        person.see_model()
        self.take_part("object", "body", 1220)
        person.go("/#/history")
        expect(page.locator(".history-row img").nth(len(made) - 1)).to_be_visible()
        page.wait_for_load_state("networkidle")
        self.take("history")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        self.take("keys")


if __name__ == "__main__":
    main()
