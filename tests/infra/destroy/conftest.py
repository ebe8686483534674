"""A cloud on this machine with stages of any name, seen as an operator sees AWS: by variables of the environment."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gen3d.__main__ import main
from infra.deploy.account import Account, find_account
from infra.local.cloud import REGION, ROOT_KEYS, Cloud, running_cloud
from infra.stacks import Stack
from infra.templates import Name, content_hash
from tests.infra.playable import playable

Told = tuple[int, str, str]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Each test has stages of other names in it."""
    with running_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="session")
def deploy(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """Makes the three stacks of a stage by its name; their outputs."""

    def deploy_stage(stage: str) -> dict[str, str]:
        outputs: dict[str, str] = {}
        folder = tmp_path_factory.mktemp(stage)

        def make(name: Name, **given: str) -> None:
            template = playable(name)
            (folder / f"{name}.json").write_text(json.dumps(template))
            known = {key: value for key, value in outputs.items() if key in template["Parameters"]}
            parameters = {**known, "Stage": stage, **given}
            if name == "endpoint":
                parameters["ContentHash"] = content_hash(parameters)
            stack = Stack(cloud.client("cloudformation"), f"Gen3D-{stage}-{name}", lambda _: None)
            outputs.update(stack.deploy(folder / f"{name}.json", parameters))

        make("foundation")
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("nothing.py", "")  # it is not run here
        key = "code/nothing.zip"
        cloud.client("s3").put_object(Bucket=outputs["BucketName"], Key=key, Body=code.getvalue())
        codes = {f"{name}Code": key for name in ("Jobs", "Extract", "Notify", "Sweep")}
        make("service", SenderEmail="gen3d@example.com", **codes)
        image = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/gen3d-{stage}@sha256:{'0' * 64}"
        types = {"InstanceType": "ml.m5.large", "SecondInstanceType": "", "ThirdInstanceType": ""}
        make("endpoint", Engine="preview", ImageUri=image, WeightsUri="", **types)
        return outputs

    return deploy_stage


@pytest.fixture
def make_stack(cloud: Cloud, tmp_path: Path) -> Callable[..., None]:
    """Makes a small stack in place of one of a stage's three, of these resources."""

    def make(name: str, **resources: object) -> None:
        template = tmp_path / "template.json"
        template.write_text(json.dumps({"Resources": resources}))
        Stack(cloud.client("cloudformation"), name, lambda _: None).deploy(template, {})

    return make


@pytest.fixture
def put_image(cloud: Cloud) -> Callable[[str], None]:
    """Puts an image into a repository, which then is not empty."""

    def put(repository: str) -> None:
        layer = {"mediaType": "application/octet-stream", "digest": f"sha256:{'1' * 64}", "size": 1}
        media_type = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = {"schemaVersion": 2, "mediaType": media_type, "config": layer, "layers": []}
        cloud.client("ecr").put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag="preview")

    return put


@pytest.fixture
def account(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Who has credentials in the environment."""
    variables = {
        "AWS_ENDPOINT_URL": cloud.address,
        "AWS_ENDPOINT_URL_SAGEMAKER": cloud.moto,
        "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING": cloud.moto,
        "AWS_DEFAULT_REGION": REGION,
        "NO_PROXY": "127.0.0.1",
        **ROOT_KEYS.environment(),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return find_account(None)


@pytest.fixture
def gen3d(account: Account, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """The command in that environment: its exit status, and what it writes to standard output and error."""

    def run(*arguments: str) -> Told:
        capsys.readouterr()
        status = main(list(arguments))
        told = capsys.readouterr()
        return status, told.out, told.err

    return run
