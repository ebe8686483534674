"""All that Gen3D has in an AWS account: every resource of the templates, and what is there beside them.

Knows what a template cannot say: what a thing is for, what AWS asks money for, and where it belongs to no region. A
test fails where something in the templates is not described here, or no longer there.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from docs.source.stacks import shown
from docs.source.tables import code, table
from infra.cost import prices
from infra.cost.model import idle_month
from infra.templates import NAMES, Name, read_template


@dataclass(frozen=True)
class Kind:
    """A type of resource.

    Attributes:
        service: Whose it is, as the bill has it.
        paid: What AWS asks money for; nothing where it is empty.
        name: Where its properties have its name, by dots; AWS chooses one where it is empty.
        is_idle: Whether it costs without jobs too.
        is_global: Whether it belongs to no region.
    """

    service: str
    paid: str = ""
    name: str = ""
    is_idle: bool = False
    is_global: bool = False


KINDS: Final = {
    "AWS::S3::Bucket": Kind("S3", "what is stored, requests, what is sent to the internet", "BucketName", is_idle=True),
    "AWS::S3::BucketPolicy": Kind("S3"),
    "AWS::CloudFront::OriginAccessControl": Kind("CloudFront", name="OriginAccessControlConfig.Name", is_global=True),
    "AWS::CloudFront::ResponseHeadersPolicy": Kind(
        "CloudFront", name="ResponseHeadersPolicyConfig.Name", is_global=True
    ),
    "AWS::CloudFront::Distribution": Kind("CloudFront", "requests, and what is sent", is_global=True),
    "AWS::Cognito::UserPool": Kind("Cognito", "users who sign in during a month", "UserPoolName"),
    "AWS::Cognito::UserPoolClient": Kind("Cognito", name="ClientName"),
    "AWS::ApiGatewayV2::Api": Kind("API Gateway", "calls", "Name"),
    "AWS::ApiGatewayV2::Authorizer": Kind("API Gateway", name="Name"),
    "AWS::ApiGatewayV2::Integration": Kind("API Gateway"),
    "AWS::ApiGatewayV2::Route": Kind("API Gateway", name="RouteKey"),
    "AWS::ApiGatewayV2::Stage": Kind("API Gateway", name="StageName"),
    "AWS::SQS::Queue": Kind(
        "SQS", "requests; the two that a Lambda reads are polled always", "QueueName", is_idle=True
    ),
    "AWS::SQS::QueuePolicy": Kind("SQS"),
    "AWS::SNS::Subscription": Kind("SNS"),
    "AWS::SNS::Topic": Kind("SNS", "messages", "TopicName"),
    "AWS::SNS::TopicPolicy": Kind("SNS"),
    "AWS::ECR::Repository": Kind("ECR", "what is stored", "RepositoryName", is_idle=True),
    "AWS::CodeBuild::Project": Kind("CodeBuild", "minutes of builds", "Name"),
    "AWS::IAM::Role": Kind("IAM", name="RoleName", is_global=True),
    "AWS::SecretsManager::Secret": Kind("Secrets Manager", "each secret by the month", "Name", is_idle=True),
    "AWS::SecretsManager::ResourcePolicy": Kind("Secrets Manager"),
    "AWS::Logs::LogGroup": Kind("CloudWatch", "lines taken in, and kept", "LogGroupName", is_idle=True),
    "AWS::Logs::MetricFilter": Kind(
        "CloudWatch", "each metric by the month, of which several filters share one", "FilterName", is_idle=True
    ),
    "AWS::CloudWatch::Alarm": Kind("CloudWatch", "each alarm by the month", "AlarmName", is_idle=True),
    "AWS::CloudWatch::Dashboard": Kind(
        "CloudWatch", "each dashboard by the month", "DashboardName", is_idle=True, is_global=True
    ),
    "AWS::SageMaker::Model": Kind("SageMaker", name="ModelName"),
    "AWS::SageMaker::EndpointConfig": Kind("SageMaker", name="EndpointConfigName"),
    "AWS::SageMaker::Endpoint": Kind(
        "SageMaker", "hours of the endpoint's instances, of which there may be none", "EndpointName"
    ),
    "AWS::SageMaker::NotebookInstance": Kind(
        "SageMaker", "a notebook's hours while it runs, its disk always", "NotebookInstanceName", is_idle=True
    ),
    "AWS::SageMaker::NotebookInstanceLifecycleConfig": Kind("SageMaker", name="NotebookInstanceLifecycleConfigName"),
    "AWS::ApplicationAutoScaling::ScalableTarget": Kind("Application Auto Scaling", name="ResourceId"),
    "AWS::ApplicationAutoScaling::ScalingPolicy": Kind("Application Auto Scaling", name="PolicyName"),
    "AWS::Lambda::EventInvokeConfig": Kind("Lambda"),
    "AWS::Lambda::EventSourceMapping": Kind("Lambda"),
    "AWS::Lambda::Function": Kind(
        "Lambda", "calls, and seconds by memory; the sweep is called without jobs too", "FunctionName", is_idle=True
    ),
    "AWS::Lambda::Permission": Kind("Lambda"),
    "AWS::Events::Rule": Kind("EventBridge", name="Name"),
    "AWS::SES::ConfigurationSet": Kind("SES", "mails sent", "Name"),
    "AWS::SES::ConfigurationSetEventDestination": Kind("SES", name="EventDestination.Name"),
    "AWS::SES::EmailIdentity": Kind("SES", name="EmailIdentity"),
    "AWS::Budgets::Budget": Kind("Budgets", name="Budget.BudgetName", is_global=True),
}

# By logical id. What says it in its template, as roles and alarms do, need not be here.
PURPOSES: Final = {
    "Bucket": "Holds all data: photos, jobs, meshes, weights, code, the page.",
    "BucketPolicy": "Refuses what comes without TLS; lets the page's distribution read `PUBLIC/`.",
    "OriginAccess": "Signs the distribution's requests to the bucket.",
    "PageHeaders": "The headers that the page is sent with: what it may load, and from where.",
    "Distribution": "The page's address: `/` is the bucket's `PUBLIC/`, `/api/` the API.",
    "UserPool": "The users, their passwords and their second factors.",
    "UserPoolClient": "The client that the page and scripts sign users in with.",
    "HttpApiAuthorizer": "Checks the ID token of every call.",
    "HttpApiStage": "The API as it is deployed: its limit of rates and its log.",
    "HttpApiLog": "A line for each call of the API.",
    "ImageUploaded": "Photos that have arrived, for the Lambda extract.",
    "ImageUploadedDead": "Its messages that could not be handled.",
    "ImageUploadedPolicy": "Lets the bucket write to the queue.",
    "JobFinished": "Answers, outcomes and failures, for the Lambda notify.",
    "JobFinishedDead": "Its messages that could not be handled.",
    "JobFinishedPolicy": "Lets the bucket and the topic of failures write to the queue.",
    "InvocationFailed": "SageMaker says here which request failed.",
    "InvocationFailedToQueue": "Passes that on to the queue `Gen3D-STAGE-JobFinished`.",
    "AdminTopic": "Alarms and warnings, by mail to the admin, who confirms the subscription once.",
    "AdminTopicPolicy": "Lets alarms, the budget and SES write to the topic.",
    "Images": "The container's images.",
    "ImageBuildLog": "What the builds of images print.",
    "HubTokenPolicy": "Keeps everybody but the build of the weights from reading the token.",
    "WeightsBuildLog": "What the builds of the weights print.",
    "EndpointLog": "What the container logs; a failed start of the endpoint's stack leaves it alone.",
    "Model": "Image, weights and variables of the container.",
    "EndpointConfig": "On which instances the model runs, and how requests come and go.",
    "Endpoint": "Takes jobs, starts the container on instances, and gives the jobs to it.",
    "ScalableTarget": "How many instances there may be: from none to `MaxInstances`.",
    "ScaleByBacklog": "Adds and removes instances by what waits for each.",
    "WakeUp": "Starts the first instance.",
    "JobsLog": "What the Lambda jobs logs.",
    "Jobs": "Answers the API.",
    "JobsRoute": "Gives every path below `/api/` to the Lambda, with a valid token alone.",
    "JobsIntegration": "How the API calls the Lambda.",
    "JobsPermission": "Lets the API call the Lambda.",
    "ExtractLog": "What the Lambda extract logs.",
    "Extract": "Gives each uploaded photo to the endpoint, once.",
    "ExtractMapping": "Gives the Lambda the messages of `Gen3D-STAGE-ImageUploaded`.",
    "NotifyLog": "What the Lambda notify logs.",
    "Notify": "Writes how a job ended, and sends the mails.",
    "NotifyMapping": "Gives the Lambda the messages of `Gen3D-STAGE-JobFinished`.",
    "SweepLog": "What the Lambda sweep logs.",
    "Sweep": "Ends jobs that nobody else ended, and puts lost ones back on their way.",
    "SweepSchedule": "Has the sweep run every five minutes.",
    "SweepPermission": "Lets the schedule call the Lambda.",
    "SweepRetries": "No second try after a failed run: the next one comes in five minutes.",
    "Sender": "The address that mails are sent from, which SES verifies by a mail.",
    "MailSettings": "How mails are sent: with TLS alone, and no more to those who bounced or complained.",
    "MailTrouble": "Tells the admin which mails bounced, were reported as spam, or were rejected by SES.",
    "JobsErrorLines": "Counts the lines of level ERROR of the Lambda jobs.",
    "ExtractErrorLines": "Counts the lines of level ERROR of the Lambda extract.",
    "NotifyErrorLines": "Counts the lines of level ERROR of the Lambda notify.",
    "SweepErrorLines": "Counts the lines of level ERROR of the Lambda sweep.",
    "ContainerErrorLines": "Counts the container's lines of level ERROR.",
    "LostJobs": "Counts the jobs that the sweep ended.",
    "Dashboard": "The endpoint's queue, the GPU, failures, dead letters, Lambdas and API on one screen.",
    "Budget": "Tells the admin when the account has spent 80 % of `MonthlyBudget`, and when AWS forecasts more.",
    "Notebook": "A notebook for work on the engine, with this project on its disk.",
    "NotebookStart": "Brings the project to the notebook, and stops it when it is idle.",
}

CONDITIONS: Final = {
    "HasAWS": "not in the stage `local`",
    "HasScaling": "`Scaling` is `on`",
    "HasSenderIdentity": "`SenderIdentity` is `make`",
    "HasNotebook": "`NotebookType` is not `none`",
}

_UNUSED: Final = "a deployment that does not use them any more"
# The bucket's prefixes: what lies there, who writes it, and until when it stays.
PREFIXES: Final = {
    "PUBLIC/": ("The page's files.", "`gen3d deploy`", "the next page replaces them"),
    "users/": ("A folder for each user, and in it one for each job.", "browsers, Lambdas, the container", "{jobs}"),
    "users/notebook/": ("What the notebook asks and gets.", "the notebook, the container", "{Notebook} days"),
    "pending/": ("When the sweep is to look at which job.", "the Lambdas", "the job has ended and its mails are sent"),
    "async/output/": ("SageMaker's answers.", "SageMaker", "{Answers} days"),
    "async/failure/": ("SageMaker's failures.", "SageMaker", "{Failures} days"),
    "weights/": ("The weights, below a hash of what they are.", "the build of the weights", _UNUSED),
    "code/": ("The Lambdas' zips, with a hash in their names.", "`gen3d deploy`", _UNUSED),
    "source/": ("The project's archives, which builds begin with.", "`gen3d deploy`", _UNUSED),
    "builds/": ("The images' addresses, as the builds print them.", "the build of images", "somebody deletes them"),
}

# What is in the account beside all that: what it is, whose, and who makes it.
OTHERS: Final = (
    (
        "`Gen3D-STAGE-foundation`, `Gen3D-STAGE-endpoint`, `Gen3D-STAGE-service`",
        "CloudFormation stacks",
        "`gen3d deploy`",
    ),
    (
        "`gen3d-STAGE:ENGINE-COMMIT`",
        "Images in ECR, by a tag that never changes",
        "the build of images, or `gen3d image push`",
    ),
    ("Builds of `Gen3D-STAGE-image` and `Gen3D-STAGE-weights`", "CodeBuild's record of each", "`gen3d deploy`"),
    ("The value of `Gen3D-STAGE-hub-token`", "The hub's token", "the operator; it is in no template"),
    ("Users", "Cognito; one for the smoke test comes and goes", "`gen3d users add`, `gen3d deploy`"),
    ("The sender's address or domain", "An identity of SES", "the operator, where `SenderIdentity` is `is-there`"),
    (
        "`Gen3D/STAGE` and `Gen3D`",
        "The namespaces of Gen3D's own metrics in CloudWatch, each paid for by the month",
        "the Lambdas and the metric filters; the container",
    ),
    (
        "Alarms whose names begin with `TargetTracking-endpoint/`",
        "Two alarms of CloudWatch, as remembered; the figures above count them",
        "Application Auto Scaling, for `ScaleByBacklog`",
    ),
    (
        "`AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint`",
        "A role of the account's (global), as remembered",
        "AWS, with the first `ScalableTarget`",
    ),
    (
        "AWSServiceRoleForAPIGateway",
        "A role of the account's (global), as remembered",
        "AWS, with the account's first API",
    ),
    (
        "AWSLogDeliveryWrite20150319",
        "A policy of CloudWatch Logs, for all log groups that services write to, as remembered",
        "AWS, with the API's log",
    ),
    ("`/aws/sagemaker/NotebookInstances`", "A log group, kept for ever", "SageMaker, where there is a notebook"),
)


def described(template: Name) -> Iterator[tuple[str, dict[str, Any], Kind, str]]:
    """Each resource of a template: its logical id, itself, its kind, and what it is for.

    Raises:
        KeyError: One is described nowhere.
    """
    for name, resource in read_template(template)["Resources"].items():
        properties = resource.get("Properties", {})
        own = properties.get("Description") or properties.get("AlarmDescription")
        yield name, resource, KINDS[resource["Type"]], PURPOSES.get(name) or own or PURPOSES[name]


def summary() -> str:
    """A row for each service: how many resources, what they are paid by, and what a month without jobs costs."""
    counts: Counter[str] = Counter()
    paid: dict[str, dict[str, None]] = {}
    for template in NAMES:
        for _, _, kind, _ in described(template):
            counts[kind.service] += 1
            if kind.paid:
                paid.setdefault(kind.service, {})[kind.paid] = None
    month = idle_month()
    if not month.keys() <= counts.keys():
        raise KeyError(f"services that cost and have no resource: {month.keys() - counts.keys()}")
    rows = [
        [name, counts[name], "; ".join(paid.get(name, {})) or "nothing", f"{month[name]:.2f}" if name in month else ""]
        for name in sorted(counts, key=str.lower)
    ]
    rows.append(["**together**", f"**{counts.total()}**", "", f"**{sum(month.values()):.2f}**"])
    head = ["Service", "Resources", "Paid for", "USD a month without jobs"]
    return (
        table(head, rows, right=(head[1], head[3]))
        + f"\n\nFigures are those of `gen3d cost`, with prices of {prices.DATED} for {prices.REGION}, none of them"
        "\nasked of AWS: without free tiers and taxes, without a notebook, and while no instance runs."
    )


def types() -> str:
    """A row for each type: how many there are in which stack, and whether one costs without jobs."""
    counts = {template: Counter(resource["Type"] for _, resource, _, _ in described(template)) for template in NAMES}

    def rows() -> Iterator[list[object]]:
        for name, kind in sorted(KINDS.items(), key=lambda item: (item[1].service, item[0])):
            found = [counts[template][name] or "" for template in NAMES]
            yield [code(name), *found, "global" if kind.is_global else "region", "yes" if kind.is_idle else "no"]

    return table(["Type", *NAMES, "Belongs to", "Costs without jobs"], rows(), right=NAMES)


def resources(template: Name) -> str:
    """A template's resources, a table for each service."""
    by_service: dict[str, list[list[str]]] = {}
    for name, resource, kind, purpose in described(template):
        if resource.get("DeletionPolicy", "Delete") != "Delete":
            purpose += " It stays when the stack is deleted."
        only = CONDITIONS[resource["Condition"]] if "Condition" in resource else ""
        where = "global" if kind.is_global else "region"
        row = [code(name_of(resource, kind)), f"{code(resource['Type'])} {code(name)}", purpose, where, kind.paid, only]
        by_service.setdefault(kind.service, []).append(row)
    head = ["Name", "Type and logical id", "What it is for", "Belongs to", "Paid for", "Only if"]
    return "\n\n".join(f"### {service}\n\n{table(head, rows)}" for service, rows in by_service.items())


