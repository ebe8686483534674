"""A cloud on 127.0.0.1: ministack, which checks who asks, and moto behind it for SageMaker. Knows no template."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config

from infra.local.processes import Program, answers, free_ports, running

REGION: Final = "eu-central-1"
# The number of AWS's examples: ministack and moto agree on it.
ACCOUNT: Final = "123456789012"
# What moto does; all else is ministack's.
_AT_MOTO: Final = ("sagemaker", "application-autoscaling")


@dataclass(frozen=True)
class Keys:
    """An AWS access key."""

    id: str
    secret: str

    def environment(self) -> dict[str, str]:
        """As boto3 finds it."""
        return {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}


# ministack takes this one for the account's root, with any secret.
ROOT_KEYS: Final = Keys("test", "test")


@dataclass(frozen=True)
class Cloud:
    """A running cloud.

    Attributes:
        address: Where ministack answers: `http://127.0.0.1:PORT`.
        moto: Where moto answers.
        programs: What runs for it; empty where another process has them.
    """

    address: str
    moto: str
    programs: tuple[Program, ...] = ()

    def check(self) -> None:
        """Raises where a program of it has ended.

        Raises:
            Gen3DError: `local_cloud_failed`.
        """
        for program in self.programs:
            program.check()

    def client(self, service: str, keys: Keys = ROOT_KEYS) -> Any:
        """A boto3 client, of the account's root unless told otherwise."""
        make: Any = boto3.client  # its stubs know few services
        return make(
            service,
            endpoint_url=self.moto if service in _AT_MOTO else self.address,
            region_name=REGION,
            aws_access_key_id=keys.id,
            aws_secret_access_key=keys.secret,
            config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 3}),
        )

    def environment(self, keys: Keys) -> dict[str, str]:
        """What a process needs to act in the cloud as whose keys these are."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            **keys.environment(),
        }


def ministack_environment(folder: Path, port: int) -> dict[str, str]:
    """The environment of a ministack on 127.0.0.1 that keeps to itself: no Docker, no profile of AWS, no other ports.

    Args:
        folder: Its home; must exist.
        port: Where it listens.
    """
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": f"unix://{folder}/no-docker",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # Also what is not kept: the keys that sign users' tokens are written there as soon as there is a pool.
        "STATE_DIR": str(folder / "state"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@contextmanager
def running_cloud(
    folder: Path, *, port: int | None = None, is_kept: bool = False, lambdas: Mapping[str, str] | None = None
) -> Iterator[Cloud]:
    """Has a cloud run meanwhile.

    Args:
        folder: Its files: logs, and what it keeps; made if absent.
        port: Where ministack listens; a free port where absent.
        is_kept: Whether what is in the cloud is kept in the folder, and found there again.
        lambdas: Environment variables that every Lambda gets besides its own.

    Raises:
        Gen3DError: `local_cloud_failed`: it did not start; the message has why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own, behind = free_ports(2)
    cloud = Cloud(f"http://127.0.0.1:{own if port is None else port}", f"http://127.0.0.1:{behind}")
    environment = {
        **ministack_environment(folder, own if port is None else port),
        "GEN3D_MOTO": cloud.moto,
        **(lambdas or {}),
    }
    if is_kept:
        environment |= {
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(folder / "s3"),
        }
    # By its path, and with nothing of this checkout importable: Lambdas find their zip's packages and no others.
    program = [sys.executable, "-P", str(Path(__file__).with_name("sagemaker_types.py"))]
    moto = [sys.executable, "-P", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(behind)]
    own_environment = {name: environment[name] for name in ("PATH", "HOME", "TMPDIR")}
    with (
        running("moto", moto, own_environment, folder, lambda: answers(f"{cloud.moto}/moto-api/data.json")) as first,
        running(
            "ministack", program, environment, folder, lambda: answers(f"{cloud.address}/_ministack/health")
        ) as second,
    ):
        yield replace(cloud, programs=(first, second))
