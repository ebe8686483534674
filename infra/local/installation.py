"""The stage `local`: the three templates as they are, in a cloud on this machine. Knows not how that cloud runs."""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from infra.lambda_codes import code_parameters, put_codes
from infra.local.cloud import Cloud, Keys
from infra.stacks import Stack
from infra.templates import NAMES as TEMPLATES
from infra.templates import Name, content_hash, read_template, template_file

STAGE: Final = "local"
SENDER: Final = "gen3d@example.com"
# What the templates have and the local cloud keeps, and no more.
_STORED: Final = (
    "CodeBuild's projects build nothing, so there are no images and no weights in the cloud",
    "nothing is measured: alarms, the dashboard, metric filters and scaling policies see no metrics",
    "the container's log and the API's are not in CloudWatch; the former is container.log, beside the other logs",
    "bucket lifecycle and the rate limits of the API: nobody applies them",
    "signatures for SageMaker: who may invoke the endpoint is not checked, that there is a signature is",
)


def install(cloud: Cloud, page_origin: str, engine: str, tell: Callable[[str], None]) -> dict[str, str]:
    """Deploys the three templates; done again, it changes what has changed since. The outputs of all three, by name.

    Args:
        cloud: Where to.
        page_origin: Where the page is, without a slash at the end.
        engine: `preview` or `sam3d`.
        tell: Is told what is under way, in one line.

    Raises:
        Gen3DError: `deployment_failed`.
        ModuleNotFoundError: What the Lambdas are made of is not installed here.
    """
    outputs: dict[str, str] = {}
    cloudformation = cloud.client("cloudformation")

    def deploy(name: Name, given: dict[str, str]) -> None:
        parameters = _parameters(name, {"Stage": STAGE, **given}, outputs)
        if name == "endpoint":
            parameters["ContentHash"] = content_hash(parameters)
        outputs.update(_stack(cloudformation, name, tell).deploy(template_file(name), parameters))

    deploy("foundation", {"LocalPageOrigin": page_origin, "LocalCloudOrigins": cloud.address})
    bucket = outputs["BucketName"]
    put_codes(cloud.client("s3"), bucket)
    deploy("service", {"SenderEmail": SENDER, **code_parameters()})
    # What it has made is moto's, which keeps nothing: a stack that was kept is of things that are gone.
    _stack(cloudformation, "endpoint", tell).delete()
    deploy("endpoint", _endpoint_parameters(bucket, engine))
    return outputs


def not_played() -> list[str]:
    """What is in the templates and is not in the local cloud, or is there and does nothing; a line each."""
    off = []
    for name in TEMPLATES:
        resources = read_template(name)["Resources"].values()
        kinds = {one["Type"].removeprefix("AWS::") for one in resources if one.get("Condition") == "HasAWS"}
        off += [kind.replace("::", " ") for kind in sorted(kinds)]
    return [f"not made: {', '.join(off)}", *_STORED]


def _stack(cloudformation: Any, name: Name, tell: Callable[[str], None]) -> Stack:
    return Stack(cloudformation, f"Gen3D-{STAGE}-{name}", tell)


def _parameters(name: Name, given: dict[str, str], outputs: dict[str, str]) -> dict[str, str]:
    """An output of one stack is the parameter of the same name of another."""
    declared = read_template(name)["Parameters"]
    return {**{key: value for key, value in outputs.items() if key in declared}, **given}


def _endpoint_parameters(bucket: str, engine: str) -> dict[str, str]:
    """No image runs and no instance starts: the container is a process of this machine, and its weights lie here."""
    return {
        "Engine": engine,
        "ImageUri": f"{STAGE}/gen3d@sha256:{hashlib.sha256(b'').hexdigest()}",
        # One that moto knows, which knows no pools.
        "InstanceType": "ml.g4dn.xlarge" if engine == "sam3d" else "ml.m5.large",
        "SecondInstanceType": "",
        "ThirdInstanceType": "",
        "WeightsUri": f"s3://{bucket}/weights/{STAGE}/" if engine == "sam3d" else "",
    }


def container_keys(cloud: Cloud) -> Keys:
    """New keys of a user with the policies of the endpoint's role: the keys of a role itself would expire."""
    iam = cloud.client("iam")
    role = f"Gen3D-{STAGE}-endpoint-{iam.meta.region_name}"
    policies = {
        policy: iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]
    }
    return _user_keys(iam, f"Gen3D-{STAGE}-endpoint", policies)


def page_keys(cloud: Cloud, bucket: str) -> Keys:
    """New keys of a user who may do what the bucket's policy lets CloudFront do in AWS."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/PUBLIC/*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return _user_keys(cloud.client("iam"), f"Gen3D-{STAGE}-page", {"Page": policy})


def _user_keys(iam: Any, user: str, policies: dict[str, Any]) -> Keys:
    """New keys of a user with these policies, who is made if absent; the old keys are no good any more."""
    if user in [found["UserName"] for found in iam.list_users()["Users"]]:
        for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
    else:
        iam.create_user(UserName=user)
    for name, document in policies.items():
        iam.put_user_policy(UserName=user, PolicyName=name, PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName=user)["AccessKey"]
    return Keys(made["AccessKeyId"], made["SecretAccessKey"])
