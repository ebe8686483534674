"""The page in a real browser, against the whole service on this machine: one of each for a worker of the test run."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser
from skimage import data

from infra.local.stage import Stage
from infra.page import build_page
from tests.infra.local.visitors import Visitor, sign_up
from tests.web.browser import PATIENCE_MS, launched
from tests.web.person import DESK, Device, Person


@pytest.fixture(scope="session")
def stage(program: str, stage: Stage) -> Stage:
    """The service that all rooms share, with the page."""
    stage.publish_page(build_page())
    return stage


@pytest.fixture(scope="module")
def browser(stage: Stage, program: str) -> Iterator[Browser]:
    """One for a module: while it runs, this thread has an asyncio loop, in the way of other rooms' tests."""
    with launched(program) as running:
        yield running


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """What is asked of the API beside the page."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def newcomer(stage: Stage, http: httpx.Client) -> Callable[[], Visitor]:
    """Signs somebody up at each call, who has a token and no browser yet."""
    return lambda: sign_up(stage, http)


@pytest.fixture
def visitor(newcomer: Callable[[], Visitor]) -> Visitor:
    """Somebody new."""
    return newcomer()


@pytest.fixture
def open_page(stage: Stage, browser: Browser) -> Iterator[Callable[..., Person]]:
    """`open_page(visitor, device, path="/")` has them sit down at the page, signed in; without a visitor, signed out.

    At the end nobody's browser has had anything to complain about that the test has not expected.
    """
    people: list[Person] = []

    def sit_down(visitor: Visitor | None = None, device: Device = DESK, path: str = "/") -> Person:
        context = browser.new_context(**device.context())
        context.set_default_timeout(PATIENCE_MS)
        person = Person(context, stage, device)
        people.append(person)
        person.go(path)
        if visitor is not None:
            person.sign_in(visitor.user)
        return person

    yield sit_down
    complaints = [complaint for person in people for complaint in person.complaints()]
    for person in people:
        person.context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph, made small: a cup."""
    file = tmp_path_factory.mktemp("photo") / "cup.jpg"
    picture = Image.fromarray(data.coffee())
    picture.thumbnail((320, 320))
    picture.save(file, quality=85)
    return file
