"""The table of IAM actions says what the Lambdas do: nothing missing, nothing more."""

from fnmatch import fnmatchcase

import pytest

from lambdas.actions import CALLS, grants
from lambdas.shared.job_folder import Job
from tests.lambdas.cloud import NAMES, Cloud
from tests.lambdas.rig import World, person, picture

# Which of an object's grants a call with a key needs.
ON_KEYS = {
    "s3:GetObject": "s3:GetObject",
    "s3:PutObject": "s3:PutObject",
    "s3:CopyObject": "s3:PutObject",
}


def everything(cloud: Cloud) -> list[tuple[str, str, str]]:
    """All calls of lives in which everything happens that a Lambda has a branch for."""
    world, ada = World(cloud), person()
    job = world.submit(ada)
    world.api(ada, "GET", "/api/jobs")
    world.begin()
    world.api(ada, "GET", f"/api/jobs/{job.id}")
    for name in ("one", "two"):
        world.later(seconds=1)
        world.api(ada, "PUT", f"/api/jobs/{job.id}/label", {"label": name})
    world.finish()
    world.drain()
    world.api(ada, "POST", f"/api/jobs/{job.id}/retry")
    world.drain()
    world.api(ada, "DELETE", f"/api/jobs/{job.id}")
    world.api(ada, "GET", "/api/limits")
    # Of deleted jobs, late writers are met by each Lambda.
    for written in ("extract", "notify"):
        gone, upload = world.create(ada)
        world.upload(upload, picture())
        if written == "notify":
            world.drain()
            world.begin()
        world.api(ada, "DELETE", f"/api/jobs/{gone.id}")
        if written == "notify":
            world.finish()
        else:
            world.upload(upload, picture())
        world.drain()
    late = Job(ada.sub, gone.id)
    world.cloud.s3.put_object(Bucket=world.bucket, Key=late.key("output/object-0.glb"), Body=b"late")
    # Events are lost, and the sweep finds out.
    _, upload = world.create(ada)
    world.upload(upload, picture())
    world.messages.clear()
    answered = world.submit(person("grace"))
    world.finish()
    failing = world.submit(person("emmy"))
    world.fail(lose_notice=True)
    world.messages.clear()
    world.store.put(failing.marker(world.now), b"")
    cancelled, _ = world.create(person("marie"))
    world.api(person("x"), "GET", f"/api/jobs/{cancelled.id}")
    world.settle()
    assert {world.outcome(each)["status"] for each in (answered, failing)} == {"succeeded", "failed"}
    return world.watch.calls


@pytest.fixture(scope="module")
def calls(cloud: Cloud) -> list[tuple[str, str, str]]:
    return everything(cloud)


@pytest.mark.parametrize("name", NAMES)
def test_the_calls_are_those_of_the_table(calls: list[tuple[str, str, str]], name: str) -> None:
    assert {call for at_work, call, _ in calls if at_work == name} == set(CALLS[name])


@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_one_that_the_table_allows_and_every_pattern_is_used(
    calls: list[tuple[str, str, str]], name: str
) -> None:
    used = set()
    for at_work, call, key in calls:
        if at_work == name and call in ON_KEYS:
            allowed = [grant for grant in grants(name) if grant.action == ON_KEYS[call]]
            fitting = {grant for grant in allowed if fnmatchcase(f"bucket/{key}", grant.resource)}
            assert fitting, (call, key)
            used |= fitting
    assert used == {grant for grant in grants(name) if grant.action in ("s3:GetObject", "s3:PutObject")}


def test_nobody_may_do_everything() -> None:
    for name in NAMES:
        for action, resource in grants(name):
            assert "*" not in action
            assert resource != "*"


def test_nobody_reads_or_writes_the_page() -> None:
    for name in NAMES:
        for grant in grants(name):
            assert not fnmatchcase("bucket/PUBLIC/index.html", grant.resource)
