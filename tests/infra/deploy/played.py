"""A local cloud as an account to deploy to, whose CodeBuild puts there what a build would have made."""

import hashlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from infra.deploy.account import Account
from infra.deploy.step import Asked, Deployment
from infra.docker import DOCKER_MANIFEST
from infra.local.cloud import ACCOUNT, REGION, Cloud

# With this name the templates leave out what a local cloud has not.
STAGE: Final = "local"
# moto knows neither the newest instance types nor several of them.
TYPES: Final = {"InstanceType": "ml.g4dn.xlarge", "SecondInstanceType": "", "ThirdInstanceType": ""}
# What a local cloud has not, or has and does nothing with.
MISSING: Final = frozenset(("cloudfront", "sagemaker-runtime", "service-quotas"))


@dataclass
class PlayedAccount:
    """A local cloud, seen as an account.

    Attributes:
        cloud: What stands for AWS.
        broken_builds: How many of the builds that come next fail.
        builds: What has been built: the variables of each build.
        has_token: Whether the hub's token was put into its secret.
        missing: What the cloud has not.
        stage: Whose repository a build pushes to.
    """

    cloud: Cloud
    broken_builds: int = 0
    builds: list[dict[str, str]] = field(default_factory=list)
    has_token: bool = False
    missing: frozenset[str] = MISSING
    stage: str = STAGE

    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client, but for what this cloud does otherwise than AWS."""
        if service == "codebuild":
            return _CodeBuild(self, self.cloud.client(service))
        if service not in self._clients:
            self._clients[service] = self.cloud.client(service)
        client = self._clients[service]
        return _Secrets(self, client) if service == "secretsmanager" else client

    def push(self, variables: dict[str, str]) -> None:
        """Puts into the repository what a push of these variables would."""
        digest = hashlib.sha256(variables["GEN3D_REVISION"].encode()).hexdigest()
        layer = {
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "size": 1,
            "digest": f"sha256:{digest}",
        }
        manifest = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": layer, "layers": [layer]}
        self.cloud.client("ecr").put_image(
            repositoryName=f"gen3d-{self.stage}",
            imageManifest=json.dumps(manifest),
            imageManifestMediaType=DOCKER_MANIFEST,
            imageTag=f"{variables['GEN3D_TARGETS']}-{variables['GEN3D_REVISION']}",
        )

    def account(self) -> Account:
        """It, as the steps know it."""
        who = self.cloud.client("sts").get_caller_identity()["Arn"]
        return Account(ACCOUNT, REGION, who, self.client, self.missing)

    def deployment(self, repository: Path, told: list[str], **asked: Any) -> Deployment:
        """A deployment of a checkout; what is told goes to a list."""
        asked = {"engine": "preview", **asked}
        parameters = {
            "AdminEmail": "ada@example.com",
            "SenderEmail": "gen3d@example.com",
            **asked.pop("parameters", {}),
        }
        commit = git(repository, "rev-parse", "HEAD")
        question = Asked(STAGE, parameters=parameters, **asked)
        return Deployment(self.account(), question, repository, commit, told.append, hub_token="hf_played")


class _CodeBuild:
    """Answers as CodeBuild does, and in place of a build puts there what that would have made."""

    def __init__(self, played: PlayedAccount, client: Any) -> None:
        self._played, self._client = played, client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def list_builds_for_project(self, **_: Any) -> dict[str, Any]:
        return {"ids": []}

    def start_build(self, **asked: Any) -> dict[str, Any]:
        variables = {each["name"]: each["value"] for each in asked["environmentVariablesOverride"]}
        number = f"{asked['projectName']}:{len(self._played.builds)}"
        build: dict[str, Any] = {"id": number, "currentPhase": "COMPLETED"}
        self._played.builds.append(variables)
        bucket, _, key = asked["sourceLocationOverride"].partition("/")
        self._played.cloud.client("s3").head_object(Bucket=bucket, Key=key)
        if self._played.broken_builds:
            self._played.broken_builds -= 1
            phase = {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{"message": "exit status 1"}]}
            return {"build": {**build, "buildStatus": "FAILED", "phases": [phase]}}
        if "GEN3D_TARGETS" in variables:
            self._played.push(variables)
        else:
            prefix = variables["GEN3D_WEIGHTS_URI"].removeprefix(f"s3://{bucket}/")
            self._played.cloud.client("s3").put_object(Bucket=bucket, Key=f"{prefix}manifest.json", Body=b"{}")
        return {"build": {**build, "buildStatus": "SUCCEEDED"}}


class _Secrets:
    """Secrets Manager, which gives a new secret no value; this cloud gives it an empty one."""

    def __init__(self, played: PlayedAccount, client: Any) -> None:
        self._played, self._client = played, client

    def describe_secret(self, **asked: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._client.describe_secret(**asked)
        return found if self._played.has_token else {**found, "VersionIdsToStages": {}}

    def put_secret_value(self, **asked: Any) -> None:
        self._client.put_secret_value(**asked)
        self._played.has_token = True


@contextmanager
def meanwhile(ask: Callable[[httpx.Client], None], *, pause: float) -> Iterator[None]:
    """Asks again and again on another thread, with so many seconds between."""
    is_over = threading.Event()

    def keep_asking() -> None:
        with httpx.Client(trust_env=False, timeout=30) as http:
            while not is_over.wait(pause):
                ask(http)

    thread = threading.Thread(target=keep_asking)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def git(folder: Path, *arguments: str) -> str:
    """What git says."""
    names = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *names, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make_repository(folder: Path) -> Path:
    """A repository with one commit."""
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "buildspec.yml").write_text("version: 0.2\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "One")
    return folder
