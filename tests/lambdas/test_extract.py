"""Uploaded photos become invocations."""

import json

import pytest

from tests.lambdas.rig import World, created, person, picture


def test_sagemaker_gets_the_request_the_id_and_the_times(world: World) -> None:
    job = world.submit(person())
    (taken,) = world.invocations
    assert taken.input_location == f"s3://{world.bucket}/{job.key('request.json')}"
    assert taken.inference_id == job.id
    stored = world.store.get(job.key("submitted.json"))
    assert stored is not None
    submitted = json.loads(stored.data)
    assert submitted["state"] == "done"
    assert submitted["result"]["output_location"].endswith(f"{taken.uuid}.out")
    assert world.keys("pending/") == [job.marker(world.now.replace(hour=17, minute=10))], "6 h + 1 h + 10 min later"


def test_the_same_upload_twice_is_one_invocation(world: World) -> None:
    _, upload = world.create(person())
    for _ in range(3):
        world.upload(upload, picture())
    world.drain()
    assert len(world.invocations) == 1


@pytest.mark.parametrize(
    ("data", "code"), [(b"%PDF-1.7 and so on", "image_unsupported"), (b"<svg></svg>", "image_unsupported")]
)
def test_what_is_no_picture_ends_with_a_reason(world: World, data: bytes, code: str) -> None:
    ada = person()
    job, upload = world.create(ada)
    world.upload(upload, data)
    world.drain()
    assert world.outcome(job)["status"] == "failed"
    assert world.outcome(job)["error"]["code"] == code
    assert world.invocations == []
    assert len(world.mails_to(ada.email, job)) == 1
    assert world.keys("pending/") == []


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_pictures_are_taken(world: World, kind: str) -> None:
    job, upload = world.create(person(), data=picture(kind))
    world.upload(upload, picture(kind))
    world.drain()
    assert [taken.inference_id for taken in world.invocations] == [job.id]


def test_an_empty_or_too_large_object_is_refused(world: World) -> None:
    """No form lets these in; something else may have put them there."""
    for data, code in ((b"", "image_empty"), (bytes(64 * 2**20 + 1), "image_too_large")):
        job, _ = world.create(person())
        world.cloud.s3.put_object(Bucket=world.bucket, Key=job.key("image"), Body=data)
        assert world.deliver("extract", created(world.bucket, job.key("image")))
        assert world.outcome(job)["error"]["code"] == code


def test_a_photo_in_anothers_folder_is_nobodys(world: World) -> None:
    ada, eve = person(), person("eve")
    job, _ = world.create(ada)
    stored = world.store.get(job.key("request.json"))
    assert stored is not None
    forged = type(job)(eve.sub, job.id)
    world.store.put(forged.key("request.json"), stored.data, metadata=stored.metadata)
    world.cloud.s3.put_object(Bucket=world.bucket, Key=forged.key("image"), Body=picture())
    assert world.deliver("extract", created(world.bucket, forged.key("image")))
    assert world.invocations == []


@pytest.mark.parametrize("when", ["before the first is submitted", "while it is queued", "after the end"])
def test_a_photo_cannot_be_replaced_with_the_same_form(world: World, when: str) -> None:
    first, second = picture(), picture("GIF")
    job, upload = world.create(person(), data=max(first, second, key=len))
    world.upload(upload, first)
    events = list(world.messages)
    if when != "before the first is submitted":
        world.drain()
    if when == "after the end":
        world.finish()
        world.drain()
    world.upload(upload, second)
    world.messages += events  # and the first one's event once more
    world.drain()
    stored = world.store.get(job.key("image"))
    assert stored is not None
    assert stored.data == first
    versions = world.cloud.s3.list_object_versions(Bucket=world.bucket, Prefix=job.key("image"))
    assert len(versions["Versions"]) == 1
    assert "DeleteMarkers" not in versions
    assert len(world.invocations) == 1


@pytest.mark.parametrize(
    "key", ["users/../jobs/x/image", "PUBLIC/image", "users/x/jobs/y/image", "users/a+b/jobs/%2e%2e/image", "image"]
)
def test_other_keys_are_no_jobs(world: World, key: str) -> None:
    assert world.deliver("extract", created(world.bucket, key))
    assert world.invocations == []


def test_another_buckets_events_are_nobodys(world: World) -> None:
    job, upload = world.create(person())
    world.upload(upload, picture())
    assert world.deliver("extract", created("another-bucket", job.key("image")))
    assert world.invocations == []


def test_while_the_endpoint_refuses_the_message_comes_again(world: World) -> None:
    _, upload = world.create(person())
    world.upload(upload, picture())
    world.watch.refuse = lambda call: call == "sagemaker-runtime:InvokeEndpointAsync"
    name, body = world.messages.pop()
    assert not world.deliver(name, body)
    assert not world.deliver(name, body), "and at once, as the claim was given back"
    world.watch.refuse = lambda _: False
    assert world.deliver(name, body)
    assert len(world.invocations) == 1


def test_an_endpoint_that_never_takes_it_loses_the_job(world: World) -> None:
    ada = person()
    job, upload = world.create(ada)
    world.upload(upload, picture())
    world.watch.refuse = lambda call: call == "sagemaker-runtime:InvokeEndpointAsync"
    world.settle()
    assert world.outcome(job)["status"] == "lost"
    assert world.outcome(job)["error"]["code"] == "never_submitted"
    assert len(world.mails_to(ada.email, job)) == 1


def test_who_died_after_invoking_is_known_by_the_progress(world: World) -> None:
    job = world.submit(person())
    world.begin()
    key = job.key("submitted.json")
    stored = world.store.get(key)
    assert stored is not None
    world.store.put(key, stored.data.replace(b'"done"', b'"begun"'))
    world.later(minutes=6)
    assert world.deliver("extract", created(world.bucket, job.key("image")))
    assert len(world.invocations) == 1


def test_an_unreadable_message_goes_back_and_not_the_others(world: World) -> None:
    job, upload = world.create(person())
    world.upload(upload, picture())
    bodies = ["{", world.messages.pop()[1], json.dumps({"Event": "s3:TestEvent", "Bucket": world.bucket})]
    records = [
        {"messageId": str(index), "receiptHandle": "1", "body": body, "eventSource": "aws:sqs", "attributes": {}}
        for index, body in enumerate(bodies)
    ]
    with world.working("extract") as handler:
        answer = handler.handle({"Records": records}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert [taken.inference_id for taken in world.invocations] == [job.id]
