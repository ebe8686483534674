"""Somebody at the page, in a browser of their own: what they do, and what their browser complains about.

Knows the page as people see it (names of buttons, headings, fields), and no test.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import BrowserContext, CDPSession, ConsoleMessage, FloatRect, Locator, Page, expect

from infra.local.stage import Stage, User
from tests.web.browser import PATIENCE_MS

# Told by the browser itself beside the console, with what was refused.
_NOTE_VIOLATIONS: Final = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} refuses ${event.blockedURI} at ${event.sourceFile}`));
"""


@dataclass(frozen=True)
class Device:
    """What somebody sits at.

    Attributes:
        width: Of the window, in CSS pixels.
        height: Of the window, in CSS pixels.
        is_touched: Whether fingers are used, and no mouse is there.
    """

    width: int
    height: int
    is_touched: bool = False

    def context(self) -> dict[str, Any]:
        """As Playwright wants it."""
        return {
            "viewport": {"width": self.width, "height": self.height},
            "has_touch": self.is_touched,
            "is_mobile": self.is_touched,
            "reduced_motion": "reduce",
        }


DESK: Final = Device(1280, 800)
PHONE: Final = Device(390, 844, is_touched=True)


@dataclass
class Person:
    """A browser's window with the page.

    Attributes:
        context: All that is the browser's: storage, network.
        stage: The service.
        device: What they sit at.
        expected: Patterns of complaints that are part of what the test is about.
    """

    context: BrowserContext
    stage: Stage
    device: Device = DESK
    expected: list[str] = field(default_factory=list)
    _heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.add_init_script(_NOTE_VIOLATIONS)
        self.context.on("console", self._listen)
        self.context.on("weberror", lambda error: self._heard.append(f"uncaught: {error.error}"))
        self.page: Page = self.context.new_page()

    def complaints(self) -> list[str]:
        """Errors and warnings in the console, what was thrown and not caught, what the security policy refused."""
        return [said for said in self._heard if not any(re.search(pattern, said) for pattern in self.expected)]

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._heard.append(f"{message.text} ({message.location['url']})")

    def sign_in(self, user: User) -> None:
        """With the form, which is there."""
        self.page.get_by_label("E-mail address").fill(user.email)
        self.page.get_by_label("Password", exact=True).fill(user.password)
        self.press("Sign in")
        expect(self.button("Sign in")).to_have_count(0)

    def button(self, name: str) -> Locator:
        """By all of its name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        """By finger or by mouse."""
        if self.device.is_touched:
            self.button(name).tap()
        else:
            self.button(name).click()

    def heading(self, name: str | re.Pattern[str]) -> Locator:
        """The page's own."""
        return self.page.get_by_role("heading", level=1, name=name)

    def words(self, words: str) -> Locator:
        """What is to be read, beside what is read out to those who do not see."""
        return self.page.get_by_text(words).and_(self.page.locator(":not([aria-live])"))

    def go(self, path: str) -> None:
        """To an address of the page."""
        self.page.goto(self.stage.page + path)

    def choose(self, photo: Path) -> None:
        """A photo, in the browser's own window for files."""
        with self.page.expect_file_chooser() as opened:
            self.press("Choose a photo")
        opened.value.set_files(photo)

    @property
    def boxes(self) -> Locator:
        """The boxes as the list has them."""
        return self.page.get_by_role("list", name="Boxes", exact=True).locator("> li")

    def see_photo(self) -> FloatRect:
        """Where the photo is on the screen, once it is laid out."""
        photo = self.page.locator(".editor-stage img")
        for _ in range(PATIENCE_MS // 50):
            seen = photo.bounding_box()
            if seen is not None and seen["width"] > 50:
                return seen
            self.page.wait_for_timeout(50)
        raise AssertionError("the photo is not to be seen")

    def draw(self, shares: Sequence[float]) -> None:
        """A box over the photo, from the first corner to the other: x, y, x, y in shares of its width and height."""
        self.page.locator(".editor-stage img").scroll_into_view_if_needed()
        seen = self.see_photo()
        begin, end = (
            (seen["x"] + x * seen["width"], seen["y"] + y * seen["height"]) for x, y in (shares[:2], shares[2:])
        )
        (self._drag_finger if self.device.is_touched else self._drag_mouse)(begin, end)

    def _drag_mouse(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*begin)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=5)
        self.page.mouse.up()

    def _drag_finger(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        with self.tools() as tools:
            self._move_fingers(tools, [(begin, end)])

    def spread_fingers(self, on: Locator) -> None:
        """Two fingers that go apart, to four times their distance."""
        seen = on.bounding_box()
        assert seen is not None
        x, y = seen["x"] + seen["width"] / 2, seen["y"] + seen["height"] / 2
        with self.tools() as tools:
            self._move_fingers(tools, [((x - 20, y), (x - 80, y)), ((x + 20, y), (x + 80, y))])

    def _move_fingers(self, tools: CDPSession, ways: Sequence[tuple[tuple[float, float], tuple[float, float]]]) -> None:
        for step in range(6):
            points = [
                {"x": x + (to_x - x) * step / 5, "y": y + (to_y - y) * step / 5, "id": finger}
                for finger, ((x, y), (to_x, to_y)) in enumerate(ways)
            ]
            kind = "touchMove" if step else "touchStart"
            tools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        tools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    @contextmanager
    def tools(self) -> Iterator[CDPSession]:
        """The browser's developer tools, which can do more than Playwright tells of."""
        session = self.context.new_cdp_session(self.page)
        try:
            yield session
        finally:
            session.detach()

    def tab_to(self, wanted: Locator) -> None:
        """By the key Tab alone, as often as it takes."""
        for _ in range(60):
            if wanted.evaluate("(element) => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"The key Tab does not lead to {wanted}.")

    def see_done(self, name: str = "Done") -> None:
        """That the job, whose page is shown, has ended like this."""
        expect(self.page.locator(".job-state")).to_contain_text(name)

    def see_model(self) -> None:
        """That the canvas shows something: many colours, and not only in a corner."""
        expect(self.page.locator(".result-veil")).to_be_hidden()
        canvas = self.page.locator("canvas.viewer-canvas")
        expect(canvas).to_be_visible()
        picture = Image.open(io.BytesIO(canvas.screenshot())).convert("RGB")
        seen = picture.resize((64, 64), Image.Resampling.NEAREST)
        colours = seen.getcolors(64 * 64)
        assert colours is not None
        ground = max(colours)[0]
        assert len(colours) > 100, f"The canvas has {len(colours)} colours."
        assert ground < 0.95 * 64 * 64, "The canvas is all but empty."
