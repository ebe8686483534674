"""Whose AWS a stage is deployed to, and in which region; and what a cloud that stands for AWS lacks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import boto3
from botocore import exceptions
from botocore.config import Config

from infra.operator.stage import aws_errors

# No longer than a person would wait.
_CONFIG: Final = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})


@dataclass(frozen=True)
class Account:
    """An AWS account in a region, as an identity sees it.

    Attributes:
        number: Its twelve digits.
        region: Where the stage is, or goes.
        identity: The ARN of who deploys.
        client: Makes a boto3 client of a service, by its name.
        missing: Services of AWS that this cloud has not, or has and does nothing with. In AWS none is missing, so that
            no step is ever left out there; what is left out in another cloud is said.
    """

    number: str
    region: str
    identity: str
    client: Callable[[str], Any]
    missing: frozenset[str] = frozenset()

    def has(self, service: str) -> bool:
        """Whether a service can be asked."""
        return service not in self.missing


def find_account(region: str | None) -> Account:
    """The account of the environment's credentials, as boto3 finds them.

    Args:
        region: The AWS region; that of the environment where absent.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`.
    """
    with aws_errors():
        session = boto3.session.Session(region_name=region)
        if session.region_name is None:
            raise exceptions.NoRegionError
        if session.get_credentials() is None:
            raise exceptions.NoCredentialsError

        @cache  # making one takes longer than most calls
        def client(service: str) -> Any:
            make: Any = session.client  # its stubs know few services
            return make(service, config=_CONFIG)

        who = client("sts").get_caller_identity()
    return Account(who["Account"], session.region_name, who["Arn"], client)
