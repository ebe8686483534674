"""The three stacks as steps: which parameters each gets, and what has to come first. Knows no change set."""

import json
from typing import Any, ClassVar, Final

from botocore.exceptions import ClientError

from infra.cost.prices import INSTANCES
from infra.deploy.image import image_uri
from infra.deploy.sources import source_key
from infra.deploy.step import Deployment, Engine, Step
from infra.deploy.weights import weights_uri
from infra.lambda_codes import code_parameters
from infra.stacks import ONLY_TO_DELETE
from infra.templates import HASHED, Name, content_hash, read_template, template_file
from serve.errors import Gen3DError

TYPES: Final = ("InstanceType", "SecondInstanceType", "ThirdInstanceType")
_POOLS: Final = 60  # as many as Cognito lists at once


class _StackStep(Step):
    """A stack that is made, or changed where it is there."""

    stack: ClassVar[Name]

    def parameters(self) -> dict[str, str]:
        """The stack's, but for those left at the template's defaults.

        Raises:
            Gen3DError: `deployment_blocked`: one is missing.
        """
        return self.deployment.parameters(self.stack, self.made())

    def made(self) -> dict[str, str]:
        """Parameters that are worked out."""
        return {}

    def is_there(self) -> bool:
        """Whether there is a stack to change; one whose creation failed is made anew."""
        found = self.deployment.stack(self.stack).find()
        return found is not None and found["StackStatus"] not in ONLY_TO_DELETE

    def plan(self) -> list[str]:
        """See `Step`."""
        stack = self.deployment.stack(self.stack)
        if not self.is_there():
            count = len(read_template(self.stack)["Resources"])
            return [f"make the stack {stack.name} ({count} resources)"]
        if self._lacks():
            return [f"change the stack {stack.name}: how, is known when the stack foundation is changed"]
        return [f"{stack.name}: {change}" for change in stack.changes(template_file(self.stack), self.parameters())]

    def _lacks(self) -> bool:
        """Whether it takes an output of the foundation that this one's own change will bring first."""
        new = set(read_template("foundation")["Outputs"]) - set(self.deployment.outputs)
        return not new.isdisjoint(read_template(self.stack)["Parameters"])

    def do(self) -> None:
        """See `Step`."""
        outputs = self.deployment.stack(self.stack).deploy(template_file(self.stack), self.parameters())
        self.deployment.outputs |= outputs


class FoundationStep(_StackStep):
    """What holds data. Bucket and users of a stage that was destroyed are adopted: nobody else may have them."""

    name = "foundation"
    stack = "foundation"

    def plan(self) -> list[str]:
        """See `Step`."""
        self.parameters()  # so that what is missing is said before anything is changed
        adopted = [] if self.is_there() else self._find_kept()
        return [f"adopt the {each['ResourceType'].rpartition('::')[2]} {_identifier(each)}" for each in adopted] + (
            super().plan()
        )

    def do(self) -> None:
        """See `Step`."""
        if not self.is_there() and (kept := self._find_kept()):
            stage = {"Stage": self.deployment.asked.stage}
            self.deployment.stack("foundation").adopt(adoption_template(kept), stage, kept)
        super().do()

    def _find_kept(self) -> list[dict[str, Any]]:
        """What a destroyed stage of this name has left, as an import takes it."""
        account, stage = self.deployment.account, self.deployment.asked.stage
        kept: list[dict[str, Any]] = []
        bucket = f"gen3d-{stage}-{account.number}-{account.region}"
        try:
            account.client("s3").head_bucket(Bucket=bucket)
            kept.append(_as_import("Bucket", "BucketName", bucket))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
        cognito = account.client("cognito-idp")
        pools = [
            pool["Id"]
            for page in cognito.get_paginator("list_user_pools").paginate(MaxResults=_POOLS)
            for pool in page["UserPools"]
            if pool["Name"] == f"Gen3D-{stage}"
        ]
        # A creation that failed leaves an empty pool: it is in nobody's way.
        used = [pool for pool in pools if cognito.list_users(UserPoolId=pool, Limit=1)["Users"]]
        if len(used) > 1:
            raise Gen3DError(
                "deployment_blocked",
                f"Several user pools are called Gen3D-{stage} and have users ({', '.join(used)}), in no stack:"
                " delete or rename all but the one whose users the stage is to have.",
            )
        return kept + [_as_import("UserPool", "UserPoolId", pool) for pool in used]


class ServiceStep(_StackStep):
    """The Lambdas, the API's routes, mail, alarms."""

    name = "service"
    stack = "service"

    def made(self) -> dict[str, str]:
        """See `_StackStep`."""
        made = {**code_parameters(), "SenderIdentity": sender_identity(self.deployment)}
        has = {**self.deployment.before["service"], **self.deployment.asked.parameters}
        # Without a notebook, a new commit is no change.
        if has.get("NotebookType", "none") != "none":
            made["NotebookSource"] = source_key(self.deployment.commit)
        return made


