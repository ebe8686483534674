"""The whole life of a stage, by the commands that people type: deployed, used, changed, broken, mended, taken down."""

import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from gen3d.__main__ import main
from infra.deploy.account import Account, find_account
from infra.destroy.inventory import LISTINGS, _list, take_inventory
from infra.local.async_endpoint.endpoint import Clients
from infra.local.async_endpoint.server import serving
from infra.local.async_endpoint.service import AsyncInference
from infra.local.cloud import ACCOUNT, REGION, ROOT_KEYS, Cloud, running_cloud
from infra.local.front import create_front, serving_front
from infra.local.installation import _user_keys, page_keys
from infra.local.processes import free_ports
from infra.local.stage import _container
from infra.templates import NAMES
from tests.conftest import ROOT
from tests.infra.deploy.played import PlayedAccount, git, make_repository, meanwhile
from tests.infra.playable import playable

STAGE: Final = "trial"
WHERE: Final = ("--stage", STAGE, "--region", REGION)
EMAIL, PASSWORD = "ada@example.com", "Aa1-in-a-test"
# This cloud's words where it has killed a Lambda's process with a request in it, because the Lambda was changed. In AWS
# that ends first: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
KILLED: Final = '502: {"errorMessage": "Worker process '
Told = tuple[int, str, str]


