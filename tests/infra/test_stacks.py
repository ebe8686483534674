"""A stack is made, changed, left alone, taken back, and says why."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.stage import Stage
from infra.stacks import Stack
from serve.errors import Gen3DError

Write = Callable[..., Path]


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def stack(stage: Stage, told: list[str]) -> Stack:
    return Stack(stage.cloud.client("cloudformation"), f"Gen3D-test-{uuid.uuid4().hex}", told.append)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A template with a queue, and whatever else."""

    def write_template(**resources: object) -> Path:
        template = {
            "Parameters": {"Name": {"Type": "String"}, "Seconds": {"Type": "Number", "Default": 30}},
            "Resources": {
                "Queue": {
                    "Type": "AWS::SQS::Queue",
                    "Properties": {"QueueName": {"Ref": "Name"}, "VisibilityTimeout": {"Ref": "Seconds"}},
                },
                **resources,
            },
            "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
        }
        path = tmp_path / "template.json"
        path.write_text(json.dumps(template))
        return path

    return write_template


def test_it_is_made_and_changed_and_left_alone(stage: Stage, stack: Stack, told: list[str], write: Write) -> None:
    sqs = stage.cloud.client("sqs")
    made = stack.deploy(write(), {"Name": stack.name})
    for seconds in ("40", "40"):
        assert stack.deploy(write(), {"Name": stack.name, "Seconds": seconds}) == made
        found = sqs.get_queue_attributes(QueueUrl=made["Url"], AttributeNames=["VisibilityTimeout"])["Attributes"]
        assert found == {"VisibilityTimeout": seconds}
    assert told == [f"{stack.name}: {what}" for what in ("making it", "changing it", "unchanged")]


def test_it_is_deleted_and_once_more(stage: Stage, stack: Stack, write: Write) -> None:
    stack.deploy(write(), {"Name": stack.name})
    stack.delete()
    stack.delete()
    assert not stage.cloud.client("sqs").list_queues(QueueNamePrefix=stack.name).get("QueueUrls")


def test_what_failed_first_is_named_and_the_next_attempt_succeeds(stack: Stack, write: Write) -> None:
    bad = {"Type": "AWS::SageMaker::Endpoint", "Properties": {"EndpointName": "e", "EndpointConfigName": "none"}}
    with pytest.raises(Gen3DError, match=rf"{stack.name} ended as ROLLBACK_COMPLETE: Bad: .*none") as told:
        stack.deploy(write(Bad=bad), {"Name": stack.name})
    assert told.value.code == "deployment_failed"
    assert stack.name in stack.deploy(write(), {"Name": stack.name})["Url"]


def test_a_failed_change_is_taken_back(stage: Stage, stack: Stack, write: Write) -> None:
    made = stack.deploy(write(), {"Name": stack.name})
    bad = {"Type": "AWS::SageMaker::Endpoint", "Properties": {"EndpointName": "e", "EndpointConfigName": "none"}}
    with pytest.raises(Gen3DError, match="UPDATE_ROLLBACK_COMPLETE: Bad"):
        stack.deploy(write(Bad=bad), {"Name": stack.name})
    assert stack.deploy(write(), {"Name": stack.name}) == made


def test_a_refused_template_is_told_in_one_line(stack: Stack, write: Write) -> None:
    with pytest.raises(Gen3DError, match=r"refused the stack.*AWS::Nothing::Here") as told:
        stack.deploy(write(Bad={"Type": "AWS::Nothing::Here"}), {"Name": stack.name})
    assert "\n" not in told.value.message


def test_what_would_change_is_said_and_nothing_is_changed(stack: Stack, write: Write) -> None:
    stack.deploy(write(), {"Name": stack.name})
    topic = {"Type": "AWS::SNS::Topic"}
    (added, changed) = sorted(
        stack.changes(write(Topic=topic), {"Name": stack.name, "Seconds": "40"}), key=lambda each: each.action
    )
    assert str(added) == "add Topic (SNS::Topic)"
    assert str(changed) == "modify Queue (SQS::Queue)"
    assert stack.parameters() == {"Name": stack.name, "Seconds": "30"}
    assert stack.changes(write(), {"Name": stack.name}) == []


def test_a_failure_of_long_ago_is_not_taken_for_this_one(stack: Stack, write: Write) -> None:
    stack.deploy(write(), {"Name": stack.name})
    for number in (1, 2):
        bad = {"Type": "AWS::SageMaker::Endpoint", "Properties": {"EndpointConfigName": "none"}}
        with pytest.raises(Gen3DError, match=rf"UPDATE_ROLLBACK_COMPLETE: Bad{number}: "):
            stack.deploy(write(**{f"Bad{number}": bad}), {"Name": stack.name})


def test_a_change_that_is_under_way_is_waited_for(stage: Stage, stack: Stack, told: list[str], write: Write) -> None:
    stage.cloud.client("cloudformation").create_stack(
        StackName=stack.name,
        TemplateBody=write().read_text(),
        Parameters=[{"ParameterKey": "Name", "ParameterValue": stack.name}],
    )
    stack.wait()
    assert stack.name in stack.outputs()["Url"]
    stack.wait()
    assert len(told) <= 1


def test_parameters_alone_are_set(stack: Stack, write: Write) -> None:
    stack.deploy(write(), {"Name": stack.name})
    stack.set_parameters({"Seconds": "50"})
    stack.set_parameters({"Seconds": "50"})
    assert stack.parameters() == {"Name": stack.name, "Seconds": "50"}
