"""The stage, found in both ways: as the stage local, and as one that is in AWS."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import infra.local.running
from gen3d.__main__ import main
from infra.local.cloud import REGION, ROOT_KEYS
from infra.local.example import PHOTO
from infra.local.running import note_running
from infra.local.stage import Stage, User
from infra.operator.service import Session
from infra.operator.stage import find_stage
from infra.templates import NAMES, read_template
from serve.errors import Gen3DError
from tests.infra.local.visitors import Visitor, sign_up
from tests.infra.operator.outages import forget_dead_letters

# What the stage is called where it is taken for one in AWS.
TRIAL = "trial"
CUP = "75,58,485,440"

Told = tuple[int, str, str]


def can_sign_in(visitor: Visitor) -> bool:
    try:
        Session(find_stage("local"), visitor.user.email, visitor.user.password)
    except Gen3DError as error:
        if error.code != "sign_in_failed":
            raise
        return False
    return True


@pytest.fixture(autouse=True)
def demo(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    """The demo user of the stage that `--stage local` finds; each test has another, in a folder of its own."""
    monkeypatch.setattr(infra.local.running, "NOTES", tmp_path / "notes")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    user = stage.add_user(f"{tmp_path.name.lower().replace('_', '-')}@example.com")
    with note_running(stage, user):
        yield user


@pytest.fixture(scope="session")
def trial(stage: Stage) -> str:
    """Stacks that put out what the stage's stacks do; their name is that of a stage in AWS."""
    cloudformation = stage.cloud.client("cloudformation")
    for part in NAMES:
        own = {name for name in read_template(part)["Outputs"] if stage.outputs.get(name)}
        outputs = {name: {"Value": stage.outputs[name]} for name in own}
        resources = {"Topic": {"Type": "AWS::SNS::Topic"}}
        cloudformation.create_stack(
            StackName=f"Gen3D-{TRIAL}-{part}", TemplateBody=json.dumps({"Resources": resources, "Outputs": outputs})
        )
    return TRIAL


@pytest.fixture
def aws(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of somebody with an account in the cloud."""
    given = {"AWS_ENDPOINT_URL": stage.cloud.address, "AWS_DEFAULT_REGION": REGION, "NO_PROXY": "127.0.0.1"}
    for name, value in (given | ROOT_KEYS.environment()).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def allowed(stage: Stage, aws: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has the environment's identity be one that may do what a command's help says it needs, and nothing else."""

    def allow(help_text: str) -> None:
        actions = sorted(set(re.findall(r"[a-z0-9-]+:[A-Z][A-Za-z]+", help_text)))
        iam, name = stage.cloud.client("iam"), f"operator-{uuid.uuid4().hex[:8]}"
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="Operate", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        aws.setenv("AWS_ACCESS_KEY_ID", made["AccessKeyId"])
        aws.setenv("AWS_SECRET_ACCESS_KEY", made["SecretAccessKey"])

    return allow


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def visitor(stage: Stage, http: httpx.Client) -> Visitor:
    """Somebody new who has signed in."""
    return sign_up(stage, http)


@pytest.fixture
def no_other_letters(stage: Stage) -> Iterator[None]:
    """Other tests' dead letters are forgotten, and this one's."""
    forget_dead_letters(stage)
    yield
    forget_dead_letters(stage)


@pytest.fixture
def gen3d(capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """The command: its exit status, and what it writes to standard output and error."""

    def run(*arguments: object) -> Told:
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as ended:
            status = int(ended.code or 0)
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


@pytest.fixture
def submit(gen3d: Callable[..., Told]) -> Callable[..., Told]:
    """`gen3d submit` of the photo with a cup, to the stage local."""
    return lambda *arguments: gen3d("submit", PHOTO, "--stage", "local", "--quality", "draft", *arguments)


@pytest.fixture
def users(gen3d: Callable[..., Told]) -> Callable[..., Told]:
    """`gen3d users … --stage local`."""
    return lambda *arguments: gen3d("users", *arguments, "--stage", "local")


@pytest.fixture
def email(demo: User) -> str:
    """An address that nobody has yet."""
    return f"new-{demo.email}"
