"""The local S3 server of the tests: a real one, that checks signatures and policies."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import httpx
import pytest

from serve import s3 as s3_module

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION: Final = "eu-central-1"


@dataclass(frozen=True)
class LocalS3:
    """A running server.

    Attributes:
        endpoint: Its address.
        bucket: A bucket in it.
        client: A client that may do everything.
        environment: What a process needs to act as a user who may read and write the bucket below `users/`,
            list it, and nothing else.
    """

    endpoint: str
    bucket: str
    client: "S3Client"
    environment: dict[str, str]


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalS3]:
    """The local S3 server, one for each worker of the test run."""
    folder = tmp_path_factory.mktemp("s3")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    # Of the own environment only what Python needs: no AWS profile, no Docker, no settings of the server's.
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "AUTH": "true",
        "SERVICES": "s3,iam,sts",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "DOCKER_HOST": f"unix://{folder}/no-docker",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        _wait_until_ready(process, endpoint, log)
        yield _set_up(endpoint)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def s3_environment(s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`serve.s3` in this process talks to the local S3 server, as its restricted user."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    s3_module._make_s3_client.cache_clear()
    yield
    s3_module._make_s3_client.cache_clear()


def _wait_until_ready(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{endpoint}/_ministack/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"The S3 server did not start:\n{log.read_text()}")


def _set_up(endpoint: str) -> LocalS3:
    # The server takes its root key with any secret; a user's it checks.
    root: dict[str, Any] = {
        "endpoint_url": endpoint,
        "region_name": REGION,
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    client = boto3.client("s3", **root)
    client.create_bucket(Bucket="gen3d-photos", CreateBucketConfiguration={"LocationConstraint": REGION})
    iam = boto3.client("iam", **root)
    iam.create_user(UserName="server")
    statements = [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": "arn:aws:s3:::gen3d-photos/users/*",
        },
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::gen3d-photos"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="server", PolicyName="jobs", PolicyDocument=policy)
    key = iam.create_access_key(UserName="server")["AccessKey"]
    return LocalS3(
        endpoint=endpoint,
        bucket="gen3d-photos",
        client=client,
        environment={
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )
