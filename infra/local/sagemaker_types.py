"""Runs ministack with the CloudFormation types that it lacks; what they make is moto's. Knows no template.

A program of its own, for it changes the running ministack: `GEN3D_MOTO` has moto's address, the other variables are
ministack's. A handler must never call ministack, which waits for the handler.
"""

import functools
import json
import os
from collections.abc import Callable, Mapping
from email.utils import parseaddr
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape

# A handler is given and gives what ministack's own are: a resource's id, and its attributes for Fn::GetAtt.
Made = tuple[str, dict[str, str]]


@functools.cache
def _client(service: str) -> Any:
    return botocore.session.get_session().create_client(
        service,
        region_name=os.environ["MINISTACK_REGION"],
        endpoint_url=os.environ["GEN3D_MOTO"],
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 (moto takes any)
    )


def as_asked(shape: Shape, value: Any) -> Any:
    """A template's value in the types of an API's shape: CloudFormation has `"1"` where the API wants 1.

    Raises:
        ValueError: The API has no such field, or the value is no number.
    """
    if isinstance(shape, StructureShape):
        unknown = set(value) - set(shape.members)
        if unknown:
            raise ValueError(f"Encountered unsupported property {min(unknown)}")
        return {name: as_asked(shape.members[name], each) for name, each in value.items()}
    if isinstance(shape, ListShape):
        return [as_asked(shape.member, each) for each in value]
    if isinstance(shape, MapShape):
        return {name: as_asked(shape.value, each) for name, each in value.items()}
    if shape.type_name in ("integer", "long"):
        return int(value)
    if shape.type_name in ("float", "double"):
        return float(value)
    if shape.type_name == "boolean":
        return value in (True, "true")
    return str(value)


def _call(service: str, operation: str, values: Mapping[str, Any]) -> dict[str, Any]:
    client = _client(service)
    shape = client.meta.service_model.operation_model(operation).input_shape
    method = client.meta.method_to_api_mapping
    (name,) = (each for each, api in method.items() if api == operation)
    answer: dict[str, Any] = getattr(client, name)(**as_asked(shape, values))
    return answer


class _SageMaker:
    """One kind of SageMaker's things, which have a name, and whose id is their ARN."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def create(self, logical_id: str, properties: dict[str, Any], stack: str) -> Made:
        name = properties.get(f"{self._kind}Name") or f"{stack}-{logical_id}"
        answer = _call("sagemaker", f"Create{self._kind}", {**properties, f"{self._kind}Name": name})
        return answer[f"{self._kind}Arn"], {f"{self._kind}Name": name}

    def delete(self, physical_id: str, properties: dict[str, Any]) -> None:
        # An ARN may have the name in lower case.
        name = properties.get(f"{self._kind}Name") or physical_id.rpartition("/")[2]
        try:
            _call("sagemaker", f"Delete{self._kind}", {f"{self._kind}Name": name})
        except ClientError as error:
            # moto keeps nothing over a restart, and ministack may: what is not there is deleted.
            if error.response["Error"]["Code"] not in ("ValidationException", "ResourceNotFound", "404"):
                raise

    def update(self, physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str) -> Made:
        # moto has no UpdateEndpoint, and SageMaker itself none for the others, which come with a new name: nobody
        # notices the moment in which there is no endpoint, for who invokes it tries again.
        if old.get(f"{self._kind}Name") == new.get(f"{self._kind}Name"):
            self.delete(physical_id, old)
            return self.create("", new, stack)
        made = self.create("", new, stack)
        self.delete(physical_id, old)
        return made


def _register_target(_: str, properties: dict[str, Any], __: str) -> Made:
    _call("application-autoscaling", "RegisterScalableTarget", properties)
    return "|".join(properties[name] for name in _TARGET), {}


def _deregister_target(physical_id: str, _: dict[str, Any]) -> None:
    _forgive("DeregisterScalableTarget", dict(zip(_TARGET, physical_id.split("|"), strict=True)))


def _put_policy(_: str, properties: dict[str, Any], __: str) -> Made:
    answer = _call("application-autoscaling", "PutScalingPolicy", _with_target(properties))
    return answer["PolicyARN"], {"Arn": answer["PolicyARN"]}


def _delete_policy(_: str, properties: dict[str, Any]) -> None:
    values = _with_target(properties)
    _forgive("DeleteScalingPolicy", {name: values[name] for name in ("PolicyName", *_TARGET)})


# In the order of the id that CloudFormation gives a target.
_TARGET = ("ResourceId", "ScalableDimension", "ServiceNamespace")


def _with_target(properties: dict[str, Any]) -> dict[str, Any]:
    values = dict(properties)
    target = values.pop("ScalingTargetId", None)
    if target is not None:
        values.update(zip(_TARGET, target.split("|"), strict=True))
    return values


def _forgive(operation: str, values: dict[str, Any]) -> None:
    try:
        _call("application-autoscaling", operation, values)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ObjectNotFoundException", "ValidationException"):
            raise


def _again(create: Callable[[str, dict[str, Any], str], Made]) -> Callable[..., Made]:
    """The update of what is put as a whole, under the same name."""
    return lambda _, __, new, stack: create("", new, stack)


def handlers() -> dict[str, dict[str, Any]]:
    """The types that are added, by name."""
    kinds = {f"AWS::SageMaker::{kind}": _SageMaker(kind) for kind in ("Model", "EndpointConfig", "Endpoint")}
    return {
        **{name: {"create": kind.create, "update": kind.update, "delete": kind.delete} for name, kind in kinds.items()},
        "AWS::ApplicationAutoScaling::ScalableTarget": {
            "create": _register_target,
            "update": _again(_register_target),
            "delete": _deregister_target,
        },
        "AWS::ApplicationAutoScaling::ScalingPolicy": {
            "create": _put_policy,
            "update": _again(_put_policy),
            "delete": _delete_policy,
        },
    }


def sender_arn(body: bytes, region: str, account: str) -> str:
    """On what SES's SendEmail is allowed: the sender's identity; ministack takes it for a call without a resource.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsimpleemailservicev2.html
    """
    try:
        address = parseaddr(json.loads(body)["FromEmailAddress"])[1]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "*"
    return f"arn:aws:ses:{region}:{account}:identity/{address}"


def _complete() -> None:
    from ministack.core import iam_actions
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

    _RESOURCE_HANDLERS.update(handlers())
    others = iam_actions._ses_v2_resource_arn

    def of_ses(method: str, path: str, body: bytes, region: str, account: str) -> Any:
        if method == "POST" and path.rstrip("/") == "/v2/email/outbound-emails":
            return sender_arn(body, region, account)
        return others(method, path, body, region, account)

    iam_actions._ses_v2_resource_arn = of_ses


if __name__ == "__main__":
    from ministack.app import main

    _complete()
    main()
