"""All endpoints behind one address: takes calls, keeps the queue. Knows no HTTP."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from infra.local.async_endpoint.configuration import (
    Configuration,
    NoEndpointError,
    NotPlayedError,
    read_configuration,
)
from infra.local.async_endpoint.container import Container
from infra.local.async_endpoint.endpoint import Clients, Endpoint, Scaling
from infra.local.async_endpoint.invocation import Asked, Invocation, RefusedError, read_call, validation_error
from infra.local.async_endpoint.queue import Queue

log = logging.getLogger(__name__)

# A minute in all.
RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class AsyncInference:
    """SageMaker's asynchronous inference, of one account.

    Between `start` and `stop`, which are for an event loop, it owns the folder, and the containers that it starts.

    Args:
        folder: Where the queue is kept, over restarts too.
        clients: SageMaker's control plane, S3 and SNS.
        make_container: Makes what an instance of the endpoint of this name runs; called once for each instance.
        account: The account's number, for AWS's words.
        scaling: When endpoints have instances.
        retry_seconds: The pauses between attempts to deliver a result.
        now: The seconds since 1970; by it requests expire and instances come and go.
    """

    def __init__(
        self,
        folder: Path,
        clients: Clients,
        make_container: Callable[[str], Container],
        *,
        account: str,
        scaling: Scaling = Scaling(),  # noqa: B008 (it cannot be changed)
        retry_seconds: Sequence[float] = RETRY_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._clients = clients
        self._make_container = make_container
        self._account = account
        self._scaling = scaling
        self._retry_seconds = retry_seconds
        self._now = now
        self._endpoints: dict[str, Endpoint] = {}
        self._queue: Queue | None = None

    async def start(self) -> None:
        """Takes the queue up where it was left.

        Raises:
            sqlite3.OperationalError: Another process has the folder, or it cannot be written.
        """
        self._queue = Queue(self._folder)
        for name, invocation in self._queue.newest().items():
            self._endpoint(name, invocation.configuration)

    async def stop(self) -> None:
        """Ends all containers and lets go of the folder. What has not ended stays there."""
        try:
            await asyncio.gather(*(endpoint.stop() for endpoint in self._endpoints.values()))
        finally:
            self._endpoints.clear()
            if self._queue is not None:
                self._queue.close()
                self._queue = None

    async def invoke(self, name: str, headers: Mapping[str, str], *, has_body: bool) -> Invocation:
        """Accepts a call of InvokeEndpointAsync; when this returns, the request is on the disk.

        Args:
            name: The endpoint's name.
            headers: The call's HTTP headers.
            has_body: Whether it has a body.

        Raises:
            RefusedError: In AWS's words.
        """
        asked = read_call(name, headers, has_body=has_body)
        configuration = await self._configuration(name)
        if self._queue is None:
            raise RefusedError(503, "ServiceUnavailable", "The local endpoint is stopping.")
        invocation = self._make(asked, configuration)
        self._queue.add(invocation)
        endpoint = self._endpoint(name, configuration)
        endpoint.configuration = configuration
        endpoint.look()
        log.info(
            "a request is queued",
            extra={"endpoint": name, "inference_id": invocation.inference_id, "key": invocation.key},
        )
        return invocation

    async def state(self, name: str) -> Mapping[str, int | float]:
        """How many requests and instances the endpoint has; see `Endpoint.state`.

        Raises:
            RefusedError: There is no such endpoint.
        """
        if name not in self._endpoints:
            self._endpoint(name, await self._configuration(name))
        return self._endpoints[name].state()

    async def _configuration(self, name: str) -> Configuration:
        """Read anew each time, so that an update of the endpoint takes effect with the next request."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return await asyncio.to_thread(read_configuration, self._clients.sagemaker, name)
        except NoEndpointError:
            raise validation_error(f"Endpoint {name} of account {self._account} not found.") from None
        except NotPlayedError as error:
            raise validation_error(str(error)) from None
        except (BotoCoreError, ClientError) as error:
            log.error("the control plane did not answer", extra={"endpoint": name, "reason": str(error)})
            raise RefusedError(503, "ServiceUnavailable", "SageMaker's control plane does not answer.") from None

    def _make(self, asked: Asked, configuration: Configuration) -> Invocation:
        key = str(uuid.uuid4())
        given = asked.inference_id
        return Invocation(key, given if given is not None else str(uuid.uuid4()), self._now(), asked, configuration)

    def _endpoint(self, name: str, configuration: Configuration) -> Endpoint:
        if name not in self._endpoints:
            if self._queue is None:
                raise RefusedError(503, "ServiceUnavailable", "The local endpoint is stopping.")
            endpoint = Endpoint(
                name,
                self._queue,
                self._clients,
                configuration,
                lambda: self._make_container(name),
                self._scaling,
                self._retry_seconds,
                self._now,
            )
            self._endpoints[name] = endpoint
            endpoint.start()
        return self._endpoints[name]
