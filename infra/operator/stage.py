"""A stage by its name: what its stacks have put out, and clients of the cloud that it is in. Changes nothing.

One in AWS is found with the credentials, the profile and the region of the environment, as boto3 takes them. Their
identity needs `cloudformation:DescribeStacks`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class DeployedStage:
    """A stage that is there.

    Attributes:
        name: What it is called.
        outputs: Those of its stacks, by name. Where a stack is missing, so are its outputs.
        client: Makes a boto3 client of the cloud that the stage is in, by the service's name.
        local: The stage local, as it runs; None for one in AWS.
    """

    name: str
    outputs: dict[str, str]
    client: Callable[[str], Any]
    local: Running | None

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
        client, where = running.as_cloud().client, "the local cloud"
        return DeployedStage(name, _read_outputs(name, client, where), client, running)
    with aws_errors():
        session = boto3.session.Session(region_name=region)
        if session.region_name is None:
            raise exceptions.NoRegionError
        if session.get_credentials() is None:
            raise exceptions.NoCredentialsError

    def of_aws(service: str) -> Any:
        make: Any = session.client  # its stubs know few services
        return make(service, config=_CONFIG)

    return DeployedStage(name, _read_outputs(name, of_aws, f"the region {session.region_name}"), of_aws, None)


def _read_outputs(name: str, client: Callable[[str], Any], where: str) -> dict[str, str]:
    outputs: dict[str, str] = {}
    with aws_errors():
        cloudformation = client("cloudformation")
        for part in NAMES:
            try:
                stack = cloudformation.describe_stacks(StackName=f"Gen3D-{name}-{part}")["Stacks"][0]
            except exceptions.ClientError as error:
                if error.response["Error"]["Code"] != "ValidationError":  # its word for a stack that is not there
                    raise
                continue
            outputs |= {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}
    if "PageUrl" not in outputs:
        message = f"There is no stage {name} in {where}: is it another region, or another account?"
        raise Gen3DError("stage_not_deployed", message)
    return outputs


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turns boto3's errors into ours. AWS's own message is left out: it may name the account and its roles.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`.
    """
    try:
        yield
    except exceptions.ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        asked = error.operation_name
        if status >= 500 or "Throttling" in code:
            raise Gen3DError("aws_unreachable", f"AWS answers {asked} with {code}, status {status}.") from None
        raise Gen3DError("aws_unusable", f"AWS refuses your identity {asked} ({code}, status {status}).") from None
    except credential_errors() as error:
        raise Gen3DError("aws_unusable", f"There are no usable AWS credentials here: {error}.") from None
    except exceptions.NoRegionError:
        message = "No AWS region is set: name it with --region, or set AWS_DEFAULT_REGION."
        raise Gen3DError("aws_unusable", message) from None
    except exceptions.InvalidRegionError as error:
        raise Gen3DError("aws_unusable", f"{error} Regions are called eu-central-1 and the like.") from None
    except (exceptions.BotoCoreError, ResponseParserError, ValueError) as error:
        # A ValueError is boto3's word for an address that is none.
        raise Gen3DError("aws_unreachable", f"AWS did not answer as it should: {error}") from None
