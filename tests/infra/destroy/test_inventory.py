"""The listings: all that the templates make and that may cost is among them, asked for as AWS's API has it."""

from typing import Any, Final

import botocore.session
import pytest

from infra.deploy.account import Account
from infra.destroy.inventory import LISTINGS, Listing, _names_of
from infra.templates import NAMES, read_template

# A type of the templates, and what its things are called in the inventory.
KINDS: Final = {
    "AWS::ApiGatewayV2::Api": "API",
    "AWS::ApplicationAutoScaling::ScalableTarget": "scalable target",
    "AWS::Budgets::Budget": "budget",
    "AWS::CloudFront::Distribution": "distribution",
    "AWS::CloudFront::OriginAccessControl": "origin access",
    "AWS::CloudFront::ResponseHeadersPolicy": "headers policy",
    "AWS::CloudWatch::Alarm": "alarm",
    "AWS::CloudWatch::Dashboard": "dashboard",
    "AWS::CodeBuild::Project": "CodeBuild project",
    "AWS::Cognito::UserPool": "user pool",
    "AWS::ECR::Repository": "image repository",
    "AWS::Events::Rule": "schedule",
    "AWS::IAM::Role": "role",
    "AWS::Lambda::Function": "Lambda",
    "AWS::Logs::LogGroup": "log group",
    "AWS::S3::Bucket": "bucket",
    "AWS::SES::ConfigurationSet": "mail settings",
    "AWS::SNS::Topic": "topic",
    "AWS::SQS::Queue": "queue",
    "AWS::SageMaker::Endpoint": "endpoint",
    "AWS::SageMaker::EndpointConfig": "endpoint configuration",
    "AWS::SageMaker::Model": "model",
    "AWS::SageMaker::NotebookInstance": "notebook",
    "AWS::SecretsManager::Secret": "secret",
}
# These cost nothing, and go with what they belong to; but for the sender's identity and the notebook's script, which
# cost nothing either.
PARTS: Final = {
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Cognito::UserPoolClient",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SES::ConfigurationSetEventDestination",
    "AWS::SES::EmailIdentity",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SageMaker::NotebookInstanceLifecycleConfig",
    "AWS::SecretsManager::ResourcePolicy",
}


def test_every_type_of_the_templates_is_listed_or_a_part_of_what_is() -> None:
    types = {resource["Type"] for name in NAMES for resource in read_template(name)["Resources"].values()}
    assert types == set(KINDS) | PARTS
    assert {listing.kind for listing in LISTINGS} == {*KINDS.values(), "stack"}


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: f"{listing.service}-{listing.operation}")
def test_a_listing_is_one_of_the_service(listing: Listing) -> None:
    service: Any = botocore.session.get_session().get_service_model(listing.service)
    operations = {"".join(word.capitalize() for word in name.split("_")): name for name in (listing.operation,)}
    (name,) = operations
    operation = service.operation_model(name)
    assert set(listing.asked) <= set(operation.input_shape.members)
    shape = operation.output_shape
    for step in listing.found.split("[")[0].split("."):
        shape = shape.members[step]
    assert shape.type_name == "list"
    fields = [field.strip("[]? ") for field in listing.found.partition("[].")[2].split(",")]
    inner = shape.member
    if fields[0].startswith("ResponseHeadersPolicy."):
        inner = inner.members["ResponseHeadersPolicy"]
        fields[0] = fields[0].partition("[")[2]
    assert all(field.split(".")[0].split("[")[0] in inner.members for field in fields if field)


@pytest.mark.parametrize(
    ("name", "is_own"),
    [
        ("Gen3D-prod", True),
        ("Gen3D-prod-jobs", True),
        ("Gen3D-prod2-jobs", False),
        ("My-Gen3D-prod-jobs", False),
        ("/aws/lambda/Gen3D-prod-jobs", True),
        ("/gen3d/prod/api", True),
        ("/gen3d/prod2/api", False),
        ("arn:aws:sns:eu-central-1:123456789012:Gen3D-prod-Admin", True),
        ("endpoint/Gen3D-prod/variant/AllTraffic", True),
        ("TargetTracking-endpoint/Gen3D-prod/variant/AllTraffic-AlarmHigh-1", True),
        ("gen3d-prod", True),
        ("gen3d-prod-123456789012-eu-central-1", True),
        ("gen3d-prod-123456789012-eu-central-1.s3.eu-central-1.amazonaws.com", True),
        ("gen3d-prod-123456789012-eu-west-1", False),
        ("gen3d-prod-notes", False),
    ],
)
def test_what_is_called_after_a_stage(name: str, is_own: bool) -> None:
    account = Account("123456789012", "eu-central-1", "", lambda _: None)
    assert bool(_names_of(account, "prod").search(name)) == is_own
