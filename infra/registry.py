"""One repository of Amazon ECR: whether it is there, what it holds, who may push. Knows no Docker.

AWS's address, credentials and profile come from the environment, as boto3 takes them. The identity needs
`ecr:GetAuthorizationToken`, and on the repository `ecr:DescribeRepositories`, `ecr:DescribeImages` and what a push
takes: `ecr:BatchCheckLayerAvailability`, `ecr:BatchGetImage`, `ecr:InitiateLayerUpload`, `ecr:UploadLayerPart`,
`ecr:CompleteLayerUpload` and `ecr:PutImage`.
Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from serve.errors import Gen3DError
from serve.s3 import credential_errors

# Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
_NAME = r"(?P<name>(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*)"
_ECR = re.compile(
    r"(?P<registry>(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.(?:com|com\.cn|eu))/"
    + _NAME
)
# A cloud of one's own on this machine, in AWS's place.
_LOCAL = re.compile(r"(?P<registry>(?:127\.0\.0\.1|localhost):\d{1,5})/" + _NAME)


class Pushed(NamedTuple):
    """An image in a repository.

    Attributes:
        digest: Of its manifest: `sha256:…`.
        media_type: Of its manifest.
    """

    digest: str
    media_type: str


@dataclass(frozen=True)
class Repository:
    """A repository, which may not be there.

    Attributes:
        registry: The address of the registry, as Docker takes it.
        name: The repository's name in it.
        account: The AWS account it is in; None in a local cloud.
        region: Its region; None in a local cloud, which takes AWS_DEFAULT_REGION.
    """

    registry: str
    name: str
    account: str | None
    region: str | None

    @classmethod
    def parse(cls, text: str) -> "Repository":
        """Of the address that ECR shows for it.

        Raises:
            Gen3DError: `repository_invalid`.
        """
        parts = _ECR.fullmatch(text) or _LOCAL.fullmatch(text)
        if parts is None or not 2 <= len(parts["name"]) <= 256:
            raise Gen3DError(
                "repository_invalid",
                "A repository is ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME, without https:// and without a tag, not"
                f" {text!r}.",
            )
        found = parts.groupdict()
        # Else the real AWS's password would be sent to whatever listens there.
        if "account" not in found and not {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR"} & os.environ.keys():
            raise Gen3DError(
                "repository_invalid",
                f"'{text}' is on this machine: let AWS_ENDPOINT_URL name the local cloud that has it.",
            )
        return cls(found["registry"], found["name"], found.get("account"), found.get("region"))

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"

    def check(self) -> None:
        """Raises where there are no credentials, or no such repository.

        Raises:
            Gen3DError: `registry_refused`, `registry_unreachable` or `repository_missing`.
        """
        with self._errors():
            self._client.describe_repositories(repositoryNames=[self.name], **self._of_account)

    def find(self, tag: str) -> Pushed | None:
        """The image of this tag; None where there is none.

        Raises:
            Gen3DError: Those of `check`.
        """
        from botocore.exceptions import ClientError

        with self._errors():
            try:
                found = self._client.describe_images(
                    repositoryName=self.name, imageIds=[{"imageTag": tag}], **self._of_account
                )["imageDetails"]
            except ClientError as error:
                if error.response["Error"]["Code"] != "ImageNotFoundException":
                    raise
                found = []
            return Pushed(found[0]["imageDigest"], found[0]["imageManifestMediaType"]) if found else None

    def authorization(self) -> str:
        """User and password for the registry, joined by a colon, in base64. It holds for twelve hours.

        Raises:
            Gen3DError: Those of `check`.
        """
        with self._errors():
            answer = self._client.get_authorization_token()
            return str(answer["authorizationData"][0]["authorizationToken"])

    @cached_property
    def _client(self) -> Any:
        # Imported here because it takes long, and --help need not wait for it.
        import boto3
        from botocore.config import Config
        from botocore.exceptions import NoCredentialsError

        session = boto3.session.Session(region_name=self.region)
        if session.get_credentials() is None:
            raise NoCredentialsError
        config = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard"})
        return session.client("ecr", config=config)

    @property
    def _of_account(self) -> dict[str, str]:
        return {"registryId": self.account} if self.account else {}

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns boto3's errors into ours. AWS's own message is left out: it may name the account and its roles."""
        from botocore import exceptions
        from botocore.parsers import ResponseParserError

        try:
            yield
        except exceptions.ClientError as error:
            name = error.response["Error"]["Code"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status >= 500 or "Throttling" in name:
                raise Gen3DError("registry_unreachable", f"'{self}': ECR answers {name}, status {status}.") from None
            if name == "RepositoryNotFoundException":
                region = f" --region {self.region}" if self.region else ""
                raise Gen3DError(
                    "repository_missing",
                    f"There is no repository '{self}'. This makes it: aws ecr create-repository --repository-name"
                    f" {self.name} --image-tag-mutability IMMUTABLE{region}",
                ) from None
            raise Gen3DError(
                "registry_refused",
                f"'{self}': ECR refuses your AWS identity, which needs ecr:GetAuthorizationToken,"
                " ecr:DescribeRepositories, ecr:DescribeImages and what a push takes"
                f" (ECR says {name}, status {status}).",
            ) from None
        except credential_errors() as error:
            raise Gen3DError("registry_refused", f"There are no usable AWS credentials here: {error}.") from None
        except exceptions.NoRegionError:
            raise Gen3DError("registry_refused", f"'{self}': set AWS_DEFAULT_REGION, for its name says none.") from None
        except (exceptions.BotoCoreError, ResponseParserError, ValueError) as error:
            # A ValueError is boto3's word for an AWS_ENDPOINT_URL that is no address.
            raise Gen3DError("registry_unreachable", f"'{self}': {_failure(error)}") from None


def _failure(error: Exception) -> str:
    from botocore.exceptions import HTTPClientError

    # Not its subclasses: they are failures of the connection. This one may quote a header, and in it a credential.
    if type(error) is HTTPClientError:
        return "the request could not be sent; do the AWS_ variables hold line breaks?"
    return f"ECR did not answer as it should: {error}"
