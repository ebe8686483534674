"""How an endpoint is set up, read from SageMaker's control plane. Knows nothing of requests."""

from dataclasses import dataclass
from typing import Any

# In these the endpoint takes requests; while Creating, or once Failed, there is none to call.
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html
_IN_SERVICE = ("InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed")
_NOT_PLAYED = "IncludeInferenceResponseIn", "KmsKeyId"


@dataclass(frozen=True)
class Configuration:
    """What the template says of an asynchronous endpoint.

    Attributes:
        region: The AWS region it is in.
        output_path: Where answers go: `s3://bucket/…`.
        failure_path: Where failures go.
        success_topic: The SNS topic that hears of answers.
        error_topic: The SNS topic that hears of failures.
        concurrency: How many requests an instance is given at a time. Where the template says nothing, SageMaker
            chooses; here it is 1 then.
    """

    region: str
    output_path: str
    failure_path: str | None = None
    success_topic: str | None = None
    error_topic: str | None = None
    concurrency: int = 1


class NoEndpointError(Exception):
    """There is no such endpoint, or it is not in service."""


class NotPlayedError(Exception):
    """The endpoint is set up for something else than what is played here."""


def read_configuration(sagemaker: Any, name: str) -> Configuration:
    """The endpoint's configuration as it is now.

    Args:
        sagemaker: A boto3 client of SageMaker's control plane.
        name: The endpoint's name.

    Raises:
        NoEndpointError: There is none in service.
        NotPlayedError: It is not asynchronous, or asks for what is not played here.
        botocore.exceptions.BotoCoreError: The control plane did not answer.
        botocore.exceptions.ClientError: It refused.
    """
    from botocore.exceptions import ClientError

    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound"):
            raise NoEndpointError(name) from error
        raise
    if endpoint["EndpointStatus"] not in _IN_SERVICE:
        raise NoEndpointError(name)
    described = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    asynchronous = described.get("AsyncInferenceConfig")
    if not asynchronous:
        raise NotPlayedError(f"Endpoint {name} is not asynchronous: its configuration has no AsyncInferenceConfig.")
    output = asynchronous["OutputConfig"]
    topics = output.get("NotificationConfig") or {}
    for setting in _NOT_PLAYED:
        if output.get(setting) or topics.get(setting):
            raise NotPlayedError(f"Endpoint {name} sets {setting}, which the local endpoint does not play.")
    if not output.get("S3OutputPath"):
        raise NotPlayedError(f"Endpoint {name} sets no S3OutputPath, without which the local endpoint does not play.")
    return Configuration(
        region=endpoint["EndpointArn"].split(":")[3],
        output_path=output["S3OutputPath"],
        failure_path=output.get("S3FailurePath") or None,
        success_topic=topics.get("SuccessTopic") or None,
        error_topic=topics.get("ErrorTopic") or None,
        concurrency=(asynchronous.get("ClientConfig") or {}).get("MaxConcurrentInvocationsPerInstance") or 1,
    )
