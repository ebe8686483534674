"""What an account needs before a stage goes there, and whether it has it. Changes nothing.

The quotas' names are those of the Service Quotas console:
https://docs.aws.amazon.com/general/latest/gr/sagemaker.html and
https://docs.aws.amazon.com/codebuild/latest/userguide/limits.html
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from botocore.exceptions import ClientError

from infra.deploy.image import find_docker, image_uri
from infra.deploy.stack_steps import find_identity, instance_types, sender_identity, sender_of
from infra.deploy.step import Deployment
from infra.deploy.weights import ADVICE, are_weights_there, has_token
from infra.operator.stage import aws_errors
from infra.stacks import ONLY_TO_DELETE
from infra.templates import NAMES, read_template
from serve.errors import Gen3DError

BUILD_QUOTA: Final = "Concurrently running builds for Linux/Large environment"
# So many run at once where a page is open and photos come; less, and the API answers 503 now and then.
_LAMBDAS_AT_ONCE: Final = 50

State = Literal["ok", "will be done", "note", "blocks", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: What it is.
        state: `ok`; `will be done` by a step; `note`, which hinders nothing but is to be known; `blocks`; or
            `skipped`, where the cloud is not AWS and lacks what would be asked.
        message: What was found, and what to do.
    """

    what: str
    state: State
    message: str

    def __str__(self) -> str:
        return f"{self.state:12}  {self.what}: {self.message}"


def look(deployment: Deployment) -> list[Finding]:
    """Looks at everything, in the order in which it is needed.

    Raises:
        Gen3DError: `aws_unusable` and the like: the account does not answer.
    """
    with aws_errors():
        findings = [_identity(deployment)]
        for what, needs, find in _CHECKS:
            if needs is None or deployment.account.has(needs):
                findings += find(deployment)
            else:
                findings.append(Finding(what, "skipped", f"this cloud has no {needs}"))
    return findings


def check(findings: list[Finding]) -> None:
    """Raises where one of them blocks.

    Raises:
        Gen3DError: `deployment_blocked`.
    """
    blocking = [each for each in findings if each.state == "blocks"]
    if blocking:
        told = "; ".join(f"{each.what}: {each.message}" for each in blocking)
        raise Gen3DError("deployment_blocked", f"Nothing was changed. {told}")


def _identity(deployment: Deployment) -> Finding:
    account = deployment.account
    message = f"{account.identity} in {account.region}"
    if account.identity.endswith(":root"):
        return Finding("identity", "note", f"{message}: the root user; AWS advises to deploy as another")
    return Finding("identity", "ok", message)


def _addresses(deployment: Deployment) -> Iterator[Finding]:
    """Who is told of trouble, and who sends the mails, is said."""
    for option, parameter in (("--admin-email", "AdminEmail"), ("--sender", "SenderEmail")):
        given = deployment.asked.parameters.get(parameter, deployment.before["service"].get(parameter))
        if given is None:
            yield Finding(option, "blocks", "it is needed for a stage that is not there yet")
        else:
            yield Finding(option, "ok", given)


def _stacks(deployment: Deployment) -> Iterator[Finding]:
    """None of them is being changed, or is stuck."""
    for name in NAMES:
        stack = deployment.stack(name)
        found = stack.find()
        status = "not there" if found is None else str(found["StackStatus"])
        if status == "not there":
            yield Finding(f"stack {name}", "will be done", "it is made")
        elif status in ONLY_TO_DELETE:
            yield Finding(
                f"stack {name}", "will be done", f"{status}: an attempt failed; what it left is deleted, and it is made"
            )
        elif status.endswith("_IN_PROGRESS"):
            yield Finding(f"stack {name}", "blocks", f"{status}: somebody is changing it; wait until that has ended")
        elif status.endswith("_FAILED"):
            how = (
                f"aws cloudformation continue-update-rollback --region {deployment.account.region}"
                f" --stack-name {stack.name}"
            )
            yield Finding(f"stack {name}", "blocks", f"{status}: CloudFormation could not take a change back; {how}")
        else:
            yield Finding(f"stack {name}", "ok", status)


def _instances(deployment: Deployment) -> Iterator[Finding]:
    """An instance of each type may run as an endpoint."""
    quotas = _quotas(deployment, "sagemaker")
    asked = deployment.asked.parameters.get("MaxInstances", deployment.before["endpoint"].get("MaxInstances"))
    wanted = int(asked or read_template("endpoint")["Parameters"]["MaxInstances"]["Default"])
    types = [each for each in instance_types(deployment).values() if each]
    for place, kind in enumerate(types):
        what = f"quota of {kind}"
        found = quotas.get(f"{kind} for endpoint usage")
        if found is None:
            yield Finding(what, "note", "Service Quotas lists none; is the type offered in this region?")
            continue
        code, value = found
        # An update starts the new ones before it ends the old ones:
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateEndpoint.html
        more = (
            f"aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code {code}"
            f" --desired-value {wanted + 1} --region {deployment.account.region}"
        )
        if value > wanted:
            yield Finding(what, "ok", f"{value:g} for endpoint usage")
        elif value == wanted:
            message = (
                f"{value:g} for endpoint usage: enough to run, but an update starts one more before the others end;"
                f" with less it succeeds while none runs. For one more: {more}"
            )
            yield Finding(what, "note", message)
        elif place or value:
            yield Finding(what, "note", f"{value:g} for endpoint usage, {wanted} wanted; ask for more: {more}")
        else:
            yield Finding(what, "blocks", f"none for endpoint usage; AWS takes a day or more to grant it: {more}")


