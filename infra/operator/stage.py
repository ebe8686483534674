"""A stage by its name: what its stacks have put out, and clients of the cloud that it is in. Changes nothing.

One in AWS is found with the credentials, the profile and the region of the environment, as boto3 takes them. Their
identity needs `cloudformation:DescribeStacks`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
from botocore import exceptions
from botocore.config import Config
from botocore.parsers import ResponseParserError

from infra.local.installation import STAGE as LOCAL
from infra.local.running import Running, find_running
from infra.templates import NAMES
from serve.errors import Gen3DError
from serve.s3 import credential_errors

# No longer than a person would wait.
_CONFIG: Final = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard"})
# AWS's words for credentials that were good once, for some that it does not know, for what was signed wrongly, and for
# too much at a time; its services have never agreed on one each.
_EXPIRED: Final = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_UNKNOWN: Final = ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure")
_SIGNED_WRONGLY: Final = ("SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed")
_TOO_MUCH: Final = ("TooManyRequestsException", "RequestLimitExceeded", "SlowDown")


@dataclass(frozen=True)
class DeployedStage:
    """A stage that is there.

    Attributes:
        name: What it is called.
        outputs: Those of its stacks, by name. Where a stack is missing, so are its outputs.
        client: Makes a boto3 client of the cloud that the stage is in, by the service's name.
        local: The stage local, as it runs; None for one in AWS.
        stacks: CloudFormation's status of each stack that is there, by `foundation`, `endpoint` and `service`.
    """

    name: str
    outputs: dict[str, str]
    client: Callable[[str], Any]
    local: Running | None
    stacks: Mapping[str, str] = field(default_factory=dict)

    @property
    def page(self) -> str:
        """The address of the page and the API, without a slash at the end."""
        return self.outputs["PageUrl"].rstrip("/")


def find_stage(name: str, region: str | None = None) -> DeployedStage:
    """A stage by its name.

    Args:
        name: `local` for the one that `gen3d up` runs, else one in AWS.
        region: The AWS region it is in; that of the environment where absent.

    Raises:
        Gen3DError: `stage_not_running`, `stage_not_deployed`, `aws_unusable` or `aws_unreachable`.
    """
    if name == LOCAL:
        running = find_running()
        return _read_stage(name, running.as_cloud().client, "the local cloud", running)
    with aws_errors():
        session = boto3.session.Session(region_name=region)
        if session.region_name is None:
            raise exceptions.NoRegionError
        if session.get_credentials() is None:
            raise exceptions.NoCredentialsError

    def of_aws(service: str) -> Any:
        make: Any = session.client  # its stubs know few services
        return make(service, config=_CONFIG)

    return _read_stage(name, of_aws, f"the region {session.region_name}", None)


def _read_stage(name: str, client: Callable[[str], Any], where: str, local: Running | None) -> DeployedStage:
    outputs: dict[str, str] = {}
    stacks: dict[str, str] = {}
    with aws_errors():
        cloudformation = client("cloudformation")
        for part in NAMES:
            try:
                stack = cloudformation.describe_stacks(StackName=f"Gen3D-{name}-{part}")["Stacks"][0]
            except exceptions.ClientError as error:
                if error.response["Error"]["Code"] != "ValidationError":  # its word for a stack that is not there
                    raise
                continue
            stacks[part] = stack["StackStatus"]
            outputs |= {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}
    if not stacks:
        message = f"There is no stage {name} in {where}: is it another region, or another account?"
        raise Gen3DError("stage_not_deployed", message)
    if "PageUrl" not in outputs:
        found = ", ".join(f"Gen3D-{name}-{part} is {status}" for part, status in stacks.items())
        message = (
            f"The stage {name} in {where} has no foundation that could be used ({found}): see `gen3d deploy` and"
            " `gen3d destroy`, which go on from there."
        )
        raise Gen3DError("stage_not_deployed", message)
    return DeployedStage(name, outputs, client, local, stacks)


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turns boto3's errors into ours. AWS's own message is left out: it may name the account and its roles.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`.
    """
    try:
        yield
    except exceptions.ClientError as error:
        raise _told(error) from None
    except credential_errors() as error:
        raise Gen3DError("aws_unusable", f"There are no usable AWS credentials here: {error}.") from None
    except exceptions.NoRegionError:
        message = "No AWS region is set: name it with --region, or set AWS_DEFAULT_REGION."
        raise Gen3DError("aws_unusable", message) from None
    except exceptions.InvalidRegionError as error:
        raise Gen3DError("aws_unusable", f"{error} Regions are called eu-central-1 and the like.") from None
    except exceptions.EndpointConnectionError as error:
        message = f"AWS did not answer: {error}. Is the region's name right, and the network there?"
        raise Gen3DError("aws_unreachable", message) from None
    except (exceptions.BotoCoreError, ResponseParserError, ValueError) as error:
        # A ValueError is boto3's word for an address that is none.
        raise Gen3DError("aws_unreachable", f"AWS did not answer as it should: {error}") from None


def _told(error: exceptions.ClientError) -> Gen3DError:
    """What AWS has answered, and what to do about it."""
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    answer = f"AWS answers {error.operation_name} with {code}, status {status}"
    if "Throttl" in code or code in _TOO_MUCH:
        return Gen3DError("aws_unreachable", f"{answer}: too much is asked of it just now; try again in a minute.")
    if code in _EXPIRED:
        return Gen3DError("aws_unusable", f"The AWS credentials here have expired ({answer}): sign in anew.")
    if code in _UNKNOWN:
        why = "they are gone, or the account has not enabled the region"
        return Gen3DError("aws_unusable", f"AWS does not know the credentials here ({answer}): {why}.")
    if code in _SIGNED_WRONGLY:
        why = "the secret is another's, or this machine's clock is wrong"
        return Gen3DError("aws_unusable", f"AWS does not take what is signed here ({answer}): {why}.")
    if status in (401, 403) or code.startswith(("AccessDenied", "NotAuthorized", "Unauthorized")):
        message = f"AWS refuses your identity {error.operation_name} ({code}, status {status})"
        return Gen3DError("aws_unusable", f"{message}: the end of the command's --help has what it needs.")
    return Gen3DError("aws_unreachable", f"{answer}.")
