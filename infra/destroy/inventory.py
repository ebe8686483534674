"""All that is called after a stage, found by listing and not by what a stack says it has. Changes nothing."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jmespath  # type: ignore[import-untyped]

from infra.deploy.account import Account


@dataclass(frozen=True, order=True)
class Thing:
    """Something in the account.

    Attributes:
        kind: What it is, in a word or two.
        name: What AWS's command line knows it by.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Inventory:
    """What there is of a stage.

    Attributes:
        things: In the order of `LISTINGS`.
        unseen: The kinds that were not looked for, because the cloud has not the service. In AWS there is none.
    """

    things: tuple[Thing, ...]
    unseen: tuple[str, ...]

    def names(self, kind: str) -> list[str]:
        """Of the things of one kind."""
        return [thing.name for thing in self.things if thing.kind == kind]


@dataclass(frozen=True)
class Listing:
    """How to list a kind of thing.

    Attributes:
        kind: What is listed, in a word or two.
        service: Whose, as boto3 has it.
        operation: What lists it, as boto3 has it.
        found: A JMESPath expression for an answer's names; or for pairs, of what a thing is called on the command line
            and the name that it was given.
        asked: What the operation is asked; `{stage}` and `{account}` are filled in.
        is_everywhere: Whether it belongs to no region, so that its name ends with the stage's.
    """

    kind: str
    service: str
    operation: str
    found: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    is_everywhere: bool = False


def _logs(prefix: str) -> Listing:
    return Listing(
        "log group", "logs", "describe_log_groups", "logGroups[].logGroupName", {"logGroupNamePrefix": prefix}
    )


_SAGEMAKER: Final = {"NameContains": "Gen3D-{stage}"}
BUCKET: Final = "bucket"
POOL: Final = "user pool"
NOTEBOOK: Final = "notebook"
BUILDS: Final = "CodeBuild project"

# What costs most comes first. What stacks make and nobody can list by a name of its own is not here: event source
# mappings, metric filters, policies, subscriptions, which go with what they belong to, and SES's identity of the
# sender. None of them costs anything. Nor are a notebook's log streams here, which are in a group of the whole account.
LISTINGS: Final = (
    Listing("stack", "cloudformation", "describe_stacks", "Stacks[].StackName"),
    Listing("endpoint", "sagemaker", "list_endpoints", "Endpoints[].EndpointName", _SAGEMAKER),
    Listing(
        NOTEBOOK, "sagemaker", "list_notebook_instances", "NotebookInstances[].NotebookInstanceName", _SAGEMAKER
    ),
    Listing("scalable target", "application-autoscaling", "describe_scalable_targets", "ScalableTargets[].ResourceId",
            {"ServiceNamespace": "sagemaker"}),
    Listing("endpoint configuration", "sagemaker", "list_endpoint_configs", "EndpointConfigs[].EndpointConfigName",
            _SAGEMAKER),
    Listing("model", "sagemaker", "list_models", "Models[].ModelName", _SAGEMAKER),
    Listing(BUCKET, "s3", "list_buckets", "Buckets[].Name"),
    Listing("image repository", "ecr", "describe_repositories", "repositories[].repositoryName"),
    Listing(BUILDS, "codebuild", "list_projects", "projects"),
    Listing("secret", "secretsmanager", "list_secrets", "SecretList[].Name", {"IncludePlannedDeletion": True}),
    Listing("dashboard", "cloudwatch", "list_dashboards", "DashboardEntries[].DashboardName",
            {"DashboardNamePrefix": "Gen3D-{stage}-"}, is_everywhere=True),
    Listing("alarm", "cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName",
            {"AlarmNamePrefix": "Gen3D-{stage}-"}),
    # Application Auto Scaling's own, for what it tracks.
    Listing("alarm", "cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName",
            {"AlarmNamePrefix": "TargetTracking-endpoint/Gen3D-{stage}/"}),
    _logs("/aws/lambda/Gen3D-{stage}-"),
    _logs("/aws/codebuild/Gen3D-{stage}-"),
    _logs("/aws/sagemaker/Endpoints/Gen3D-{stage}"),
    _logs("/gen3d/{stage}/"),
    Listing("Lambda", "lambda", "list_functions", "Functions[].FunctionName"),
    Listing("schedule", "events", "list_rules", "Rules[].Name", {"NamePrefix": "Gen3D-{stage}-"}),
    Listing("queue", "sqs", "list_queues", "QueueUrls", {"QueueNamePrefix": "Gen3D-{stage}-"}),
    Listing("topic", "sns", "list_topics", "Topics[].TopicArn"),
    Listing("API", "apigatewayv2", "get_apis", "Items[].[ApiId, Name]"),
    # Its own name says nothing; where it takes the page from does.
    Listing("distribution", "cloudfront", "list_distributions",
            "DistributionList.Items[].[Id, Origins.Items[?Id=='Page'].DomainName | [0]]"),
    Listing("origin access", "cloudfront", "list_origin_access_controls",
            "OriginAccessControlList.Items[].[Id, Name]", is_everywhere=True),
    Listing("headers policy", "cloudfront", "list_response_headers_policies",
            "ResponseHeadersPolicyList.Items[].ResponseHeadersPolicy.[Id, ResponseHeadersPolicyConfig.Name]",
            {"Type": "custom"}, is_everywhere=True),
    Listing(POOL, "cognito-idp", "list_user_pools", "UserPools[].[Id, Name]", {"MaxResults": 60}),
    Listing("mail settings", "sesv2", "list_configuration_sets", "ConfigurationSets"),
    Listing("budget", "budgets", "describe_budgets", "Budgets[].BudgetName", {"AccountId": "{account}"},
            is_everywhere=True),
    Listing("role", "iam", "list_roles", "Roles[].RoleName", is_everywhere=True),
)  # fmt: skip


