"""Repositories of ECR are told by their address, and asked what they hold."""

import os
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.registry import Pushed, Repository
from serve.errors import Gen3DError
from tests.infra.cloud import ACCOUNT, DOCKER_MANIFEST, OCI_MANIFEST, REGION, LocalECR

ADDRESS = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
NEEDED = ("ecr:GetAuthorizationToken", "ecr:DescribeRepositories", "ecr:DescribeImages")


ActAs = Callable[[dict[str, str]], None]


@pytest.fixture
def act_as(monkeypatch: pytest.MonkeyPatch) -> ActAs:
    """`act_as(environment)` lets this process act with these variables and no others of AWS's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)

    def act(environment: dict[str, str]) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return act


def test_an_address_says_account_region_and_name() -> None:
    found = Repository.parse("123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/team/gen3d-prod")
    assert (found.account, found.region, found.name) == ("123456789012", "us-gov-west-1", "team/gen3d-prod")
    assert str(found) == "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/team/gen3d-prod"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gen3d-prod",
        f"https://{ADDRESS}/gen3d",
        f"{ADDRESS}/gen3d:latest",
        f"{ADDRESS}/gen3d@sha256:{'0' * 64}",
        f"{ADDRESS}/gen3d/",
        f"{ADDRESS}/Gen3D",
        f"{ADDRESS}/g",
        f"{ADDRESS}/{'g' * 257}",
        f"{ADDRESS}",
        f"{ADDRESS}.evil.example/gen3d",
        f"1{ADDRESS}/gen3d",
        "docker.io/library/gen3d",
        "ghcr.io/someone/gen3d",
        f"{ADDRESS}/gen3d\n",
    ],
)
def test_what_is_no_address_of_ecr_is_refused(text: str) -> None:
    with pytest.raises(Gen3DError, match=r"ACCOUNT\.dkr\.ecr\.REGION\.amazonaws\.com/NAME") as refused:
        Repository.parse(text)
    assert refused.value.code == "repository_invalid"


@given(st.from_regex(re.compile(r"[a-z0-9]{2,20}(?:[._/-][a-z0-9]{1,20}){0,4}", re.ASCII), fullmatch=True))
def test_every_name_that_ecr_allows_is_kept(name: str) -> None:
    assert str(Repository.parse(f"{ADDRESS}/{name}")) == f"{ADDRESS}/{name}"


@given(st.integers(0, len(ADDRESS)), st.sampled_from("/:@ %\n.A_é"))
def test_a_registry_with_a_letter_too_many_is_no_registry(place: int, letter: str) -> None:
    with pytest.raises(Gen3DError) as refused:
        Repository.parse(f"{ADDRESS[:place]}{letter}{ADDRESS[place:]}/gen3d")
    assert refused.value.code == "repository_invalid"


def test_one_on_this_machine_needs_a_local_cloud(act_as: ActAs) -> None:
    with pytest.raises(Gen3DError, match="AWS_ENDPOINT_URL"):
        Repository.parse("127.0.0.1:5000/gen3d")
    act_as({"AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:4566"})
    assert Repository.parse("127.0.0.1:5000/gen3d").registry == "127.0.0.1:5000"


def test_a_repository_that_is_there_is_found(ecr: LocalECR, act_as: ActAs) -> None:
    act_as(ecr.environment)
    Repository.parse(f"{ADDRESS}/{ecr.name}").check()


def test_one_that_is_not_there_is_told_how_to_make(ecr: LocalECR, act_as: ActAs) -> None:
    act_as(ecr.environment)
    with pytest.raises(Gen3DError) as raised:
        Repository.parse(f"{ADDRESS}/absent").check()
    assert raised.value.code == "repository_missing"
    assert f"aws ecr create-repository --repository-name absent --image-tag-mutability IMMUTABLE --region {REGION}" in (
        raised.value.message
    )


def test_the_region_is_that_of_the_address(ecr: LocalECR, act_as: ActAs) -> None:
    act_as({**ecr.environment, "AWS_DEFAULT_REGION": "us-east-1"})
    Repository.parse(f"{ADDRESS}/{ecr.name}").check()
    with pytest.raises(Gen3DError, match="There is no repository"):
        Repository.parse(f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/{ecr.name}").check()


@pytest.mark.parametrize("media_type", [DOCKER_MANIFEST, OCI_MANIFEST])
def test_a_tag_is_found_with_digest_and_media_type(ecr: LocalECR, act_as: ActAs, media_type: str) -> None:
    act_as(ecr.environment)
    tag = f"tag-{media_type.split('.')[1]}"
    digest = ecr.put(tag, media_type)
    assert Repository.parse(f"{ADDRESS}/{ecr.name}").find(tag) == Pushed(digest, media_type)


def test_a_tag_that_is_not_there_is_none(ecr: LocalECR, act_as: ActAs) -> None:
    act_as(ecr.environment)
    assert Repository.parse(f"{ADDRESS}/{ecr.name}").find("absent") is None


def ask_all(repository: Repository) -> None:
    repository.check()
    repository.find("absent")
    repository.authorization()


def test_who_may_do_what_is_written_gets_every_answer(ecr: LocalECR, act_as: ActAs) -> None:
    act_as(ecr.user(*NEEDED))
    ask_all(Repository.parse(f"{ADDRESS}/{ecr.name}"))


@pytest.mark.parametrize("action", NEEDED)
def test_who_may_not_is_told_what_is_needed(ecr: LocalECR, act_as: ActAs, action: str) -> None:
    act_as(ecr.user(*{*NEEDED} - {action}))
    repository = Repository.parse(f"{ADDRESS}/{ecr.name}")
    with pytest.raises(Gen3DError, match=re.escape(action)) as raised:
        ask_all(repository)
    assert raised.value.code == "registry_refused"
    assert "AccessDenied" in raised.value.message


def test_without_credentials_it_says_so(ecr: LocalECR, act_as: ActAs, monkeypatch: pytest.MonkeyPatch) -> None:
    act_as({**ecr.environment, "HOME": "/nonexistent"})
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(Gen3DError, match="There are no usable AWS credentials here") as raised:
        Repository.parse(f"{ADDRESS}/{ecr.name}").check()
    assert raised.value.code == "registry_refused"


def test_an_unknown_profile_is_said_so(ecr: LocalECR, act_as: ActAs) -> None:
    act_as({**ecr.environment, "AWS_PROFILE": "somebody", "HOME": "/nonexistent"})
    with pytest.raises(Gen3DError, match="somebody") as raised:
        Repository.parse(f"{ADDRESS}/{ecr.name}").check()
    assert raised.value.code == "registry_refused"


def test_a_local_cloud_needs_a_region(ecr: LocalECR, act_as: ActAs, monkeypatch: pytest.MonkeyPatch) -> None:
    act_as({**ecr.environment, "HOME": "/nonexistent"})
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(Gen3DError, match="set AWS_DEFAULT_REGION"):
        Repository.parse(ecr.repository).check()


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "nonsense"])
def test_a_cloud_that_does_not_answer_is_said_so(ecr: LocalECR, act_as: ActAs, endpoint: str) -> None:
    act_as({**ecr.environment, "AWS_ENDPOINT_URL": endpoint, "AWS_MAX_ATTEMPTS": "1"})
    with pytest.raises(Gen3DError, match=re.escape(f"'{ADDRESS}/{ecr.name}'")) as raised:
        Repository.parse(f"{ADDRESS}/{ecr.name}").check()
    assert raised.value.code == "registry_unreachable"


def test_credentials_are_not_quoted(ecr: LocalECR, act_as: ActAs) -> None:
    act_as({**ecr.environment, "AWS_SESSION_TOKEN": "secret\nsecret"})
    with pytest.raises(Gen3DError) as raised:
        Repository.parse(f"{ADDRESS}/{ecr.name}").check()
    assert "secret" not in raised.value.message
