"""The table of IAM actions says what the Lambdas do: nothing missing, nothing more."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from lambdas.actions import CALLS, grants
from lambdas.shared.job_folder import Job
from tests.lambdas.cloud import ENDPOINT, NAMES, SENDER, Cloud
from tests.lambdas.rig import World, person, picture

Asked = tuple[str, str, dict[str, Any]]


def needed(cloud: Cloud, call: str, asked: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The IAM actions that a call needs, each with the very thing it needs it on."""
    key = f"bucket/{asked.get('Key')}"
    match call:
        case "s3:ListObjectsV2":
            yield "s3:ListBucket", "bucket"
        case "s3:ListObjectVersions":
            yield "s3:ListBucketVersions", "bucket"
        case "s3:GetObject" | "s3:PutObject":
            yield call, key
        case "s3:CopyObject":
            yield "s3:GetObject", f"bucket/{asked['CopySource'].partition('/')[2]}"
            yield "s3:PutObject", key
        case "s3:DeleteObjects":
            for one in asked["Delete"]["Objects"]:
                yield "s3:DeleteObject", f"bucket/{one['Key']}"
                if "VersionId" in one:
                    yield "s3:DeleteObjectVersion", f"bucket/{one['Key']}"
        case "sagemaker-runtime:InvokeEndpointAsync":
            assert asked["EndpointName"] == ENDPOINT
            yield "sagemaker:InvokeEndpointAsync", "endpoint"
        case "sesv2:SendEmail":
            assert SENDER in asked["FromEmailAddress"]
            assert set(asked["Content"]) == {"Raw"}
            yield "ses:SendRawEmail", "mail-identity"
        case "sqs:SendMessage":
            queues = {cloud.uploaded: "uploaded-queue", cloud.finished: "finished-queue"}
            yield "sqs:SendMessage", queues[asked["QueueUrl"]]
        case _:
            raise AssertionError(f"{call} is new: say what it needs")
    if asked.get("Tagging"):
        yield "s3:PutObjectTagging", key


def everything(cloud: Cloud) -> list[Asked]:
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
    world.submit(person("joan"))
    world.fail()
    world.drain()
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
    world.messages.clear()
    told_to_nobody = world.submit(person("hedy"))
    world.finish()
    world.deliver(*world.messages.pop(0))
    world.messages.clear()
    world.store.put(told_to_nobody.marker(world.now), b"")
    failing = world.submit(person("emmy"))
    world.fail(lose_notice=True)
    world.messages.clear()
    world.store.put(failing.marker(world.now), b"")
    cancelled, _ = world.create(person("marie"))
    world.api(person("x"), "GET", f"/api/jobs/{cancelled.id}")
    world.settle()
    assert {world.outcome(each)["status"] for each in (answered, failing)} == {"succeeded", "failed"}
    return world.watch.asked


@pytest.fixture(scope="module")
def calls(cloud: Cloud) -> list[Asked]:
    return everything(cloud)


@pytest.mark.parametrize("name", NAMES)
def test_the_calls_are_those_of_the_table(calls: list[Asked], name: str) -> None:
    assert {call for at_work, call, _ in calls if at_work == name} == set(CALLS[name])


@pytest.mark.parametrize("name", NAMES)
def test_each_call_uses_what_the_table_grants_it_and_each_grant_is_used(
    cloud: Cloud, calls: list[Asked], name: str
) -> None:
    for call, granted in CALLS[name].items():
        used = set()
        for at_work, made, asked in calls:
            if (at_work, made) == (name, call):
                for action, thing in needed(cloud, call, asked):
                    fitting = {each for each in granted if each.action == action and fnmatchcase(thing, each.resource)}
                    assert fitting, (call, action, thing)
                    used |= fitting
        assert used == set(granted), call


def test_nobody_may_do_everything() -> None:
    for name in NAMES:
        for action, resource in grants(name):
            assert "*" not in action
            assert resource != "*"


def test_nobody_reads_or_writes_the_page() -> None:
    for name in NAMES:
        for grant in grants(name):
            assert not fnmatchcase("bucket/PUBLIC/index.html", grant.resource)
