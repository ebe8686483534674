"""Which of an object's two files the page fetches and shows, under the policy that it comes with."""

import re
from collections.abc import Callable

from playwright.sync_api import Request, expect

from infra.local.stage import Stage
from lambdas.shared.job_folder import OUTPUT
from tests.infra.local.visitors import Visitor
from tests.web.person import Person

Open = Callable[..., Person]
PLAIN, COMPACT = "object-0.glb", "object-0.web.glb"


def test_the_compact_file_is_what_is_shown(open_page: Open, visitor: Visitor) -> None:
    job = visitor.submit()
    visitor.wait(job)
    person = open_page(visitor)
    assert _fetched_for_model(person, job.id) == [COMPACT]
    offered = person.page.get_by_role("button", name=re.compile("^Download GLB"))
    expect(offered.nth(0)).to_have_accessible_name(re.compile(r"^Download GLB, \d"))
    expect(offered.nth(1)).to_have_accessible_name(re.compile("^Download GLB, compact, "))


def test_a_job_from_before_there_was_one_shows_the_plain_file(open_page: Open, visitor: Visitor, stage: Stage) -> None:
    job = visitor.submit()
    visitor.wait(job)
    stage.cloud.client("s3").delete_object(Bucket=stage.outputs["BucketName"], Key=job.key(OUTPUT + COMPACT))
    assert _fetched_for_model(open_page(visitor), job.id) == [PLAIN]


def test_webassembly_may_be_compiled_and_no_script_may_be(open_page: Open) -> None:
    person = open_page()
    # The least that is WebAssembly: its name and its version.
    assert _by_itself(person, "WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))") is None
    person.expected.append("CSP: script-src refuses eval")
    assert _by_itself(person, "eval('1 + 1')") == "EvalError"


def _fetched_for_model(person: Person, job: str) -> list[str]:
    """The names of the GLBs that the page has fetched by the time it shows the job's model."""
    asked: list[str] = []

    def note(request: Request) -> None:
        name = request.url.partition("?")[0].rpartition("/")[2]
        if name.endswith(".glb"):
            asked.append(name)

    person.page.on("request", note)
    person.go(f"/#/jobs/{job}")
    person.see_done()
    person.see_model()
    return asked


def _by_itself(person: Person, script: str) -> str | None:
    """What goes wrong where the page runs this; not the developer tools, for which the policy does not count."""
    run = f"setTimeout(async () => {{ try {{ await {script}; tell(null); }} catch (error) {{ tell(error.name); }} }})"
    told: str | None = person.page.evaluate(f"new Promise((tell) => {run})")
    return told
