"""The whole service on one machine: cloud, templates, container, page's address, users. Knows no command line."""

import asyncio
import math
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from infra.local.async_endpoint.container import ProcessContainer
from infra.local.async_endpoint.endpoint import Clients, Scaling
from infra.local.async_endpoint.server import serving
from infra.local.async_endpoint.service import AsyncInference
from infra.local.cloud import ACCOUNT, Cloud, Keys, running_cloud
from infra.local.front import create_front, serving_front
from infra.local.installation import STAGE, container_keys, install, page_keys
from infra.local.processes import check_free, free_ports, undisturbed
from infra.page import PageConfig, publish_page
from serve.errors import Gen3DError

_CHECKOUT: Final = Path(__file__).parents[2]
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Ports:
    """Where on 127.0.0.1 what listens.

    Attributes:
        page: The page and the API.
        cloud: S3, Cognito and all the rest of ministack.
        endpoint: The asynchronous endpoint.
    """

    page: int
    cloud: int
    endpoint: int


@dataclass(frozen=True)
class User:
    """Somebody who can sign in."""

    email: str
    password: str


@dataclass(frozen=True)
class Stage:
    """What runs.

    Attributes:
        page: The address of the page and the API, without a slash at the end.
        endpoint: The address of the asynchronous endpoint.
        cloud: What stands for AWS.
        outputs: Those of the three stacks that were deployed to it, by name.
        container: The keys of whoever has the rights of the endpoint's role, and no others.
        folder: Logs, and what is kept.
        engine: What makes the objects.
        server: `gen3d serve`, which the endpoint's instance runs.
    """

    page: str
    endpoint: str
    cloud: Cloud
    outputs: dict[str, str]
    container: Keys
    folder: Path
    engine: str
    server: ProcessContainer

    def check(self) -> None:
        """Raises where a program of it has ended that nobody starts again.

        Raises:
            Gen3DError: `local_cloud_failed`.
        """
        self.cloud.check()
        self.server.check()

    def add_user(self, email: str) -> User:
        """Lets somebody sign in, whose address counts as verified; a user who is there gets a new password."""
        cognito, pool = self.cloud.client("cognito-idp"), self.outputs["UserPoolId"]
        user = User(email, f"Aa1-{secrets.token_hex(8)}")
        with suppress(cognito.exceptions.UsernameExistsException):
            cognito.admin_create_user(
                UserPoolId=pool,
                Username=email,
                MessageAction="SUPPRESS",
                UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
            )
        cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=user.password, Permanent=True)
        return user

    def publish_page(self, dist: Path) -> None:
        """Puts the page, as `build_page` has made it, to where the front reads it."""
        config = PageConfig(STAGE, self.cloud.address, self.outputs["UserPoolClientId"], self.engine)
        publish_page(self.cloud.client("s3"), self.outputs["BucketName"], dist, config)

    def token(self, user: User) -> str:
        """The ID token that the API wants of this user."""
        answer = self.cloud.client("cognito-idp").initiate_auth(
            ClientId=self.outputs["UserPoolClientId"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": user.email, "PASSWORD": user.password},
        )
        return str(answer["AuthenticationResult"]["IdToken"])


@contextmanager
def running_stage(
    folder: Path,
    ports: Ports | None = None,
    *,
    engine: str = "preview",
    is_kept: bool = False,
    scaling: Scaling = Scaling(),  # noqa: B008 (it cannot be changed)
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Stage]:
    """Has the service run meanwhile; at the end there is no process left.

    Args:
        folder: For logs, the endpoint's queue, and what is kept; made if absent.
        ports: Where to listen; free ports where absent. What is kept holds addresses: it wants the same ports again.
        engine: `preview`, or `sam3d`, which reads its weights where `GEN3D_WEIGHTS` says.
        is_kept: Whether jobs and users are kept in the folder, and found there again.
        scaling: When the engine runs. It is started once in any case, to see that it can be; where it is to end without
            work, it is ended then.
        tell: Is told what is under way, in one line.

    Raises:
        Gen3DError: `port_unavailable`, `local_cloud_failed`, `deployment_failed`; or what the engine fails with.
    """
    ports = Ports(*free_ports(3)) if ports is None else ports
    check_free((ports.page, ports.cloud, ports.endpoint))  # first of all, not after a minute's work
    lambdas = {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"http://127.0.0.1:{ports.endpoint}"}
    origin = f"http://127.0.0.1:{ports.page}"
    tell("starting the local cloud")
    with running_cloud(folder, port=ports.cloud, is_kept=is_kept, lambdas=lambdas) as cloud:
        outputs = install(cloud, origin, engine, tell)
        keys = container_keys(cloud)
        tell(f"starting the engine {engine}")
        with _container(cloud, keys, outputs["EndpointConfigName"], folder) as container:
            if scaling.idle_seconds < math.inf:
                asyncio.run(container.stop())
            clients = Clients(cloud.client("sagemaker"), cloud.client("s3", keys), cloud.client("sns", keys))
            service = AsyncInference(folder / "queue", clients, lambda _: container, account=ACCOUNT, scaling=scaling)
            front = create_front(cloud, outputs, page_keys(cloud, outputs["BucketName"]))
            with serving(service, ports.endpoint) as endpoint, serving_front(front, ports.page) as page:
                yield Stage(page, endpoint, cloud, outputs, keys, folder, engine, container)


@contextmanager
def _container(cloud: Cloud, keys: Keys, configuration: str, folder: Path) -> Iterator[ProcessContainer]:
    """`gen3d serve`, ready, with the variables that the template gives the container and the endpoint's rights."""
    # The operator's own, for a GPU, say; but not who they are for AWS, nor their proxy for what is on this machine.
    operator = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEMAKER_"))}
    environment = {
        **operator,
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(_CHECKOUT),
        **_template_environment(cloud.client("sagemaker"), configuration),
        **cloud.environment(keys),
    }
    log = folder / "container.log"
    command = [sys.executable, "-m", "gen3d", "serve", "--host", "127.0.0.1", "--port"]
    container = ProcessContainer(lambda port: [*command, str(port)], log, environment)
    try:
        with undisturbed():
            container.start()
        _wait_until_ready(container, log)
        yield container
    finally:
        # Where the endpoint has stopped it already, there is nothing to do.
        asyncio.run(container.stop())


def _template_environment(sagemaker: Any, configuration: str) -> dict[str, str]:
    variant = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)["ProductionVariants"][0]
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    return dict(model["PrimaryContainer"]["Environment"])


def _wait_until_ready(container: ProcessContainer, log: Path) -> None:
    """As long as the engine says that it loads; loading weights takes what it takes."""
    address = container.address
    while True:
        with suppress(httpx.TransportError):  # it does not listen yet
            answer = httpx.get(f"{address}/ping", timeout=5, trust_env=False)
            if answer.is_success:
                return
            error = answer.json()["error"]
            if error["code"] != "loading":
                raise Gen3DError("engine_failed", f"{error['message']} (its log: {log})")
        with undisturbed():
            container.start()
        if container.address != address:  # it was started anew
            raise Gen3DError("local_cloud_failed", f"The server of the engine ended while it started. Its log: {log}")
        time.sleep(_LOOK_SECONDS)
