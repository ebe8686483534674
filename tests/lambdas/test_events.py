"""What really arrives in the queues: S3's and SNS's own messages."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.shared.events import Created, InvocationEnded, created_message, read_message
from tests.lambdas.cloud import Cloud
from tests.lambdas.rig import World, failed, person, picture


def receive(cloud: Cloud, url: str, wanted: int) -> list[str]:
    bodies: list[str] = []
    for _ in range(20):
        answer = cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            bodies.append(message["Body"])
            cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        if len(bodies) >= wanted:
            break
    return bodies


def make_queue(cloud: Cloud, name: str) -> tuple[str, str]:
    url = cloud.sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = attributes["Attributes"]["QueueArn"]
    services = {"Service": ["s3.amazonaws.com", "sns.amazonaws.com"]}
    statement = {"Effect": "Allow", "Principal": services, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url, arn


def test_a_real_upload_a_real_outcome_and_a_real_failure_arrive(world: World) -> None:
    cloud, ada = world.cloud, person()
    uploaded, uploaded_arn = make_queue(cloud, f"{world.bucket}-uploaded")
    finished, finished_arn = make_queue(cloud, f"{world.bucket}-finished")

    def rule(arn: str, prefix: str, suffix: str) -> dict[str, Any]:
        rules = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]
        return {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}

    cloud.s3.put_bucket_notification_configuration(
        Bucket=world.bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                rule(uploaded_arn, "users/", "/image"),
                rule(finished_arn, "users/", "/outcome.json"),
                rule(finished_arn, "async/output/", ""),
            ]
        },
    )
    job, upload = world.create(ada)
    assert world.upload(upload, picture()).is_success
    world.messages.clear()
    for body in receive(cloud, uploaded, 1):
        assert world.deliver("extract", body)
    assert [taken.inference_id for taken in world.invocations] == [job.id]

    topic = cloud.sns.create_topic(Name=f"{world.bucket}-failures")["TopicArn"]
    cloud.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=finished_arn)
    told = json.loads(failed(world.invocations[0], "out of memory"))["Message"]
    cloud.sns.publish(TopicArn=topic, Message=told)
    for body in receive(cloud, finished, 1):
        assert world.deliver("notify", body)
    assert world.outcome(job)["error"]["message"] == "out of memory"
    world.messages.clear()
    for body in receive(cloud, finished, 1):
        assert world.deliver("notify", body)
    assert len(world.mails_to(ada.email, job)) == 1


@pytest.mark.parametrize(
    "body",
    [
        '{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}',
        '{"Records": []}',
        '{"Records": [{"eventName": "ObjectRemoved:Delete", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put"}, null, 5]}',
        '{"Records": 5}',
        '{"Records": [{"eventName": 5}, {"eventName": "ObjectCreated:Put", "s3": {"object": "x"}}]}',
        '{"invocationStatus": "Failed"}',
        '{"invocationStatus": "Failed", "requestParameters": "x"}',
        "{}",
    ],
)
def test_what_is_none_of_ours_tells_nothing(body: str) -> None:
    assert read_message(body) == []


@pytest.mark.parametrize(
    "body", ["[]", "5", "{", '{"TopicArn": "t", "Message": "[]"}', '{"TopicArn": "t", "Message": "5"}']
)
def test_what_is_no_object_is_an_error_that_says_so(body: str) -> None:
    with pytest.raises(ValueError, match=r"no JSON object|Expecting"):
        read_message(body)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_keys_come_out_of_their_encoding(key: str) -> None:
    assert read_message(created_message("b", key)) == [Created("b", key)]


def test_a_key_with_a_plus_and_blanks() -> None:
    record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "a+b%2Bc%C3%A4/d"}}}
    assert read_message(json.dumps({"Records": [record]})) == [Created("b", "a b+cä/d")]


def test_a_success_that_is_notified_is_known_as_one() -> None:
    told = {"invocationStatus": "Completed", "requestParameters": {"inputLocation": "s3://b/k"}}
    assert read_message(json.dumps(told)) == [InvocationEnded("s3://b/k", None)]
