"""What several rooms' tests need: readers of glTF, the demo's photographs, a real S3 server, the whole service."""

import base64
import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import boto3
import pytest

from tests.ministack import running_ministack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from infra.local.stage import Stage

ROOT = Path(__file__).parent.parent
JS = ROOT / "tests" / "js"
# Without torch, which the default install does not have, the engine sam3d is left to `make test-sam3d`.
collect_ignore = [] if find_spec("torch") else ["sam3d"]


def pytest_report_header() -> list[str]:
    """Says what is left out."""
    return [f"left out, needing torch: tests/{name} (make test-sam3d)" for name in collect_ignore]


def pytest_configure() -> None:
    """A shell starts what it runs in the background with Ctrl-C ignored, and so would be what the tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def lack(missing: str) -> NoReturn:
    """Ends a test that cannot run here: skipped on a laptop; in CI (where the variable CI is `true`) failed."""
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the photographs of the demo, such as `coffee.jpg`."""
    folder = tmp_path_factory.mktemp("photos")
    subprocess.run([sys.executable, "-W", "error", str(ROOT / "demo" / "photos.py"), str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def program() -> str:
    """The browser of this machine.

    Without one the test is skipped on a laptop; in CI (where the variable CI is `true`) it fails.
    """
    from tests.web.browser import NAMES, find_browser

    found = find_browser()
    if found is not None:
        return found
    lack(f"the page's tests need a browser on the PATH: {', '.join(NAMES)}")


@pytest.fixture(scope="session")
def aws() -> Path:
    """The AWS CLI: what `make awscli` made, which wants other versions than ours, or the machine's own.

    Without it the test is skipped on a laptop; in CI (where the variable CI is `true`) it fails.
    """
    own = ROOT / "out" / "awscli" / "bin" / "aws"
    found = str(own) if own.exists() else shutil.which("aws")
    if found is None:
        lack("the AWS CLI is missing: make awscli")
    return Path(found)


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with what tests/js needs at hand.

    Without Node the test is skipped on a laptop; in CI (where the variable CI is `true`) it fails.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        lack("the glTF validator and glTF Transform need node and npm on the PATH")
    _install_packages(npm)
    return node


@pytest.fixture(scope="session")
def validate_glb(node: str) -> Callable[..., list[dict[str, Any]]]:
    """`validate_glb(path, …)` fails on the validator's errors and warnings and returns its reports."""

    def validate(*paths: Path) -> list[dict[str, Any]]:
        command = [node, str(JS / "validate.mjs"), *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        reports = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(reports) == len(paths)
        for path, report in zip(paths, reports, strict=True):
            issues = report["issues"]
            assert issues["numErrors"] == issues["numWarnings"] == 0, (path, issues["messages"])
        return reports

    return validate


@pytest.fixture(scope="session")
def unpack_glb(node: str) -> Iterator[Callable[[bytes], bytes]]:
    """`unpack_glb(glb)` is what glTF Transform, an independent reader, makes of a compact GLB: a plain one."""
    command = [node, str(JS / "unpack.mjs")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        questions, answers = process.stdin, process.stdout

        def unpack(glb: bytes) -> bytes:
            questions.write(base64.b64encode(glb).decode() + "\n")
            questions.flush()
            answer = answers.readline()
            assert answer, "glTF Transform could not read it; see standard error"
            return base64.b64decode(answer)

        yield unpack


def _install_packages(npm: str) -> None:
    """Runs `npm ci` unless what it installs is there already."""
    lock = JS / "package-lock.json"
    installed = JS / "node_modules" / ".package-lock.json"  # npm writes it last
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # pytest's workers are processes of their own
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            command = [npm, "ci", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=JS, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"npm ci failed in {JS}: {done.stderr}"


# A real S3 server, that checks signatures and policies.

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

    def make_user(self, name: str, statements: list[dict[str, object]]) -> dict[str, str]:
        """What a process needs to act as a new user, who may do what the policy statements allow."""
        iam = boto3.client("iam", **_root(self.endpoint))
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def _root(endpoint: str) -> dict[str, Any]:
    # The server takes its root key with any secret; a user's it checks.
    return {
        "endpoint_url": endpoint,
        "region_name": REGION,
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalS3]:
    """The local S3 server, one for each worker of the test run."""
    with running_ministack(tmp_path_factory.mktemp("s3"), SERVICES="s3,iam,sts") as endpoint:
        yield _set_up(endpoint)


def _set_up(endpoint: str) -> LocalS3:
    client = boto3.client("s3", **_root(endpoint))
    client.create_bucket(Bucket="gen3d-photos", CreateBucketConfiguration={"LocationConstraint": REGION})
    server = LocalS3(endpoint=endpoint, bucket="gen3d-photos", client=client, environment={})
    statements: list[dict[str, object]] = [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": "arn:aws:s3:::gen3d-photos/users/*",
        },
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::gen3d-photos"},
    ]
    server.environment.update(server.make_user("server", statements))
    return server


# The whole service on this machine.


@pytest.fixture(scope="session")
def progress() -> list[str]:
    """What the stage said while it started."""
    return []


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, progress: list[str]) -> "Iterator[Stage]":
    """One for each worker of the test run, with its log where `gen3d up` has it.

    Tests share it: who counts jobs or mails does so of a user of the test's own, and what is changed for all, such as a
    file of the page, is changed back.
    """
    # Imported here, for most rooms do without.
    from infra.local.stage import running_stage
    from serve.logs import configure_logging

    folder = tmp_path_factory.mktemp("stage")
    root = logging.getLogger()
    before = root.handlers, root.level
    with (folder / "up.log").open("a") as log:
        configure_logging(log)
        (handler,), root.handlers = root.handlers, before[0]
        root.addHandler(handler)
        try:
            with running_stage(folder, tell=progress.append) as running:
                yield running
        finally:
            root.removeHandler(handler)
            root.setLevel(before[1])
