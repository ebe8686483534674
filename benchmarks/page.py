"""How soon one can begin on the page, and how soon a model that has arrived is on the screen.

`python -m benchmarks.page [--quick] [--json FILE]`. The service is that of `gen3d up`, the browser Chromium without a
GPU: WebGL is drawn by the processor, beside which all of the service runs. Knows nothing of how the page is made.
"""

import gzip
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.sync_api import Browser, Request

from benchmarks.measure import photo_boxes, photo_jpeg, publish, read_arguments, table
from infra.local.stage import Stage
from lambdas.shared.job_folder import Job
from tests.infra.local.visitors import Visitor, send, sign_up
from tests.web.browser import find_browser, launched, running_page
from tests.web.person import DESK, PHONE, Device, Person

_LOADS: Final = 9
_MODELS: Final = 5
_FACES: Final = 50_000
_MEGAPIXELS: Final = 0.5
# Milliseconds from the beginning of the navigation until the frame in which the element is there and can be used.
_UNTIL_THERE: Final = """(selector) => new Promise((tell) => {
  const look = () => {
    const found = document.querySelector(selector);
    if (found && found.checkVisibility() && !found.disabled) tell(performance.now());
    else requestAnimationFrame(look);
  };
  look();
})"""
# Milliseconds from the last byte of the model until the second frame after its veil has gone: then it has been drawn.
_UNTIL_DRAWN: Final = """(name) => new Promise((tell) => {
  const look = () => {
    const [file] = performance.getEntriesByType("resource").filter((file) => file.name.includes(name));
    const veil = document.querySelector(".result-veil");
    if (file && veil && veil.hidden)
      requestAnimationFrame(() => requestAnimationFrame(() => tell(performance.now() - file.responseEnd)));
    else requestAnimationFrame(look);
  };
  look();
})"""


def main() -> None:
    """Measures, prints the tables, and writes the JSON where asked."""
    arguments = read_arguments("How soon one can begin on the page, and how soon a model is on the screen.")
    program = find_browser()
    if program is None:
        sys.exit("There is no Chromium on the PATH.")
    with (
        tempfile.TemporaryDirectory() as home,
        running_page(Path(home)) as stage,
        httpx.Client(trust_env=False, timeout=60) as http,
        launched(program) as browser,
    ):
        visitor = sign_up(stage, http)
        one, two = _submit(visitor, 1), _submit(visitor, 2)
        loads, models = (1, 1) if arguments.quick else (_LOADS, _MODELS)
        result = {
            "benchmark": "page",
            "quick": arguments.quick,
            "loads": [
                _measure_load(browser, stage, visitor, name, device, loads)
                for name, device in (("desk", DESK), ("phone", PHONE))
            ],
            "scripts": _scripts(browser, stage, visitor, one),
            "models": {
                "faces": _FACES,
                "first_ms": [_measure_first(browser, stage, visitor, one) for _ in range(models)],
                "next_ms": [_measure_next(browser, stage, visitor, two) for _ in range(models)],
            },
            "how": "Each time is of a new browser context with an empty cache; the service runs on the same machine. A"
            " page can be begun with once the button for a photo, or the form to sign in, can be used. A model counts"
            " from its last byte to the frame that shows it; the first waits for the viewer itself besides, which comes"
            " at the same time. The processor draws them: a GPU is faster.",
        }
    publish(result, _tables(result), arguments.json)


def _submit(visitor: Visitor, objects: int) -> str:
    """A job that has made so many objects of so many faces; its id."""
    data = photo_jpeg(_MEGAPIXELS)
    boxes = photo_boxes(objects, _MEGAPIXELS)
    asked = {
        "boxes": [[box.x_min, box.y_min, box.x_max, box.y_max] for box in boxes],
        "file": {"name": "coffee.jpg", "type": "image/jpeg", "bytes": len(data)},
        "options": {"quality": "high", "faces": _FACES},
    }
    answer = visitor.ask("POST", "/api/jobs", asked)
    if answer.status_code != 201 or send(visitor.http, answer.json()["upload"], data).status_code != 204:
        raise RuntimeError(f"The job was not taken: {answer.text}")
    job = str(answer.json()["id"])
    found = visitor.wait(Job(visitor.sub, job))
    if found["status"] != "succeeded":
        raise RuntimeError(f"The job was not done: {found}")
    return job


