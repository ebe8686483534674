"""What roles may do is what their code calls: nothing missing, nothing more."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra import actions
from infra.templates import read_template, template_file
from lambdas.actions import Grant, grants
from lambdas.extract.settings import ExtractSettings
from lambdas.jobs.settings import JobsSettings
from lambdas.notify.settings import NotifySettings
from lambdas.shared.settings import read_settings
from lambdas.sweep.settings import SweepSettings

FOUNDATION = read_template("foundation")["Resources"]
ENDPOINT = read_template("endpoint")["Resources"]
SERVICE = read_template("service")["Resources"]
ALL = FOUNDATION | ENDPOINT | SERVICE
ROLES = {name: body for name, body in ALL.items() if body["Type"] == "AWS::IAM::Role"}
LAMBDAS = ("jobs", "extract", "notify", "sweep")
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"}
BUCKET = "arn:${AWS::Partition}:s3:::${BucketName}"
OWN = "arn:${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}:%s"
# How the table in lambdas/actions.py calls what the templates spell out.
RESOURCES = {
    OWN % ("sagemaker", "endpoint/${EndpointName}"): "endpoint",
    OWN % ("sagemaker", "endpoint/gen3d-${Stage}"): "endpoint",
    OWN % ("ses", "identity/*"): "mail-identity",
    OWN % ("ses", "configuration-set/${MailSettings}"): "mail-identity",
    OWN % ("sagemaker", "notebook-instance/Gen3D-${Stage}"): "notebook",
    OWN % ("sagemaker", "notebook-instance/gen3d-${Stage}"): "notebook",
    OWN % ("ecr", "repository/gen3d-${Stage}"): "images",
    OWN % ("logs", "log-group:${EndpointLogName}:*"): "log-group",
    OWN % ("logs", "log-group:/aws/sagemaker/NotebookInstances:*"): "log-group",
    f"{BUCKET}/${{NotebookSource}}": "notebook-source",
    "ImageUploadedArn": "uploaded-queue",
    "JobFinishedArn": "finished-queue",
    "InvocationFailedArn": "failure-topic",
    "HubToken": "hub-token",
    "Bucket": "bucket",
    "Images": "images",
    "ImageBuildLog": "log-group",
    "WeightsBuildLog": "log-group",
}
# Those whose table is infra/actions.py, by their names there.
OTHERS = {
    "endpoint": "Role",
    "image-build": "ImageBuildRole",
    "weights-build": "WeightsBuildRole",
    "notebook": "NotebookRole",
}
# AWS's reference has SESv2's SendEmail under its own name; SES asks for ses:SendRawEmail where the content is raw.
BESIDES = {"notify": {Grant("ses:SendEmail", "mail-identity")}}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in role["Properties"]["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def called(resource: Any) -> str:
    """A resource as the tables call it."""
    if resource == "*":
        return "*"
    if "Fn::GetAtt" in resource:
        return RESOURCES.get(resource["Fn::GetAtt"][0], "log-group")
    spelt = str(resource["Fn::Sub"] if "Fn::Sub" in resource else resource["Ref"])
    spelt = spelt.replace("${Bucket.Arn}", BUCKET)
    if spelt in RESOURCES:
        return RESOURCES[spelt]
    assert spelt.startswith(BUCKET)
    return "bucket" + spelt.removeprefix(BUCKET)


def by_default(value: dict[str, Any]) -> str:
    """What a reference comes to where the parameters have their defaults, those without one being "x"."""
    parameters = read_template("service")["Parameters"]
    text = f"${{{value['Ref']}}}" if "Ref" in value else value["Fn::Sub"]
    text = text if isinstance(text, str) else text[0]
    return re.sub(r"\$\{([\w:]+)\}", lambda match: str(parameters.get(match[1], {}).get("Default", "x")), text)


def allowed(role: str) -> set[Grant]:
    """A statement allows each of its actions on each of its resources."""
    return {
        Grant(action, called(resource))
        for statement in statements(ROLES[role])
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def test_each_role_has_a_table() -> None:
    assert set(ROLES) == {f"{name.title()}Role" for name in LAMBDAS} | set(OTHERS.values())


@pytest.mark.parametrize("name", LAMBDAS)
def test_a_lambda_may_do_what_it_calls_and_nothing_more(name: str) -> None:
    assert allowed(f"{name.title()}Role") == set(grants(name)) | BESIDES.get(name, set())


@pytest.mark.parametrize(("name", "role"), OTHERS.items())
def test_another_role_may_do_what_its_table_says_and_nothing_more(name: str, role: str) -> None:
    assert allowed(role) == actions.grants(name)


@pytest.mark.parametrize("name", ROLES)
def test_no_role_has_an_action_with_a_star(name: str) -> None:
    for statement in statements(ROLES[name]):
        assert statement["Effect"] == "Allow"
        assert not [action for action in as_list(statement["Action"]) if "*" in action]


@pytest.mark.parametrize("name", ROLES)
def test_everything_is_a_resource_only_where_aws_has_nothing_finer(name: str) -> None:
    for statement in statements(ROLES[name]):
        if "*" in as_list(statement["Resource"]):
            assert set(as_list(statement["Action"])) <= WITHOUT_RESOURCE


@pytest.mark.parametrize("name", ["foundation", "endpoint", "service"])
def test_every_star_says_why(name: Any) -> None:
    for line in template_file(name).read_text().splitlines():
        if re.search(r'Resource: "\*"', line):
            assert re.search(r'"\*" # \S.+\.$', line), line


@pytest.mark.parametrize("name", ROLES)
def test_a_role_is_taken_by_one_service_and_has_no_ready_made_policies(name: str) -> None:
    (statement,) = ROLES[name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert isinstance(statement["Principal"]["Service"], str)
    assert "ManagedPolicyArns" not in ROLES[name]["Properties"]


def test_no_two_lambdas_share_a_role() -> None:
    used = [
        body["Properties"]["Role"]["Fn::GetAtt"][0]
        for body in SERVICE.values()
        if body["Type"] == "AWS::Lambda::Function"
    ]
    assert sorted(used) == sorted(f"{name.title()}Role" for name in LAMBDAS)


def test_a_build_of_images_may_do_what_the_push_needs() -> None:
    from infra import registry

    assert registry.__doc__ is not None
    asked = set(re.findall(r"ecr:\w+", registry.__doc__))
    assert {grant.action for grant in actions.grants("image-build") if grant.action.startswith("ecr:")} == asked


def test_a_build_of_weights_may_do_what_publishing_needs() -> None:
    from model_loader.publish import publish

    assert publish.__doc__ is not None
    asked = set(re.findall(r"s3:\w+", publish.__doc__.partition("Args:")[0]))
    called = {grant.action for each in actions.CALLS["weights-build"].values() for grant in each}
    assert asked == called


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Jobs", JobsSettings), ("Extract", ExtractSettings), ("Notify", NotifySettings), ("Sweep", SweepSettings)],
)
def test_the_environment_of_a_lambda_is_what_its_settings_read(name: str, kind: type[Any]) -> None:
    variables = SERVICE[name]["Properties"]["Environment"]["Variables"]
    settings = read_settings(kind, {key: by_default(value) for key, value in variables.items()})
    assert {key.removeprefix("GEN3D_").lower() for key in variables} <= set(vars(settings))


@pytest.mark.parametrize("name", LAMBDAS)
def test_the_handler_is_there(name: str) -> None:
    module, function = SERVICE[name.title()]["Properties"]["Handler"].rsplit(".", 1)
    file = template_file("service").parents[1] / (module.replace(".", "/") + ".py")
    assert f"\ndef {function}(" in file.read_text()


def test_the_container_reads_the_settings_it_is_given() -> None:
    from serve.settings import Settings

    variables = ENDPOINT["Model"]["Properties"]["PrimaryContainer"]["Environment"]
    assert {key.removeprefix("GEN3D_").lower() for key in variables} <= set(Settings.model_fields)