@dataclass(frozen=True)
class Place:
    """Where all of it happens.

    Attributes:
        played: The cloud, with its CodeBuild played.
        page: Where the page's address is, once somebody listens there.
        endpoint: The port of the asynchronous endpoint, likewise.
        repository: What the command takes for its checkout.
        folder: Logs and the like.
    """

    played: PlayedAccount
    page: str
    endpoint: int
    repository: Path
    folder: Path

    @property
    def cloud(self) -> Cloud:
        return self.played.cloud


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A cloud that the commands take for AWS, by the environment's variables; nothing is in it."""
    page, endpoint = free_ports(2)
    origin = f"http://127.0.0.1:{page}"
    lambdas = {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"http://127.0.0.1:{endpoint}"}
    with running_cloud(tmp_path / "cloud", lambdas=lambdas) as cloud:
        variables = {
            "AWS_ENDPOINT_URL": cloud.address,
            "AWS_ENDPOINT_URL_SAGEMAKER": cloud.moto,
            "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING": cloud.moto,
            "NO_PROXY": "127.0.0.1",
            "GEN3D_PASSWORD": PASSWORD,
            **ROOT_KEYS.environment(),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        played = PlayedAccount(cloud, stage=STAGE)

        def seen(region: str | None) -> Account:
            found = find_account(region)
            codebuild = played.client("codebuild")
            missing = frozenset(["service-quotas"])
            return replace(
                found,
                client=lambda service: codebuild if service == "codebuild" else found.client(service),
                missing=missing,
            )

        monkeypatch.setattr("infra.deploy.account.find_account", seen)
        _play_templates(tmp_path / "templates", origin, monkeypatch)
        dist = tmp_path / "dist"
        dist.mkdir()
        (dist / "index.html").write_text("<!doctype html>")
        monkeypatch.setattr("infra.deploy.page.build_page", lambda: dist)
        repository = make_repository(tmp_path / "gen3d")
        monkeypatch.setattr("infra.checkout.find_checkout", lambda: repository)
        yield Place(played, origin, endpoint, repository, tmp_path)


def _play_templates(folder: Path, origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    for name in NAMES:
        template = playable(name)
        if name == "foundation":  # CloudFront has an address here that nobody serves
            template["Outputs"]["PageUrl"]["Value"] = f"{origin}/"
        (folder / f"{name}.yaml").write_text(json.dumps(template))
    monkeypatch.setattr("infra.templates._FOLDER", folder)


@pytest.fixture
def gen3d(capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """The command: its exit status, and what it writes to standard output and error."""

    def run(*arguments: str) -> Told:
        capsys.readouterr()
        status = main(list(arguments))
        return (status, *capsys.readouterr())

    return run


def outputs_of(cloud: Cloud) -> dict[str, str]:
    stacks = cloud.client("cloudformation").describe_stacks()["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for stack in stacks for each in stack.get("Outputs", ())}


@contextmanager
def working(place: Place) -> Iterator[None]:
    """What the local cloud has no servers for is served: CloudFront's address, and the endpoint with its container."""
    cloud, outputs = place.cloud, outputs_of(place.cloud)
    iam, role = cloud.client("iam"), f"Gen3D-{STAGE}-endpoint-{REGION}"
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policies = {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}
    keys = _user_keys(iam, "container", policies)
    front = create_front(cloud, outputs, page_keys(cloud, outputs["BucketName"]))
    clients = Clients(cloud.client("sagemaker"), cloud.client("s3", keys), cloud.client("sns", keys))
    with ExitStack() as stack:
        container = stack.enter_context(_container(cloud, keys, outputs["EndpointConfigName"], place.folder))
        service = AsyncInference(place.folder / "queue", clients, lambda _: container, account=ACCOUNT)
        stack.enter_context(serving(service, place.endpoint))
        stack.enter_context(serving_front(front, int(place.page.rpartition(":")[2])))
        yield


def make_user(cloud: Cloud) -> str:
    """Lets somebody in; the token that the API wants."""
    outputs, cognito = outputs_of(cloud), cloud.client("cognito-idp")
    pool = outputs["UserPoolId"]
    attributes = [{"Name": "email", "Value": EMAIL}, {"Name": "email_verified", "Value": "true"}]
    cognito.admin_create_user(UserPoolId=pool, Username=EMAIL, MessageAction="SUPPRESS", UserAttributes=attributes)
    cognito.admin_set_user_password(UserPoolId=pool, Username=EMAIL, Password=PASSWORD, Permanent=True)
    answer = cognito.initiate_auth(
        ClientId=outputs["UserPoolClientId"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": EMAIL, "PASSWORD": PASSWORD},
    )
    return str(answer["AuthenticationResult"]["IdToken"])


@contextmanager
def watched_api(page: str, token: str) -> Iterator["Counter[int | str]"]:
    """What the API answers meanwhile to a user who asks for the jobs again and again; an error where it does not."""
    answers: Counter[int | str] = Counter()

    def ask(http: httpx.Client) -> None:
        try:
            answer = http.get(f"{page}/api/jobs", headers={"Authorization": f"Bearer {token}"})
            said = f"{answer.status_code}: {answer.text}"
            answers[200 if answer.is_success else KILLED if KILLED in said else said] += 1
        except httpx.HTTPError as error:
            answers[repr(error)] += 1

    with meanwhile(ask, pause=0.05):
        yield answers


def to_go_on(told: str) -> list[str]:
    """The command that a failure ends with, without the name of the program."""
    (line,) = (line for line in told.splitlines() if "To go on: " in line)
    return shlex.split(line.partition("To go on: ")[2])[1:]


def everything(account: Account) -> set[tuple[str, str]]:
    """All that is in the account, whatever it is called; with SES's identities, which no name makes a stage's."""
    found = set()
    for listing in LISTINGS:
        asked = {name: value for name, value in listing.asked.items() if "{stage}" not in str(value)}
        client = account.client(listing.service)
        names = _list(client, replace(listing, asked=asked), {"account": account.number})
        found |= {(listing.kind, name) for name, _ in names}
    identities = account.client("sesv2").list_email_identities()["EmailIdentities"]
    return found | {("identity", each["IdentityName"]) for each in identities}


def commit(repository: Path, message: str) -> str:
    git(repository, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(repository, "rev-parse", "HEAD")


def configuration(cloud: Cloud, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("lambda").get_function_configuration(FunctionName=name)["Environment"]
    return found["Variables"]  # type: ignore[no-any-return]  # boto3's


def test_a_stage_is_deployed_used_changed_mended_and_destroyed(
    place: Place, gen3d: Callable[..., Told], tmp_path: Path
) -> None:
    """One chain. Genuine in it: the commands with their options and messages, from the environment's variables on; the
    three stacks with all they make, users, tokens, the API and its Lambdas, S3 and its events, queues, the container
    `gen3d serve` with the engine preview and the rights of the endpoint's role; the smoke test; the listings at the
    end.

    Not genuine: CodeBuild's builds, in whose place an image's manifest is put into ECR; the image, which nothing runs;
    the instance, a process of this machine; quotas, which are not asked for; CloudFront, whose place the local front
    has; the page's files. Of the templates the budget, the policies of bucket and secret and what demands TLS are out.
    Where this cloud breaks a request off as it changes the Lambda, which AWS does not, that is not the API's failure.
    """
    cloud = place.cloud
    empty = everything(find_account(REGION))
    given = ("--admin-email", "admin@example.com", "--sender", "gen3d@example.com", "--engine", "preview")
    status, said, told = gen3d("deploy", *WHERE, *given, "--no-smoke", "--yes")
    assert status == 0, said + told
    assert f"page and API   {place.page}/" in said

    token = make_user(cloud)
    photo = str(ROOT / "demo" / "demo.jpg")
    with working(place), watched_api(place.page, token) as answers:
        assert len(everything(find_account(REGION)) - empty) > 40

        # A job that really ends.
        box = ("--box", "20,20,400,400", "--quality", "draft")
        status, said, told = gen3d("submit", photo, *box, *WHERE, "--user", EMAIL, "-o", str(tmp_path / "one"))
        assert status == 0, said + told
        assert (tmp_path / "one" / "object-0.glb").read_bytes()[:4] == b"glTF"

        # An update, with a changed parameter.
        before = answers[200]
        status, said, told = gen3d("deploy", *WHERE, "--parameter", "MaxOpenJobs=7", "--yes")
        assert status == 0, said + told
        assert answers[200] > before
        assert "modify Jobs (Lambda::Function" in said
        assert "smoke test: done" in told
        assert configuration(cloud, f"Gen3D-{STAGE}-jobs")["GEN3D_MAX_OPEN_JOBS"] == "7"

        # A deployment that fails in the midst of it, and goes on by the command that it names.
        new = commit(place.repository, "Two")
        place.played.broken_builds = 1
        status, said, told = gen3d("deploy", *WHERE, "--parameter", "MaxOpenJobs=8", "--yes")
        assert status == 1
        assert "gen3d: deployment_failed: The step image failed: " in told
        assert configuration(cloud, f"Gen3D-{STAGE}-jobs")["GEN3D_MAX_OPEN_JOBS"] == "7"
        before = answers[200]
        status, said, told = gen3d(*to_go_on(told), "--yes")
        assert status == 0, said + told
        assert answers[200] > before
        assert "sources: unchanged" in told
        assert "prune: done" in told  # of what the first commit has put there
        assert "smoke test: done" in told
        assert configuration(cloud, f"Gen3D-{STAGE}-jobs")["GEN3D_MAX_OPEN_JOBS"] == "8"
        image = cloud.client("ecr").describe_images(
            repositoryName=f"gen3d-{STAGE}", imageIds=[{"imageTag": f"preview-{new}"}]
        )["imageDetails"][0]["imageDigest"]
        (model,) = cloud.client("sagemaker").list_models()["Models"]
        container = cloud.client("sagemaker").describe_model(ModelName=model["ModelName"])["PrimaryContainer"]
        assert container["Image"].endswith(f"@{image}")

        # What was made before is there still.
        status, said, told = gen3d("deploy", *WHERE, "--yes")
        assert (status, len(told.splitlines())) == (0, 1)  # it looked, and nothing is left to do
        with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as http:
            (job,) = http.get(f"{place.page}/api/jobs").json()["jobs"]
        assert job["status"] == "succeeded"
    assert set(answers) <= {200, KILLED}, answers
    assert answers[KILLED] <= 4  # the code and the variables of the Lambda, in two deployments

    status, said, told = gen3d("destroy", *WHERE, "--delete-data", "--yes")
    assert status == 0, said + told
    assert f"nothing is left that is called after the stage {STAGE}" in said
    assert "LEFT" not in said
    assert take_inventory(find_account(REGION), STAGE).things == ()
    assert everything(find_account(REGION)) == empty