def bucket_name(account: Account, stage: str) -> str:
    """What a stage's bucket is called."""
    return f"gen3d-{stage}-{account.number}-{account.region}"


def take_inventory(account: Account, stage: str) -> Inventory:
    """What there is of a stage now.

    Args:
        account: Where.
        stage: Its name.

    Raises:
        ClientError: AWS refuses a listing, or does not answer.
    """
    own = _names_of(account, stage)
    known = {"stage": stage, "account": account.number}
    things: dict[Thing, None] = {}
    unseen: dict[str, None] = {}
    clients: dict[str, Any] = {}
    for listing in LISTINGS:
        if not account.has(listing.service):
            unseen[listing.kind] = None
            continue
        if listing.service not in clients:
            clients[listing.service] = account.client(listing.service)
        for name, given in _list(clients[listing.service], listing, known):
            if own.search(given) and (not listing.is_everywhere or given.endswith(f"-{account.region}")):
                things[Thing(listing.kind, name)] = None
    return Inventory(tuple(things), tuple(unseen))


def _names_of(account: Account, stage: str) -> re.Pattern[str]:
    """What a stage's things are called: no stage's name holds a hyphen, so none is the beginning of another's."""
    return re.compile(
        rf"(^|[/:])Gen3D-{stage}([-/]|$)|^gen3d-{stage}$|^{bucket_name(account, stage)}(\.s3\.|$)|^/gen3d/{stage}/"
    )


def _list(client: Any, listing: Listing, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What a thing is called on the command line, and the name that it was given."""
    asked = {name: value.format(**known) if isinstance(value, str) else value for name, value in listing.asked.items()}
    if client.can_paginate(listing.operation):
        pages: Iterator[Any] = iter(client.get_paginator(listing.operation).paginate(**asked))
    else:
        pages = _pages(getattr(client, listing.operation), asked)
    expression = jmespath.compile(listing.found)
    for page in pages:
        for found in expression.search(page) or ():
            name, given = found if isinstance(found, list) else (found, found)
            yield name, given or ""


def _pages(operation: Any, asked: dict[str, Any]) -> Iterator[Any]:
    """Of the two operations that boto3 cannot page: SES's by NextToken, CloudFront's by Marker."""
    page = operation(**asked)
    yield page
    while True:
        if "NextToken" in page:
            page = operation(**asked, NextToken=page["NextToken"])
        elif marker := page.get("ResponseHeadersPolicyList", {}).get("NextMarker"):
            page = operation(**asked, Marker=marker)
        else:
            return
        yield page
