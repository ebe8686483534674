"""Foundation and service, deployed unmodified to a cloud on this machine that checks who asks; then taken down."""

import io
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import boto3
import httpx
import pytest

from infra.templates import Name, template_file
from tests.ministack import running_ministack

REGION: Final = "eu-central-1"
ACCOUNT: Final = "123456789012"
BUCKET: Final = f"gen3d-local-{ACCOUNT}-{REGION}"


@dataclass(frozen=True)
class Cloud:
    """A running cloud, in which everything is the account's root's."""

    endpoint: str

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **keys)  # type: ignore[call-overload]

    def deploy(self, name: Name, **parameters: str) -> dict[str, str]:
        """Makes the stack; its outputs."""
        cloudformation = self.client("cloudformation")
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        cloudformation.create_stack(
            StackName=f"Gen3D-local-{name}",
            TemplateBody=template_file(name).read_text(),
            Parameters=given,
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        stack = self.settled(f"Gen3D-local-{name}")
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def settled(self, stack: str) -> dict[str, Any]:
        """A stack, by name or id, once nothing is under way in it."""
        while True:
            found = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
            if not found["StackStatus"].endswith("_IN_PROGRESS"):
                return dict(found)
            time.sleep(0.05)

    def take_down(self, name: Name) -> str:
        cloudformation = self.client("cloudformation")
        stack = cloudformation.describe_stacks(StackName=f"Gen3D-local-{name}")["Stacks"][0]["StackId"]
        cloudformation.delete_stack(StackName=stack)
        return str(self.settled(stack)["StackStatus"])


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_ministack(tmp_path_factory.mktemp("cloud")) as endpoint:
        yield Cloud(endpoint)


@pytest.fixture(scope="module")
def outputs(cloud: Cloud) -> dict[str, str]:
    """Of the stack foundation, with the stack service beside it."""
    found = cloud.deploy("foundation", Stage="local", LocalPageOrigin="http://127.0.0.1:8000")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("nothing.py", "")  # it is not run here
    cloud.client("s3").put_object(Bucket=found["BucketName"], Key="code/nothing.zip", Body=code.getvalue())
    wanted = {
        "BucketName",
        "PageUrl",
        "HttpApiId",
        "HttpApiAuthorizerId",
        "ImageUploadedArn",
        "ImageUploadedUrl",
        "ImageUploadedDeadName",
        "JobFinishedArn",
        "JobFinishedUrl",
        "JobFinishedDeadName",
        "AdminTopicArn",
        "EndpointName",
        "EndpointLogName",
    }
    cloud.deploy(
        "service",
        Stage="local",
        SenderEmail="gen3d@example.com",
        JobsCode="code/nothing.zip",
        ExtractCode="code/nothing.zip",
        NotifyCode="code/nothing.zip",
        SweepCode="code/nothing.zip",
        **{key: value for key, value in found.items() if key in wanted},
    )
    return found


def test_names_carry_stage_account_and_region(outputs: dict[str, str]) -> None:
    assert outputs["BucketName"] == BUCKET
    assert outputs["EndpointName"] == "Gen3D-local"
    assert outputs["PageUrl"] == "http://127.0.0.1:8000/"


def test_without_a_token_the_api_says_nothing(cloud: Cloud, outputs: dict[str, str]) -> None:
    host = outputs["HttpApiUrl"].removeprefix("http://")
    for path in ("/api/jobs", "/api/limits", "/api/anything"):
        assert httpx.get(cloud.endpoint + path, headers={"Host": host}).status_code == 401


@pytest.mark.parametrize("key", ["", "PUBLIC/index.html", "users/someone/jobs/1/image"])
def test_nobody_reads_or_writes_the_bucket_without_a_signature(cloud: Cloud, outputs: dict[str, str], key: str) -> None:
    address = f"{cloud.endpoint}/{outputs['BucketName']}/{key}"
    assert httpx.get(address).status_code == 403
    assert httpx.put(address, content=b"anything").status_code == 403


@pytest.mark.parametrize(
    ("key", "queue"),
    [
        ("users/a/jobs/1/image", "ImageUploaded"),
        ("users/a/jobs/1/outcome.json", "JobFinished"),
        ("async/output/1.out", "JobFinished"),
        ("users/a/jobs/1/request.json", None),
        ("users/a/jobs/1/output/object-0.glb", None),
        ("async/failure/1-error.out", None),
        ("pending/20261123T000000Z/a/1", None),
    ],
)
def test_an_object_is_told_to_the_queue_it_concerns(
    cloud: Cloud, outputs: dict[str, str], key: str, queue: str | None
) -> None:
    sqs, s3 = cloud.client("sqs"), cloud.client("s3")
    # The Lambdas would take the messages first.
    mappings = cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    for mapping in mappings:
        cloud.client("lambda").delete_event_source_mapping(UUID=mapping["UUID"])
    addresses = {each: outputs[f"{each}Url"] for each in ("ImageUploaded", "JobFinished")}
    for address in addresses.values():
        sqs.purge_queue(QueueUrl=address)
    s3.put_object(Bucket=outputs["BucketName"], Key=key, Body=b"anything")
    told = {
        each: len(sqs.receive_message(QueueUrl=address, WaitTimeSeconds=1 if each == queue else 0).get("Messages", []))
        for each, address in addresses.items()
    }
    assert told == {each: int(each == queue) for each in addresses}


def test_what_sagemaker_says_failed_reaches_the_same_queue(cloud: Cloud, outputs: dict[str, str]) -> None:
    sqs = cloud.client("sqs")
    sqs.purge_queue(QueueUrl=outputs["JobFinishedUrl"])
    cloud.client("sns").publish(TopicArn=outputs["InvocationFailedArn"], Message='{"invocationStatus": "Failed"}')
    found = sqs.receive_message(QueueUrl=outputs["JobFinishedUrl"], WaitTimeSeconds=1)
    assert "invocationStatus" in found["Messages"][0]["Body"]


def test_the_page_is_to_be_sent_with_a_policy_that_names_the_local_origins(
    cloud: Cloud, outputs: dict[str, str]
) -> None:
    policy = cloud.client("cloudfront").get_response_headers_policy(Id=outputs["PageHeadersId"])
    headers = policy["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    words = headers["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    assert "connect-src 'self' blob: http://127.0.0.1:4566;" in words


def test_taken_down_the_bucket_and_the_users_stay(cloud: Cloud, outputs: dict[str, str]) -> None:
    assert cloud.take_down("service") == "DELETE_COMPLETE"
    assert cloud.take_down("foundation") == "DELETE_COMPLETE"
    assert [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]] == [outputs["BucketName"]]
    pools = cloud.client("cognito-idp").list_user_pools(MaxResults=10)["UserPools"]
    assert [pool["Id"] for pool in pools] == [outputs["UserPoolId"]]
    assert cloud.client("lambda").list_functions()["Functions"] == []