def _open(browser: Browser, stage: Stage, device: Device, visitor: Visitor | None) -> Person:
    """A page in a context of its own, whose cache is empty but who is signed in."""
    person = Person(browser.new_context(**device.context()), stage, device)
    if visitor is not None:
        person.go("/")
        person.sign_in(visitor.user)
        with person.tools() as tools:
            tools.send("Network.clearBrowserCache")
        person.page.goto("about:blank")
    return person


def _measure_load(
    browser: Browser, stage: Stage, visitor: Visitor, name: str, device: Device, times: int
) -> dict[str, Any]:
    spent: dict[str, list[float]] = {"out": [], "in": []}
    for who, selector in (("out", "#session-email"), ("in", ".photo-area button")):
        for _ in range(times):
            person = _open(browser, stage, device, visitor if who == "in" else None)
            person.page.goto(stage.page, wait_until="commit")
            spent[who].append(person.page.evaluate(_UNTIL_THERE, selector))
            person.context.close()
    return {"device": name, "signed_out_ms": spent["out"], "signed_in_ms": spent["in"]}


def _measure_first(browser: Browser, stage: Stage, visitor: Visitor, job: str) -> float:
    person = _open(browser, stage, DESK, visitor)
    person.page.goto(f"{stage.page}/#/jobs/{job}", wait_until="commit")
    spent = float(person.page.evaluate(_UNTIL_DRAWN, "object-0.web.glb"))
    person.context.close()
    return spent


def _measure_next(browser: Browser, stage: Stage, visitor: Visitor, job: str) -> float:
    person = _open(browser, stage, DESK, visitor)
    person.page.goto(f"{stage.page}/#/jobs/{job}", wait_until="commit")
    person.page.evaluate(_UNTIL_DRAWN, "scene.glb")
    person.page.get_by_role("tab").first.click()
    spent = float(person.page.evaluate(_UNTIL_DRAWN, "object-0.web.glb"))
    person.context.close()
    return spent


def _scripts(browser: Browser, stage: Stage, visitor: Visitor, job: str) -> dict[str, int]:
    """Bytes of the scripts, packed as CloudFront does it: those of the first load, and what a model brings besides."""
    person = _open(browser, stage, DESK, visitor)
    seen: list[str] = []

    def note(request: Request) -> None:
        if request.resource_type == "script":
            seen.append(request.url)

    person.page.on("request", note)
    person.go("/")
    person.page.wait_for_load_state("networkidle")
    first = list(seen)
    person.go(f"/#/jobs/{job}")
    person.see_model()
    person.context.close()
    sizes = {url: len(gzip.compress(httpx.get(url, trust_env=False).content, 6)) for url in seen}
    return {
        "first_load_bytes": sum(sizes[url] for url in first),
        "viewer_bytes": sum(sizes[url] for url in seen if url not in first),
    }


def _tables(result: dict[str, Any]) -> str:
    loads = table(
        ("Can be begun with after", "Signed out, median", "Longest", "Signed in, median", "Longest"),
        [(row["device"], *_spread(row["signed_out_ms"]), *_spread(row["signed_in_ms"])) for row in result["loads"]],
    )
    models, scripts = result["models"], result["scripts"]
    others = table(
        (f"A model of {models['faces']:,} faces, from its last byte to the screen", "Median", "Longest"),
        [
            ("The first, together with the viewer", *_spread(models["first_ms"])),
            ("Another one", *_spread(models["next_ms"])),
        ],
    )
    sizes = table(
        ("Scripts, gzipped", "Bytes"),
        [
            ("First load", f"**{scripts['first_load_bytes']:,}**"),
            ("The viewer, once there is a model", f"{scripts['viewer_bytes']:,}"),
        ],
    )
    return f"{loads}\n\n{others}\n\n{sizes}"


def _spread(milliseconds: Sequence[float]) -> tuple[str, str]:
    return f"**{statistics.median(milliseconds):.0f} ms**", f"{max(milliseconds):.0f} ms"


if __name__ == "__main__":
    main()
