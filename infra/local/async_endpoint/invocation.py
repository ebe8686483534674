"""One call of InvokeEndpointAsync, checked as AWS checks it, and how it ended. Knows neither HTTP nor S3."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from infra.local.async_endpoint.configuration import Configuration

# Limits and patterns are those of the service model that botocore ships (sagemaker-runtime, 2017-05-13).
_PREFIX = "X-Amzn-SageMaker-"


class RefusedError(Exception):
    """A call that is not taken, in AWS's words.

    Args:
        status: The HTTP status.
        code: The error's name in the service model, or one that all of AWS's services have.
        message: For the person who made the call.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


def validation_error(message: str) -> RefusedError:
    """The call cannot be taken as it is."""
    return RefusedError(400, "ValidationError", message)


@dataclass(frozen=True)
class Asked:
    """What the caller asks for.

    Attributes:
        endpoint: The endpoint's name.
        input_location: Where the body for the container lies: `s3://…` or an `https://` address of S3.
        inference_id: The caller's name for the request; None where it gave none.
        content_type: Of the body; passed on.
        accept: In what form the answer is wanted; passed on.
        custom_attributes: Passed on.
        ttl_seconds: How long the request may wait.
        timeout_seconds: How long the container may take.
    """

    endpoint: str
    input_location: str
    inference_id: str | None
    content_type: str | None
    accept: str | None
    custom_attributes: str | None
    ttl_seconds: int
    timeout_seconds: int


@dataclass(frozen=True)
class Invocation:
    """A request that was accepted.

    Attributes:
        key: Its own name, in the names of its results.
        inference_id: The caller's name for it, or one that it was given.
        received: When it came, in seconds since 1970.
        asked: What is asked.
        configuration: The endpoint's, as it was when the request came.
    """

    key: str
    inference_id: str
    received: float
    asked: Asked
    configuration: Configuration

    @property
    def expires(self) -> float:
        """Until when it may wait, in seconds since 1970."""
        return self.received + self.asked.ttl_seconds

    @property
    def output_location(self) -> str:
        """Where the answer goes."""
        return f"{self.configuration.output_path.rstrip('/')}/{self.key}.out"

    @property
    def failure_location(self) -> str | None:
        """Where a failure goes; None where the endpoint has no path for failures."""
        path = self.configuration.failure_path
        return None if path is None else f"{path.rstrip('/')}/{self.key}-error.out"

    def as_json(self) -> dict[str, Any]:
        """All of it, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> "Invocation":
        """What `as_json` wrote."""
        asked, configuration = Asked(**given["asked"]), Configuration(**given["configuration"])
        return cls(**{**given, "asked": asked, "configuration": configuration})


@dataclass(frozen=True)
class Result:
    """How a request ended.

    Attributes:
        status: As in the message about it.
        content_type: Of the object that tells it.
        reason: Of a failure: `failureReason` of the message.
    """

    status: Literal["Completed", "Failed"]
    content_type: str | None
    reason: str | None = None


def failed(reason: str, content_type: str | None = "text/plain; charset=utf-8") -> Result:
    """A failure, told by the reason itself unless the container gave more."""
    return Result("Failed", content_type, f"ClientError: {reason}")


class _Text(NamedTuple):
    header: str
    name: str
    longest: int
    pattern: str

    def complaints(self, value: str | None) -> list[str]:
        if value is None:
            return []
        fits = re.fullmatch(self.pattern, value, re.ASCII | re.DOTALL)
        rules = [
            (len(value) > self.longest, f"have length less than or equal to {self.longest}"),
            (fits is None, f"satisfy regular expression pattern: {self.pattern}"),
        ]
        return [_complaint(value, self.name, f"Member must {rule}") for is_broken, rule in rules if is_broken]


_ENDPOINT = _Text("", "endpointName", 63, r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
_INPUT = _Text("InputLocation", "inputLocation", 1024, r"(https|s3)://([^/]+)/?(.*)")
_INFERENCE_ID = _Text("Inference-Id", "inferenceId", 64, r"\S[ -~]*")
_CONTENT_TYPE = _Text("Content-Type", "contentType", 1024, r"[\x00-\x7f]*")
_ACCEPT = _Text("Accept", "accept", 1024, r"[\x00-\x7f]*")
_ATTRIBUTES = _Text("Custom-Attributes", "customAttributes", 1024, r"[\x00-\x7f]*")
# Of the service model too, but never sent by Gen3D.
_NOT_PLAYED = ("Filename", "S3OutputPathExtension")


def read_call(endpoint: str, headers: Mapping[str, str], *, has_body: bool) -> Asked:
    """The call of InvokeEndpointAsync in these headers.

    Args:
        endpoint: The name in the path.
        headers: The HTTP headers; looked up without regard to case.
        has_body: Whether the call has a body.

    Raises:
        RefusedError: ValidationError, which says all that is wrong.
    """
    given = {name.lower(): value for name, value in headers.items()}
    complaints: list[str] = []

    def text(rule: _Text) -> str | None:
        value = given.get((_PREFIX + rule.header).lower())
        complaints.extend(rule.complaints(value))
        return value

    def number(header: str, name: str, least: int, most: int, default: int) -> int:
        value = given.get((_PREFIX + header).lower())
        if value is None:
            return default
        if not re.fullmatch(r"-?\d{1,10}", value, re.ASCII):
            complaints.append(_complaint(value, name, "Member must be an integer"))
            return default
        if int(value) < least:
            complaints.append(_complaint(value, name, f"Member must have value greater than or equal to {least}"))
        if int(value) > most:
            complaints.append(_complaint(value, name, f"Member must have value less than or equal to {most}"))
        return int(value)

    for header in _NOT_PLAYED:
        if (_PREFIX + header).lower() in given:
            raise validation_error(f"The local endpoint does not play {header}.")
    if has_body:
        raise validation_error("The local endpoint takes no Body: store it in S3 and give its InputLocation.")
    complaints.extend(_ENDPOINT.complaints(endpoint))
    location = text(_INPUT)
    if location is None:
        complaints.append("Value null at 'inputLocation' failed to satisfy constraint: Member must not be null")
    asked = Asked(
        endpoint=endpoint,
        input_location=location or "",
        inference_id=text(_INFERENCE_ID),
        content_type=text(_CONTENT_TYPE),
        accept=text(_ACCEPT),
        custom_attributes=text(_ATTRIBUTES),
        ttl_seconds=number("RequestTTLSeconds", "requestTTLSeconds", 60, 21600, 21600),
        timeout_seconds=number("InvocationTimeoutSeconds", "invocationTimeoutSeconds", 1, 3600, 900),
    )
    if complaints:
        count = f"{len(complaints)} validation error{'s' if len(complaints) > 1 else ''} detected"
        raise validation_error(f"{count}: {'; '.join(complaints)}")
    return asked


def _complaint(value: str, name: str, rule: str) -> str:
    # The model calls the attributes sensitive: AWS's logs and answers leave them out.
    shown = "***" if name == "customAttributes" else value
    return f"Value '{shown}' at '{name}' failed to satisfy constraint: {rule}"
