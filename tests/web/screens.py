"""Photographs the page's main states, on a desk and a phone, light and dark. Knows no test.

`python -m tests.web.screens FOLDER`, which `make screens` does. Photos and jobs are real; the engine is the preview's.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from PIL import Image
from playwright.sync_api import Browser, expect

from infra.local.stage import Stage
from lambdas.shared.job_folder import Job
from tests.conftest import ROOT
from tests.infra.local.visitors import Visitor, send, sign_up
from tests.web.axe import SCHEMES
from tests.web.browser import PATIENCE_MS, find_browser, launched, running_page
from tests.web.engine import resting_engine
from tests.web.person import DESK, PHONE, Device, Person

PHOTOS: Final = ROOT / "out" / "photos"
BEST: Final = ("boxes-desk-light", "scene-desk-light", "result-phone-dark")
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


def main() -> None:
    """Writes `STATE-DEVICE-SCHEME.png` for each into the folder."""
    folder = Path(sys.argv[1])
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
    _join([folder / f"{name}.png" for name in BEST], folder / "page.jpg")
    print(f"Look at {folder}/*.png; {folder}/page.jpg is what the README shows, from docs/images/")  # noqa: T201


def _join(pictures: list[Path], to: Path) -> None:
    """Puts pictures beside each other, all as high as the README has room for."""
    opened = [Image.open(picture).convert("RGB") for picture in pictures]
    scaled = [one.resize((round(one.width * HEIGHT / one.height), HEIGHT), Image.Resampling.LANCZOS) for one in opened]
    width = sum(one.width for one in scaled) + GAP * (len(scaled) - 1)
    joined = Image.new("RGB", (width, HEIGHT), "white")
    left = 0
    for one in scaled:
        joined.paste(one, (left, 0))
        left += one.width + GAP
    joined.save(to, quality=85, optimize=True)


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

    def photograph(self, visitor: Visitor, made: dict[str, Job]) -> None:
        """All of the states."""
        person, page = self.person, self.person.page
        person.go("/")
        expect(person.heading("Sign in")).to_be_visible()
        self.take("sign-in")
        person.sign_in(visitor.user)
        expect(person.button("Choose a photo")).to_be_visible()
        page.wait_for_load_state("networkidle")
        self.take("new")
        person.choose(PHOTOS / "astronaut.jpg")
        expect(person.heading("Draw a box around each thing")).to_be_visible()
        self.take("photo")
        for number, (label, box) in enumerate(THINGS["astronaut"].items(), start=1):
            person.draw([side / 512 for side in box])
            page.get_by_label(f"What is in box {number}?").fill(label)
        page.keyboard.press("Escape")
        self.take("boxes")
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
        person.go("/#/history")
        expect(page.locator(".history-row").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        self.take("history")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        self.take("keys")


if __name__ == "__main__":
    main()
