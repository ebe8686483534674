"""What holds for every template: described, named after the stage, kept on purpose or not, apart from the others."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.templates import NAMES, Name, read_template, template_file

TEMPLATES: dict[Name, dict[str, Any]] = {name: read_template(name) for name in NAMES}
RESOURCES = [(name, logical, body) for name in NAMES for logical, body in TEMPLATES[name]["Resources"].items()]
# Which property names a resource that people meet.
NAME_PROPERTIES = {
    "AWS::ApiGatewayV2::Api": "Name",
    "AWS::ApiGatewayV2::Authorizer": "Name",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "PolicyName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::CodeBuild::Project": "Name",
    "AWS::Cognito::UserPool": "UserPoolName",
    "AWS::Cognito::UserPoolClient": "ClientName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::MetricFilter": "FilterName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SES::ConfigurationSet": "Name",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SageMaker::EndpointConfig": "EndpointConfigName",
    "AWS::SageMaker::Model": "ModelName",
    "AWS::SageMaker::NotebookInstance": "NotebookInstanceName",
    "AWS::SageMaker::NotebookInstanceLifecycleConfig": "NotebookInstanceLifecycleConfigName",
    "AWS::SecretsManager::Secret": "Name",
}
LOWER_CASE = {"AWS::S3::Bucket", "AWS::ECR::Repository"}
# Their names are an account's, not a region's; a bucket's are the world's.
GLOBAL = {"AWS::IAM::Role", "AWS::CloudWatch::Dashboard", "AWS::S3::Bucket"}
STORING = {
    "AWS::Cognito::UserPool",
    "AWS::ECR::Repository",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SageMaker::NotebookInstance",
    "AWS::SecretsManager::Secret",
}


def test_cfn_lint_finds_nothing() -> None:
    files = [str(template_file(name)) for name in NAMES]
    found = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), *files], capture_output=True, text=True, check=False
    )
    assert (found.stdout, found.returncode) == ("", 0), found.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_described_and_in_one_group(name: Name) -> None:
    template = TEMPLATES[name]
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [parameter for group in groups for parameter in group["Parameters"]]
    assert sorted(grouped) == sorted(template["Parameters"])
    assert all(parameter["Description"] for parameter in template["Parameters"].values())
    assert all(output["Description"] for output in template["Outputs"].values())


@pytest.mark.parametrize("name", NAMES)
def test_conditions_are_named_has(name: Name) -> None:
    assert all(condition.startswith("Has") for condition in TEMPLATES[name]["Conditions"])


@pytest.mark.parametrize(
    ("name", "logical", "body"), RESOURCES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_names_begin_with_gen3d_and_carry_the_stage(name: Name, logical: str, body: dict[str, Any]) -> None:
    kind = body["Type"]
    if kind not in NAME_PROPERTIES:
        return
    spelt = body["Properties"][NAME_PROPERTIES[kind]]["Fn::Sub"]
    assert spelt.startswith("gen3d-${Stage}" if kind in LOWER_CASE else "Gen3D-${Stage}"), spelt
    assert ("${AWS::Region}" in spelt) == (kind in GLOBAL), spelt


def test_a_log_group_is_of_the_stage_and_forgets() -> None:
    groups = [body for _, _, body in RESOURCES if body["Type"] == "AWS::Logs::LogGroup"]
    assert len(groups) == 8
    for group in groups:
        assert "${Stage}" in group["Properties"]["LogGroupName"]["Fn::Sub"]
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogDays"}


def test_every_lambda_logs_to_a_group_of_the_template() -> None:
    resources = TEMPLATES["service"]["Resources"]
    for logical, body in resources.items():
        if body["Type"] == "AWS::Lambda::Function":
            group = resources[body["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]]
            spelt = body["Properties"]["FunctionName"]["Fn::Sub"]
            assert group["Properties"]["LogGroupName"]["Fn::Sub"] == f"/aws/lambda/{spelt}", logical


def test_what_stores_something_says_what_becomes_of_it() -> None:
    for _, logical, body in RESOURCES:
        if body["Type"] in STORING:
            assert body.get("UpdateReplacePolicy") in ("Delete", "Retain"), logical
            # RetainExceptOnCreate is Retain, but where the stack could not be made.
            assert body["DeletionPolicy"].removesuffix("ExceptOnCreate") == body["UpdateReplacePolicy"], logical


@pytest.mark.parametrize("name", NAMES)
def test_no_stack_imports_from_another(name: Name) -> None:
    text = template_file(name).read_text()
    assert "ImportValue" not in text
    assert all("Export" not in output for output in TEMPLATES[name]["Outputs"].values())


def test_what_a_stack_needs_of_foundation_is_an_output_of_that_name() -> None:
    given = set(TEMPLATES["foundation"]["Outputs"])
    for name, own in {
        "endpoint": {"Stage", "ContentHash", "ImageUri", "WeightsUri"},
        "service": {"Stage", "JobsCode", "ExtractCode", "NotifyCode", "SweepCode", "SenderEmail"},
    }.items():
        parameters = TEMPLATES[name]["Parameters"]  # type: ignore[index]  # the two names above
        assert {each for each, body in parameters.items() if "Default" not in body} - own <= given


def test_a_parameter_in_two_templates_has_the_same_rules() -> None:
    for shared in ("Stage", "AdminEmail", "LogDays"):
        rules = [
            {
                key: value
                for key, value in template["Parameters"][shared].items()
                if key.startswith(("Allowed", "Default"))
            }
            for template in TEMPLATES.values()
            if shared in template["Parameters"]
        ]
        assert all(each == rules[0] for each in rules)


@pytest.mark.parametrize("name", NAMES)
def test_every_suppression_says_why_in_one_line(name: Name) -> None:
    for logical, body in TEMPLATES[name]["Resources"].items():
        for skip in body.get("Metadata", {}).get("checkov", {}).get("skip", []):
            assert re.fullmatch(r"CKV2?_AWS_\d+", skip["id"]), logical
            assert skip["comment"].endswith("."), logical
            assert "\n" not in skip["comment"], logical


@pytest.mark.parametrize("name", NAMES)
def test_a_template_can_be_sent_without_a_bucket(name: Name) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    assert template_file(name).stat().st_size <= 51_200
