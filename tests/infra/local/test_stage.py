"""The whole way on one machine: sign in, ask, upload, wait, download, read the mail."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pytest
import trimesh
from botocore.exceptions import ClientError

from infra.local.async_endpoint.container import ProcessContainer
from infra.local.example import example
from infra.local.installation import install, not_played
from infra.local.stage import Stage
from serve.errors import Gen3DError
from tests.infra.local.visitors import SignUp, wait_until


def mails(stage: Stage, to: str) -> list[dict[str, Any]]:
    found = httpx.get(f"{stage.cloud.address}/_ministack/ses/messages", timeout=30).json()["messages"]
    return [mail for account in found.values() for mail in account if to in mail["To"]]


def test_the_printed_script_makes_a_mesh_and_a_mail(stage: Stage, newcomer: SignUp, tmp_path: Path) -> None:
    user = newcomer().user
    done = subprocess.run(["sh", "-eu", "-c", example(stage, user)], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "job.json").read_text())["status"] == "succeeded"
    assert len(trimesh.load_mesh(tmp_path / "object-0.glb").faces) > 100
    wait_until(lambda: mails(stage, user.email))
    (mail,) = mails(stage, user.email)
    assert "demo.jpg" in mail["Subject"]
    assert stage.page in mail["BodyText"]


def test_deployed_again_nothing_changes(stage: Stage) -> None:
    assert install(stage.cloud, stage.page, "preview", lambda _: None) == stage.outputs


def test_it_says_what_was_deployed_and_what_is_missing(stage: Stage, progress: list[str]) -> None:
    assert [line for line in progress if "making" in line] == [
        f"Gen3D-local-{name}: making it" for name in ("foundation", "service", "endpoint")
    ]
    missing = not_played()[0]
    assert "CloudFront Distribution" in missing
    assert "Budgets Budget" in missing
    assert "S3 Bucket," not in missing


def test_a_server_that_is_started_in_vain_is_told(stage: Stage, tmp_path: Path) -> None:
    stage.check()
    (tmp_path / "log").write_text("no such luck\n")
    server = ProcessContainer(lambda _: [], tmp_path / "log")
    server.failures = 3
    with pytest.raises(Gen3DError, match=r"before it was ready.+no such luck"):
        replace(stage, server=server).check()


def test_all_that_listens_does_so_on_this_machine_alone(stage: Stage) -> None:
    listening = [
        connection.laddr
        for process in (psutil.Process(), *psutil.Process().children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {int(address.rpartition(":")[2]) for address in (stage.page, stage.cloud.address, stage.cloud.moto)} <= {
        address.port for address in listening
    }
    assert {address.ip for address in listening} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("get_object", {"Key": "code/any"}),
        ("get_object", {"Key": "PUBLIC/index.html"}),
        ("put_object", {"Key": "PUBLIC/index.html", "Body": b""}),
        ("put_object", {"Key": "weights/1/any", "Body": b""}),
        ("delete_object", {"Key": "users/a/jobs/1/image"}),
    ],
)
def test_the_container_may_do_what_the_endpoints_role_may_and_no_more(
    stage: Stage, method: str, given: dict[str, Any]
) -> None:
    s3 = stage.cloud.client("s3", stage.container)
    bucket = stage.outputs["BucketName"]
    s3.put_object(Bucket=bucket, Key="users/a/jobs/1/output/any", Body=b"")
    with pytest.raises(ClientError) as refused:
        getattr(s3, method)(Bucket=bucket, **given)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_the_endpoint_is_set_up_as_the_template_says(stage: Stage) -> None:
    address = f"{stage.endpoint}/_gen3d/endpoints/Gen3D-local"
    wait_until(lambda: httpx.get(address, timeout=30).json()["ApproximateBacklogSize"] == 0)
    scaling = stage.cloud.client("application-autoscaling")
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 1)
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert {policy["PolicyType"] for policy in policies} == {"TargetTrackingScaling", "StepScaling"}


def test_nobody_without_keys_gets_in(stage: Stage) -> None:
    bucket = stage.outputs["BucketName"]
    assert httpx.get(f"{stage.cloud.address}/{bucket}/").status_code == 403
    stranger: Any = boto3.client(
        "s3",
        endpoint_url=stage.cloud.address,
        region_name="eu-central-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="wrong",
    )
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        stranger.list_objects_v2(Bucket=bucket)