class EndpointStep(_StackStep):
    """The asynchronous endpoint. A failure here leaves users, data and API as they are."""

    name = "endpoint"
    stack = "endpoint"

    def made(self) -> dict[str, str]:
        """See `_StackStep`."""
        deployment = self.deployment
        image = image_uri(deployment)
        if image is None:
            raise Gen3DError("deployment_failed", "The repository has no image of this commit.")
        return {
            **instance_types(deployment),
            "Engine": deployment.engine,
            "ImageUri": image,
            "WeightsUri": weights_uri(deployment),
            "Scaling": "on",
            "ContentHash": "",  # of all the others, so it comes last
        }

    def parameters(self) -> dict[str, str]:
        """See `_StackStep`."""
        found = super().parameters()
        return {**found, "ContentHash": content_hash(found)}

    def plan(self) -> list[str]:
        """See `Step`."""
        kind = instance_types(self.deployment)["InstanceType"]
        if not self.is_there():
            price = INSTANCES.get(kind)
            costs = f"costs {price.usd:g} USD an hour" if price else "costs"
            return [*super().plan(), f"start one {kind}, which {costs} until scaling takes it away"]
        if image_uri(self.deployment) is None:
            return [f"change the stack {self.deployment.stack('endpoint').name} to the new image", _RESTART]
        lines = super().plan()
        return [*lines, _RESTART] if any(f" {each} (" in line for line in lines for each in HASHED) else lines

    def do(self) -> None:
        """See `Step`."""
        stack, wanted = self.deployment.stack("endpoint"), self.parameters()
        has = stack.parameters() if self.is_there() else {}
        is_another_type = any(has[each] != wanted[each] for each in TYPES if each in has)
        if not is_another_type or has.get("Scaling") == "off":
            super().do()
            return
        self.deployment.tell(f"{stack.name}: scaling is taken off first, for AWS refuses other types while it is on")
        stack.set_parameters({"Scaling": "off"})
        try:
            super().do()
        except Gen3DError as error:
            # Else the instance would run, and cost, until somebody notices.
            self.deployment.tell(f"{stack.name}: that failed; scaling is put on again")
            try:
                stack.set_parameters({"Scaling": "on"})
            except (ClientError, Gen3DError):
                raise Gen3DError(
                    error.code,
                    f"{error.message} And scaling could not be put on again: the endpoint's instance runs, and costs,"
                    " until the same command has succeeded.",
                ) from None
            raise
        except BaseException:  # Ctrl-C, say: the change goes on without this command
            self.deployment.tell(
                f"{stack.name}: scaling may be off: until the same command has succeeded, an instance runs, and costs"
            )
            raise


_RESTART: Final = "start a new instance, and end the old one once that serves"


def instance_types(deployment: Deployment) -> dict[str, str]:
    """The three parameters: the operator's, else the stack's, else those for the engine."""
    has = deployment.before["endpoint"]
    engine: Engine = deployment.engine
    found = {each: has[each] for each in TYPES} if has.get("Engine") == engine else default_types(engine)
    return {each: deployment.asked.parameters.get(each, found[each]) for each in TYPES}


def default_types(engine: Engine) -> dict[str, str]:
    """The three parameters for an engine; the template has those for sam3d."""
    if engine == "preview":
        return dict(zip(TYPES, ("ml.m5.large", "", ""), strict=True))
    declared = read_template("endpoint")["Parameters"]
    return {each: str(declared[each]["Default"]) for each in TYPES}


def sender_identity(deployment: Deployment) -> str:
    """Whether the stack is to make the sender known to SES: not where somebody else has, and not twice."""
    has, sender = deployment.before["service"], sender_of(deployment)
    if has.get("SenderEmail") == sender:
        return has["SenderIdentity"]
    return "make" if find_identity(deployment, sender) is None else "is-there"


def sender_of(deployment: Deployment) -> str:
    """Who sends the mails; empty where nobody has said."""
    return deployment.asked.parameters.get("SenderEmail", deployment.before["service"].get("SenderEmail", ""))


def find_identity(deployment: Deployment, sender: str) -> dict[str, Any] | None:
    """What SES knows of an address, or else of its domain; None where it knows neither."""
    ses = deployment.account.client("sesv2")
    for identity in (sender, sender.rpartition("@")[2]):
        try:
            return {"Name": identity, **ses.get_email_identity(EmailIdentity=identity)}
        except ses.exceptions.NotFoundException:
            continue
    return None


def adoption_template(kept: list[dict[str, Any]]) -> str:
    """The foundation's template with nothing in it but what is adopted.

    An import takes no other resource, and so no reference to one. What is left out here, the update that follows puts
    in; but it would make a user pool anew whose names of users were not as they are.
    """
    template = read_template("foundation")
    resources = {}
    for logical in (each["LogicalResourceId"] for each in kept):
        whole = template["Resources"][logical]
        left_out = "AdminCreateUserConfig" if logical == "UserPool" else None
        names = ("BucketName",) if logical == "Bucket" else whole["Properties"]
        properties = {each: whole["Properties"][each] for each in names if each != left_out}
        resources[logical] = {"Type": whole["Type"], "DeletionPolicy": "Retain", "Properties": properties}
    return json.dumps({"Parameters": {"Stage": template["Parameters"]["Stage"]}, "Resources": resources})


def _as_import(logical: str, key: str, identifier: str) -> dict[str, Any]:
    kind = read_template("foundation")["Resources"][logical]["Type"]
    return {"ResourceType": kind, "LogicalResourceId": logical, "ResourceIdentifier": {key: identifier}}


def _identifier(kept: dict[str, Any]) -> str:
    return str(next(iter(kept["ResourceIdentifier"].values())))
