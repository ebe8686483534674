"""What comes before anybody has done anything: little, from the page's own address alone, and it stays in its place."""

import gzip
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Response, expect

from tests.infra.local.visitors import Visitor
from tests.web.person import DESK, PHONE, Person

Open = Callable[..., Person]
KILOBYTES = 1024
# As Chromium tells of it: each shift is the share of the window that moved, times how far. Below 0.1 counts as good,
# https://web.dev/articles/cls
SHIFTS = """
globalThis.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


def test_the_scripts_of_the_first_load_have_at_most_60_kilobytes(open_page: Open, visitor: Visitor) -> None:
    person = open_page(visitor)
    expect(person.button("Choose a photo")).to_be_visible()
    scripts: dict[str, Response] = {}

    def note(response: Response) -> None:
        if response.request.resource_type == "script":
            scripts[response.url] = response

    person.page.on("response", note)
    person.page.reload(wait_until="networkidle")
    expect(person.button("Choose a photo")).to_be_visible()
    assert scripts
    # As CloudFront packs them; on this machine they come unpacked.
    packed = {urlsplit(url).path: len(gzip.compress(httpx.get(url, trust_env=False).content, 6)) for url in scripts}
    assert sum(packed.values()) <= 60 * KILOBYTES, packed


def test_nothing_comes_from_elsewhere(open_page: Open, visitor: Visitor) -> None:
    person = open_page()
    asked: set[str] = set()
    person.page.on("request", lambda request: asked.add("{0.scheme}://{0.netloc}".format(urlsplit(request.url))))
    person.page.reload(wait_until="networkidle")
    person.sign_in(visitor.user)
    expect(person.button("Choose a photo")).to_be_visible()
    assert asked <= {person.stage.page, person.stage.cloud.address}


def test_nothing_moves_while_it_comes(open_page: Open, visitor: Visitor) -> None:
    done = visitor.submit()
    visitor.wait(done)
    for device in (DESK, PHONE):
        person = open_page(visitor, device)
        person.context.add_init_script(SHIFTS)
        for path, words in (("/", "Turn a photo into 3D"), ("/#/history", "Your jobs"), (f"/#/jobs/{done.id}", "cup")):
            person.page.goto("about:blank")
            person.go(path)
            expect(person.heading(words)).to_be_visible()
            person.page.wait_for_load_state("networkidle")
            assert person.page.evaluate("globalThis.shifted") < 0.1, (path, device)
