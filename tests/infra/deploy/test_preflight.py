"""Each finding: all is well, it will be done, it is to be known, or it blocks and says what to do."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.deploy.preflight import Finding, check, look
from infra.deploy.step import Deployment
from serve.errors import Gen3DError
from tests.infra.deploy.played import PlayedAccount

KEYS = {"region_name": "eu-central-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
BUILDS = "Concurrently running builds for Linux/Large environment"

Found = dict[str, Finding]


@pytest.fixture
def stubs() -> Iterator[dict[str, Stubber]]:
    """Clients whose answers are written by hand, by service."""
    found: dict[str, Stubber] = {}
    for service in ("service-quotas", "sesv2", "lambda"):
        client: Any = boto3.client(service, **KEYS)  # type: ignore[call-overload]  # its stubs know few services
        found[service] = Stubber(client)
    yield found
    for stubber in found.values():
        stubber.assert_no_pending_responses()


@pytest.fixture
def look_with(
    played: PlayedAccount, deployment: Callable[..., Deployment], stubs: dict[str, Stubber]
) -> Callable[..., Found]:
    """Looks, with the answers of some services from their stubs; the findings by what they are about."""

    def look_at(*stubbed: str, token: str | None = "hf_played", **asked: Any) -> Found:
        def client(service: str) -> Any:
            if service in stubbed:
                stubs[service].activate()
                return stubs[service].client
            return played.client(service)

        found = deployment(**asked)
        missing = found.account.missing - set(stubbed)
        found = replace(found, account=replace(found.account, client=client, missing=missing), hub_token=token)
        return {each.what: each for each in look(found)}

    return look_at


def quotas(stubber: Stubber, times: int = 1, **values: float) -> None:
    """Answers with these quotas, for SageMaker's and CodeBuild's."""
    names = {"g6e": "ml.g6e.xlarge for endpoint usage", "m5": "ml.m5.large for endpoint usage", "builds": BUILDS}
    said = [{"QuotaName": names[key], "QuotaCode": f"L-{key}", "Value": value} for key, value in values.items()]
    for service in ("sagemaker", "codebuild")[:times]:
        stubber.add_client_error("list_aws_default_service_quotas", "NoSuchResourceException")
        stubber.add_response("list_service_quotas", {"Quotas": said}, {"ServiceCode": service})


def test_before_the_first_deployment_all_will_be_done(look_with: Callable[..., Found]) -> None:
    found = look_with()
    for what in ("stack foundation", "stack service", "stack endpoint", "sender gen3d@example.com", "image"):
        assert found[what].state == "will be done", found[what]
    assert found["weights"].state == "ok"
    check(list(found.values()))


def test_who_is_told_and_who_sends_must_be_said(played: PlayedAccount, deployment: Callable[..., Deployment]) -> None:
    found = deployment()
    found = replace(found, asked=replace(found.asked, parameters={}))
    with pytest.raises(Gen3DError, match=r"Nothing was changed\. --admin-email: .*; --sender: ") as told:
        check(look(found))
    assert told.value.code == "deployment_blocked"


def test_what_this_cloud_lacks_is_skipped_visibly(look_with: Callable[..., Found]) -> None:
    assert str(look_with()["quotas for the endpoint"]).startswith("skipped")


def test_the_root_user_is_noted(look_with: Callable[..., Found]) -> None:
    assert look_with()["identity"].state == "note"


def test_enough_quota_is_well(look_with: Callable[..., Found], stubs: dict[str, Stubber]) -> None:
    quotas(stubs["service-quotas"], times=2, m5=2, builds=1)
    found = look_with("service-quotas")
    assert found["quota of ml.m5.large"].state == "ok"
    assert found["quota for builds"].state == "ok"


def test_no_quota_blocks_and_names_the_command_that_asks_for_it(
    look_with: Callable[..., Found], stubs: dict[str, Stubber]
) -> None:
    quotas(stubs["service-quotas"], times=2, g6e=0, builds=0)
    found = look_with("service-quotas", engine="sam3d", parameters={"MaxInstances": "3"})
    assert found["quota of ml.g6e.xlarge"].state == "blocks"
    assert "--quota-code L-g6e --desired-value 4 --region eu-central-1" in found["quota of ml.g6e.xlarge"].message
    assert found["quota for builds"].state == "blocks"
    assert "--quota-code L-builds" in found["quota for builds"].message


def test_too_little_quota_and_a_type_that_is_not_listed_are_noted(
    look_with: Callable[..., Found], stubs: dict[str, Stubber]
) -> None:
    quotas(stubs["service-quotas"], times=2, g6e=1, builds=5)
    found = look_with("service-quotas", engine="sam3d", parameters={"MaxInstances": "3"})
    assert found["quota of ml.g6e.xlarge"].state == "note"
    assert found["quota of ml.g6e.2xlarge"].state == "note"
    assert "offered in this region" in found["quota of ml.g6e.2xlarge"].message


def test_a_quota_that_leaves_no_room_for_an_update_is_noted(
    look_with: Callable[..., Found], stubs: dict[str, Stubber]
) -> None:
    quotas(stubs["service-quotas"], times=2, m5=1, builds=1)
    found = look_with("service-quotas")["quota of ml.m5.large"]
    assert found.state == "note"
    assert "an update starts one more" in found.message
    assert "--desired-value 2" in found.message


def test_a_sender_whom_ses_has_forgotten_is_noted(
    look_with: Callable[..., Found], stubs: dict[str, Stubber], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.deploy.preflight.sender_identity", lambda _: "is-there")
    ses = stubs["sesv2"]
    ses.add_response("get_account", {"SendingEnabled": True, "ProductionAccessEnabled": False, "SendQuota": {}})
    for _ in range(2):
        ses.add_client_error("get_email_identity", "NotFoundException")
    found = look_with("sesv2")["sender gen3d@example.com"]
    assert found.state == "note"
    assert "aws sesv2 create-email-identity --region eu-central-1 --email-identity gen3d@example.com" in found.message


def test_the_mail_sandbox_is_noted_and_a_verified_domain_is_well(
    look_with: Callable[..., Found], stubs: dict[str, Stubber]
) -> None:
    ses = stubs["sesv2"]
    ses.add_response("get_account", {"SendingEnabled": True, "ProductionAccessEnabled": False, "SendQuota": {}})
    ses.add_client_error("get_email_identity", "NotFoundException")
    ses.add_response("get_email_identity", {"VerifiedForSendingStatus": True}, {"EmailIdentity": "example.com"})
    found = look_with("sesv2")
    assert "sandbox" in found["SES"].message
    assert found["SES"].state == "note"
    assert found["sender gen3d@example.com"].state == "ok"
    assert "example.com is verified" in found["sender gen3d@example.com"].message


def test_an_address_that_is_not_verified_yet_is_noted(
    look_with: Callable[..., Found], stubs: dict[str, Stubber]
) -> None:
    ses = stubs["sesv2"]
    ses.add_response(
        "get_account", {"SendingEnabled": True, "ProductionAccessEnabled": True, "SendQuota": {"Max24HourSend": 200}}
    )
    ses.add_response("get_email_identity", {"VerifiedForSendingStatus": False})
    assert look_with("sesv2")["sender gen3d@example.com"].state == "note"


def test_few_lambdas_at_once_are_noted(look_with: Callable[..., Found], stubs: dict[str, Stubber]) -> None:
    limits = {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}
    stubs["lambda"].add_response("get_account_settings", {"AccountLimit": limits})
    assert look_with("lambda")["Lambdas"].state == "note"


def test_without_weights_a_token_is_needed(look_with: Callable[..., Found]) -> None:
    assert look_with(engine="sam3d")["weights"].state == "will be done"
    found = look_with(engine="sam3d", token=None)["weights"]
    assert found.state == "blocks"
    assert "HF_TOKEN" in found.message


def test_keeping_an_image_that_is_not_there_blocks(look_with: Callable[..., Found]) -> None:
    assert look_with(image="keep")["image"].state == "blocks"


def test_without_docker_no_image_can_be_built_here(
    look_with: Callable[..., Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER", "/nowhere/docker")
    found = look_with(image="local")["image"]
    assert found.state == "blocks"
    assert "There is no Docker client" in found.message


def test_a_stack_whose_creation_failed_is_waited_for_and_made_anew(
    played: PlayedAccount, look_with: Callable[..., Found]
) -> None:
    bad = '{"Resources": {"Bad": {"Type": "AWS::SageMaker::Endpoint", "Properties": {"EndpointConfigName": "none"}}}}'
    cloudformation = played.cloud.client("cloudformation")
    cloudformation.create_stack(StackName="Gen3D-local-endpoint", TemplateBody=bad)
    found = look_with()["stack endpoint"]
    assert found.state == "will be done"
    assert "ROLLBACK_COMPLETE" in found.message
    cloudformation.delete_stack(StackName="Gen3D-local-endpoint")
