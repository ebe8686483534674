"""An endpoint's configuration, read from a control plane."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from infra.local.async_endpoint.configuration import Configuration, NoEndpointError, NotPlayedError, read_configuration
from tests.infra.async_endpoint.play import REGION, wait_until

_TOPIC = f"arn:aws:sns:{REGION}:123456789012:Gen3D-errors"


@pytest.fixture(scope="module")
def sagemaker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of moto's SageMaker."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
        process = subprocess.Popen(command, stdout=output, stderr=output, env={"PATH": os.environ["PATH"]})
    make: Any = boto3.client
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = make("sagemaker", endpoint_url=f"http://127.0.0.1:{port}", region_name=REGION, **keys)
    try:
        wait_until(lambda: _answers(process, port, log))
        client.create_model(
            ModelName="Gen3D-model",
            ExecutionRoleArn="arn:aws:iam::123456789012:role/Gen3D",
            PrimaryContainer={"Image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gen3d:1"},
        )
        yield client
    finally:
        client.close()
        process.kill()
        process.wait()


def _answers(process: "subprocess.Popen[bytes]", port: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return httpx.get(f"http://127.0.0.1:{port}/moto-api/").is_success
    except httpx.TransportError:
        return False


def _configure(sagemaker: Any, name: str, **asynchronous: Any) -> str:
    variant = {"VariantName": "all", "ModelName": "Gen3D-model", "InitialInstanceCount": 1}
    more = {"AsyncInferenceConfig": asynchronous} if asynchronous else {}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}], **more
    )
    return name


def test_what_the_template_says_is_read(sagemaker: Any) -> None:
    output = {
        "S3OutputPath": "s3://gen3d/async/output/",
        "S3FailurePath": "s3://gen3d/async/failure/",
        "NotificationConfig": {"ErrorTopic": _TOPIC},
    }
    client = {"MaxConcurrentInvocationsPerInstance": 4}
    config = _configure(sagemaker, "whole", OutputConfig=output, ClientConfig=client)
    sagemaker.create_endpoint(EndpointName="whole", EndpointConfigName=config)
    assert read_configuration(sagemaker, "whole") == Configuration(
        region=REGION,
        output_path="s3://gen3d/async/output/",
        failure_path="s3://gen3d/async/failure/",
        success_topic=None,
        error_topic=_TOPIC,
        concurrency=4,
    )


def test_what_the_template_leaves_out_is_none_and_one_at_a_time(sagemaker: Any) -> None:
    config = _configure(sagemaker, "short", OutputConfig={"S3OutputPath": "s3://gen3d/output"})
    sagemaker.create_endpoint(EndpointName="short", EndpointConfigName=config)
    assert read_configuration(sagemaker, "short") == Configuration(region=REGION, output_path="s3://gen3d/output")


def test_another_endpoint_of_the_same_name_is_seen(sagemaker: Any) -> None:
    before = _configure(sagemaker, "before", OutputConfig={"S3OutputPath": "s3://gen3d/before"})
    after = _configure(sagemaker, "after", OutputConfig={"S3OutputPath": "s3://gen3d/after"})
    sagemaker.create_endpoint(EndpointName="updated", EndpointConfigName=before)
    assert read_configuration(sagemaker, "updated").output_path == "s3://gen3d/before"
    sagemaker.delete_endpoint(EndpointName="updated")  # moto has no UpdateEndpoint
    sagemaker.create_endpoint(EndpointName="updated", EndpointConfigName=after)
    assert read_configuration(sagemaker, "updated").output_path == "s3://gen3d/after"


def test_an_endpoint_that_is_not_there_or_not_there_any_more_is_none(sagemaker: Any) -> None:
    config = _configure(sagemaker, "gone", OutputConfig={"S3OutputPath": "s3://gen3d/output"})
    sagemaker.create_endpoint(EndpointName="gone", EndpointConfigName=config)
    sagemaker.delete_endpoint(EndpointName="gone")
    for name in ("gone", "never"):
        with pytest.raises(NoEndpointError):
            read_configuration(sagemaker, name)


def test_an_endpoint_that_answers_at_once_is_not_played(sagemaker: Any) -> None:
    sagemaker.create_endpoint(EndpointName="direct", EndpointConfigName=_configure(sagemaker, "direct"))
    with pytest.raises(NotPlayedError, match="not asynchronous"):
        read_configuration(sagemaker, "direct")