def _builds(deployment: Deployment) -> Iterator[Finding]:
    """CodeBuild may run one."""
    needs_image = deployment.asked.image == "codebuild" and image_uri(deployment) is None
    needs_weights = deployment.engine == "sam3d" and not are_weights_there(deployment)
    if not needs_image and not needs_weights:
        yield Finding("quota for builds", "ok", "nothing is to be built")
        return
    found = _quotas(deployment, "codebuild").get(BUILD_QUOTA)
    if found is None:
        yield Finding("quota for builds", "note", f"Service Quotas lists no '{BUILD_QUOTA}'")
    elif found[1] < 1:
        more = (
            f"aws service-quotas request-service-quota-increase --service-code codebuild --quota-code {found[0]}"
            f" --desired-value 1 --region {deployment.account.region}"
        )
        yield Finding("quota for builds", "blocks", f"no build of Linux/Large may run: {more}")
    else:
        yield Finding("quota for builds", "ok", f"{found[1]:g} of Linux/Large at once")


def _lambdas(deployment: Deployment) -> Iterator[Finding]:
    """Enough may run at once."""
    limits = deployment.account.client("lambda").get_account_settings()["AccountLimit"]
    free = limits["UnreservedConcurrentExecutions"]
    state: State = "ok" if free >= _LAMBDAS_AT_ONCE else "note"
    more = "" if state == "ok" else "; new accounts have few: ask for more of 'Concurrent executions' in Service Quotas"
    yield Finding("Lambdas", state, f"{free} may run at once{more}")


def _mail(deployment: Deployment) -> Iterator[Finding]:
    """SES may send, and the sender is verified."""
    settings = deployment.account.client("sesv2").get_account()
    if not settings["SendingEnabled"] or settings.get("EnforcementStatus", "HEALTHY") == "SHUTDOWN":
        yield Finding("SES", "note", "AWS lets this account send no mail: jobs run, and nobody is told of their end")
    elif settings["ProductionAccessEnabled"]:
        yield Finding("SES", "ok", f"out of the sandbox, {settings['SendQuota']['Max24HourSend']:g} mails a day")
    else:
        yield Finding(
            "SES",
            "note",
            "in the sandbox: only verified addresses get mail. Ask for production access (SES console, Account"
            " dashboard) before users come",
        )
    sender = sender_of(deployment)
    if not sender:
        return  # what is missing, the step says
    found = find_identity(deployment, sender)
    if found is None and sender_identity(deployment) == "make":
        message = "SES sends it a mail to verify it; somebody has to follow its link"
        yield Finding(f"sender {sender}", "will be done", message)
    elif found is None:  # it was there when the stage was made, and others have removed it
        region = deployment.account.region
        how = f"aws sesv2 create-email-identity --region {region} --email-identity {sender}"
        yield Finding(f"sender {sender}", "note", f"SES does not know it any more, so no mail goes out: {how}")
    elif found.get("VerifiedForSendingStatus"):
        yield Finding(f"sender {sender}", "ok", f"{found['Name']} is verified")
    else:
        yield Finding(f"sender {sender}", "note", f"{found['Name']} is not verified yet: follow the link in SES's mail")


def _image(deployment: Deployment) -> Iterator[Finding]:
    """It is pushed."""
    found = image_uri(deployment)
    if found is not None:
        yield Finding("image", "ok", found)
    elif deployment.asked.image == "keep":
        yield Finding("image", "blocks", "--image keep, but the stage has no endpoint, and so no image")
    elif deployment.asked.image == "local" and (trouble := _docker_trouble()):
        yield Finding("image", "blocks", trouble)
    else:
        yield Finding("image", "will be done", f"that of {deployment.commit[:12]} is built and pushed")


def _docker_trouble() -> str:
    try:
        find_docker()
    except Gen3DError as error:
        return error.message
    return ""


def _weights(deployment: Deployment) -> Iterator[Finding]:
    """They are in the bucket, or there is a token to fetch them with."""
    if deployment.engine != "sam3d":
        yield Finding("weights", "ok", f"the engine {deployment.engine} needs none")
    elif are_weights_there(deployment):
        yield Finding("weights", "ok", "they are in the bucket")
    elif has_token(deployment) or deployment.hub_token is not None:
        yield Finding("weights", "will be done", "CodeBuild brings 14 GB from the hub")
    else:
        yield Finding("weights", "blocks", f"there is no token to fetch them with. {ADVICE}")


def _quotas(deployment: Deployment, service: str) -> dict[str, tuple[str, float]]:
    """Code and value of each quota of a service, by its name; those never raised are in AWS's defaults alone."""
    client = deployment.account.client("service-quotas")
    found: dict[str, tuple[str, float]] = {}
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        try:
            for page in client.get_paginator(operation).paginate(ServiceCode=service):
                found |= {each["QuotaName"]: (each["QuotaCode"], each["Value"]) for each in page["Quotas"]}
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchResourceException":
                raise
    return found


_CHECKS: Final[tuple[tuple[str, str | None, Callable[[Deployment], Iterator[Finding]]], ...]] = (
    ("addresses", None, _addresses),
    ("stacks", None, _stacks),
    ("quotas for the endpoint", "service-quotas", _instances),
    ("quota for builds", "service-quotas", _builds),
    ("Lambdas", None, _lambdas),
    ("mail", None, _mail),
    ("image", None, _image),
    ("weights", None, _weights),
)
