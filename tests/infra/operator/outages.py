"""What an operator meets on a bad day: an endpoint that is gone, messages that nobody could handle. Knows no test."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infra.local.stage import Stage
from infra.operator.queues import Letter, Queue, find_queues, read_letters
from infra.operator.stage import find_stage


@contextmanager
def without_endpoint(stage: Stage) -> Iterator[None]:
    """Meanwhile SageMaker's control plane knows no endpoint, so that no job can be given to it."""
    sagemaker, name = stage.cloud.client("sagemaker"), stage.outputs["EndpointName"]
    configuration = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    sagemaker.delete_endpoint(EndpointName=name)
    try:
        yield
    finally:
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=configuration)


@contextmanager
def given_up_at_once(stage: Stage) -> Iterator[None]:
    """Meanwhile a message about an upload is dead after one failure, not after half an hour of them."""
    sqs, url = stage.cloud.client("sqs"), stage.outputs["ImageUploadedUrl"]
    names = ["VisibilityTimeout", "RedrivePolicy"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    policy = json.dumps({**json.loads(before["RedrivePolicy"]), "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "2", "RedrivePolicy": policy})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


def queue_named(name: str) -> Queue:
    """One of the two queues of the stage local."""
    return next(queue for queue in find_queues(find_stage("local")) if queue.name == name)


def letters_of(name: str) -> list[Letter]:
    """Its dead letters."""
    return read_letters(find_stage("local"), queue_named(name))


def put_dead_letter(stage: Stage, name: str, body: str, **attributes: Any) -> None:
    """As SQS does with a message that was received too often."""
    stage.cloud.client("sqs").send_message(QueueUrl=queue_named(name).dead, MessageBody=body, **attributes)


def forget_dead_letters(stage: Stage) -> None:
    """What other tests have left."""
    for name in ("image-uploaded", "job-finished"):
        stage.cloud.client("sqs").purge_queue(QueueUrl=queue_named(name).dead)