def name_of(resource: dict[str, Any], kind: Kind) -> str:
    """What AWS shows a resource by; nothing where AWS chooses it."""
    if not kind.name:
        return ""
    value: Any = resource["Properties"]
    for key in kind.name.split("."):
        value = value[key]
    # The endpoint's is an output of the stack foundation.
    name = (
        read_template("foundation")["Outputs"]["EndpointName"]["Value"] if value == {"Ref": "EndpointName"} else value
    )
    return shown(name).replace("{Endpoint.EndpointName}", "Gen3D-STAGE")


def prefixes() -> str:
    """A row for each prefix of the bucket."""
    parameters = read_template("foundation")["Parameters"]
    rules = read_template("foundation")["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    days = {rule["Id"]: rule.get("ExpirationInDays") for rule in rules}
    jobs = (
        f"photos: `PhotoDays`, {parameters['PhotoDays']['Default']} days; marks of cancelled and deleted jobs:"
        f" {days['Tombstones']} days; all else: its owner deletes it"
    )
    rows = [[code(name), holds, by, until.format(jobs=jobs, **days)] for name, (holds, by, until) in PREFIXES.items()]
    kept = parameters["OldVersionDays"]["Default"]
    return (
        table(["Prefix", "What lies there", "Who writes it", "Until"], rows)
        + f"\n\nWhat was overwritten or deleted stays as an old version for `OldVersionDays`, {kept} days; below"
        "\n`pending/` for one. A job that its owner deletes goes at once, with its old versions."
    )


def others() -> str:
    """A row for each thing that no template has."""
    return table(["Name", "What it is", "Who makes it"], OTHERS)


REGIONS: Final[dict[str, Callable[[], str]]] = {
    "resources-summary": summary,
    "resources-types": types,
    **{f"resources-{name}": partial(resources, name) for name in NAMES},
    "resources-prefixes": prefixes,
    "resources-others": others,
}
