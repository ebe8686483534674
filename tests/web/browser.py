"""A real browser of this machine, and the whole service with its page. Knows neither tests nor what a page shows."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, expect, sync_playwright

from infra.local.stage import Stage, running_stage
from infra.page import build_page

# As Debian, Ubuntu and Google call it.
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
# Enough where the tests of other rooms have the machine for themselves just then.
PATIENCE_MS: Final = 30_000
# WebGL without a GPU.
_SOFTWARE_GL: Final = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def find_browser() -> str | None:
    """The program of one that can be driven, where there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def running_page(folder: Path) -> Iterator[Stage]:
    """Has the service run meanwhile, with the page as it is in the checkout."""
    dist = build_page()
    with running_stage(folder) as stage:
        stage.publish_page(dist)
        yield stage


@contextmanager
def launched(program: str) -> Iterator[Browser]:
    """Has a browser run meanwhile, without a window. Until its end this thread has an asyncio loop."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_SOFTWARE_GL))
        try:
            yield browser
        finally:
            browser.close()
