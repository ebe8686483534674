"""The types that ministack lacks: what a template says reaches the control plane, changes, and goes."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from infra.local.sagemaker_types import as_asked, sender_arn
from infra.local.stage import Stage
from infra.stacks import Stack
from infra.templates import content_hash, template_file

ASKED = botocore.session.get_session().get_service_model("sagemaker").shape_for("CreateEndpointConfigInput")


@pytest.fixture
def name() -> str:
    return f"Gen3D-{uuid.uuid4().hex}"


@pytest.fixture
def sagemaker(stage: Stage) -> Any:
    return stage.cloud.client("sagemaker")


@pytest.fixture
def stack(stage: Stage, name: str) -> Iterator[Stack]:
    stack = Stack(stage.cloud.client("cloudformation"), name, lambda _: None)
    yield stack
    stack.delete()


def deploy(stack: Stack, stage: Stage, tmp_path: Path, **more: str) -> None:
    """The template of the endpoint, as another stage's."""
    parameters = {
        "Stage": f"t{stack.name[-8:]}",
        "EndpointName": stack.name,
        "Engine": "preview",
        "ImageUri": f"any@sha256:{'0' * 64}",
        "WeightsUri": "",
        "InstanceType": "ml.m5.large",
        "SecondInstanceType": "",
        "ThirdInstanceType": "",
        **{key: stage.outputs[key] for key in ("BucketName", "InvocationFailedArn", "EndpointLogName")},
        **more,
    }
    stack.deploy(template_file("endpoint"), {**parameters, "ContentHash": content_hash(parameters)})


def test_a_new_configuration_takes_the_old_ones_place(
    stack: Stack, stage: Stage, sagemaker: Any, tmp_path: Path
) -> None:
    before = {found["ModelName"] for found in sagemaker.list_models()["Models"]}
    deploy(stack, stage, tmp_path)
    first = sagemaker.describe_endpoint(EndpointName=stack.name)["EndpointConfigName"]
    deploy(stack, stage, tmp_path, ConcurrentJobs="2", MaxInstances="3")
    second = sagemaker.describe_endpoint(EndpointName=stack.name)["EndpointConfigName"]
    assert first != second
    asynchronous = sagemaker.describe_endpoint_config(EndpointConfigName=second)["AsyncInferenceConfig"]
    assert asynchronous["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 2}
    with pytest.raises(ClientError):
        sagemaker.describe_endpoint_config(EndpointConfigName=first)
    assert len({found["ModelName"] for found in sagemaker.list_models()["Models"]} - before) == 1
    scaling = stage.cloud.client("application-autoscaling")
    resource = f"endpoint/{stack.name}/variant/AllTraffic"
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[resource])[
        "ScalableTargets"
    ]
    assert target["MaxCapacity"] == 3


def test_deleted_it_leaves_nothing(stack: Stack, stage: Stage, sagemaker: Any, tmp_path: Path) -> None:
    scaling = stage.cloud.client("application-autoscaling")

    def there() -> list[str]:
        endpoints = [found["EndpointName"] for found in sagemaker.list_endpoints()["Endpoints"]]
        models = [found["ModelName"] for found in sagemaker.list_models()["Models"]]
        configurations = [found["EndpointConfigName"] for found in sagemaker.list_endpoint_configs()["EndpointConfigs"]]
        policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
        targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        return sorted(
            [*endpoints, *models, *configurations]
            + [policy["PolicyName"] for policy in policies]
            + [target["ResourceId"] for target in targets]
        )

    before = there()
    deploy(stack, stage, tmp_path)
    assert len(there()) == len(before) + 6
    stack.delete()
    assert there() == before


@given(st.integers(0, 10**9))
def test_numbers_may_be_written_as_text(number: int) -> None:
    variants = [{"VariantName": "a", "InitialInstanceCount": str(number), "InitialVariantWeight": str(number)}]
    asked = as_asked(ASKED, {"ProductionVariants": variants})
    assert asked["ProductionVariants"] == [
        {"VariantName": "a", "InitialInstanceCount": number, "InitialVariantWeight": float(number)}
    ]


def test_a_field_that_the_api_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="unsupported property Typo"):
        as_asked(ASKED, {"ProductionVariants": [{"Typo": 1}]})


@pytest.mark.parametrize(
    ("body", "resource"),
    [
        (b'{"FromEmailAddress": "Gen3D <a@example.com>"}', "arn:aws:ses:eu-central-1:1:identity/a@example.com"),
        (b'{"FromEmailAddress": "a@example.com"}', "arn:aws:ses:eu-central-1:1:identity/a@example.com"),
        (b"{}", "*"),
        (b"[]", "*"),
        (b"\xff", "*"),
    ],
)
def test_a_mail_is_allowed_on_its_sender(body: bytes, resource: str) -> None:
    assert sender_arn(body, "eu-central-1", "1") == resource
