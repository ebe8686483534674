"""One endpoint: its instances come and go with its queue, and what they answer is delivered. Knows no HTTP server."""

import asyncio
import logging
import math
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

import httpx

from infra.local.async_endpoint.configuration import Configuration
from infra.local.async_endpoint.container import Container, is_ready
from infra.local.async_endpoint.invocation import Invocation, Result, failed
from infra.local.async_endpoint.queue import Queue, State
from infra.local.async_endpoint.results import UnreadableInputError, download, message, upload

log = logging.getLogger(__name__)

# How long nothing is looked at when nothing is known to have happened: clocks run out, containers become ready.
_LOOK_SECONDS = 0.05
_CHUNK_BYTES = 2**20
_SEE_LOGS = "See the SageMaker Endpoint logs in your account for more information."


@dataclass(frozen=True)
class Clients:
    """boto3's clients, with the addresses and credentials of whoever is to be seen as SageMaker.

    Attributes:
        sagemaker: Of the control plane.
        s3: Reads inputs, writes results.
        sns: Publishes messages.
    """

    sagemaker: Any
    s3: Any
    sns: Any


@dataclass(frozen=True)
class Scaling:
    """How an endpoint's instances come and go: from zero to all and back.

    Attributes:
        instances: How many there are while there is work.
        wake_seconds: How long a request waits at zero instances until they are started.
        idle_seconds: How long there must have been no work until they are stopped.
    """

    instances: int = 1
    wake_seconds: float = 0.0
    idle_seconds: float = math.inf


@dataclass(eq=False)
class _Instance:
    container: Container
    is_in_service: bool = False
    running: set["asyncio.Task[None]"] = field(default_factory=set)


class Endpoint:
    """Works off the requests of one endpoint in its queue, from `start` to `stop`, on one event loop.

    Args:
        name: The endpoint's name.
        queue: Where its requests are.
        clients: S3 and SNS.
        configuration: How it is set up now; assigned anew when that changes.
        make_container: Makes what an instance runs.
        scaling: When it has instances.
        retry_seconds: The pauses between attempts to deliver a result.
        now: The seconds since 1970.
    """

    def __init__(
        self,
        name: str,
        queue: Queue,
        clients: Clients,
        configuration: Configuration,
        make_container: Callable[[], Container],
        scaling: Scaling,
        retry_seconds: Sequence[float],
        now: Callable[[], float],
    ) -> None:
        self.name = name
        self.configuration = configuration
        self._queue = queue
        self._clients = clients
        self._make_container = make_container
        self._scaling = scaling
        self._retry_seconds = retry_seconds
        self._now = now
        self._empty_since = now()
        self._news = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._instances: dict[_Instance, asyncio.Task[None]] = {}
        self._leaving: asyncio.Task[None] | None = None
        self._deliveries: set[asyncio.Task[None]] = set()
        # The containers' addresses are on this machine: no proxy of the environment knows them. Each use has a limit.
        self._http = httpx.AsyncClient(timeout=None, trust_env=False, limits=_NO_REUSE)  # noqa: S113

    def start(self) -> None:
        """Begins to work, with the delivery of what had a result before."""
        for invocation, result, state in self._queue.finished(self.name):
            self._deliver(invocation, result, state)
        self._keeper = self._begin(self._keep())

    async def stop(self) -> None:
        """Ends all work and all containers; what has not ended stays in the queue as it is."""
        if self._keeper is not None:
            await _end(self._keeper)
        self._scale_in()
        if self._leaving is not None:
            await self._leaving
        await _end(*self._deliveries)
        await self._http.aclose()

    def look(self) -> None:
        """Something has happened: a new request, say."""
        self._news.set()
        self._news = asyncio.Event()

    def state(self) -> dict[str, int | float]:
        """How many requests and instances there are, and the metrics that SageMaker would make of it.

        https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html
        """
        counts = self._queue.count(self.name)
        instances = sum(instance.is_in_service for instance in self._instances)
        # What is queued "or currently being processed"; storing and telling are part of the processing.
        backlog = sum(counts.values())
        metrics: dict[str, int | float] = {
            "ApproximateBacklogSize": backlog,
            "HasBacklogWithoutCapacity": int(counts["waiting"] > 0 and instances == 0),
        }
        if instances:
            metrics["ApproximateBacklogSizePerInstance"] = backlog / instances
        return {
            "queued": counts["waiting"],
            "running": counts["running"],
            "delivering": counts["storing"] + counts["notifying"],
            "instances": instances,
            **metrics,
        }

    async def _keep(self) -> None:
        """Ends requests whose time is up, and lets instances come and go."""
        idle_since = self._now()
        while True:
            try:
                idle_since = await self._look_after(idle_since)
            except Exception:  # one turn's defect must not be the endpoint's end
                log.exception("the local endpoint has a defect", extra={"endpoint": self.name})
            await self._pause()

    async def _look_after(self, idle_since: float) -> float:
        """One turn of it; since when there has been nothing to do."""
        now = self._now()
        for invocation in self._queue.expired(self.name, now):
            log.warning("a request has expired", extra=_about(invocation))
            self._finish(
                invocation,
                failed(f"The request waited longer than its RequestTTLSeconds, {invocation.asked.ttl_seconds}."),
            )
        oldest = self._queue.oldest(self.name)
        if oldest is not None or self._queue.count(self.name)["running"]:
            idle_since = now
        if self._instances and now - idle_since >= self._scaling.idle_seconds:
            self._empty_since = now
            self._scale_in()
        # Those that leave must have gone: what is made for the next ones may have been theirs.
        is_empty = not self._instances and (self._leaving is None or self._leaving.done())
        if is_empty and oldest is not None:
            lacking_since = max(oldest.received, self._empty_since)
            if now - lacking_since >= self._scaling.wake_seconds:
                self._scale_out()
        return idle_since

    def _scale_out(self) -> None:
        log.info("starting instances", extra={"endpoint": self.name, "instances": self._scaling.instances})
        for _ in range(self._scaling.instances):
            instance = _Instance(self._make_container())
            self._instances[instance] = self._begin(self._run(instance))

    def _scale_in(self) -> None:
        """Has all instances leave; containers take their time, in which other clocks run on."""
        if self._instances:
            log.info("stopping instances", extra={"endpoint": self.name, "instances": len(self._instances)})
            instances, self._instances = self._instances, {}
            self._leaving = self._begin(_stop(instances))

    async def _run(self, instance: _Instance) -> None:
        """Gives the instance one request after the other, as many at a time as it may have."""
        try:
            while True:
                try:
                    await self._give_work(instance)
                except Exception:  # as in `_keep`
                    log.exception("the local endpoint has a defect", extra={"endpoint": self.name})
                    await self._pause()
        finally:
            instance.is_in_service = False
            await _end(*instance.running)

    async def _give_work(self, instance: _Instance) -> None:
        """One request, where there is one and the instance may have it."""
        has_work = self._queue.count(self.name)["waiting"] and (len(instance.running) < self.configuration.concurrency)
        # Asked before each request, so that a container that has died meanwhile costs none.
        if has_work or not instance.is_in_service:
            instance.is_in_service = await self._is_ready(instance)
        if not (has_work and instance.is_in_service):
            await self._pause()
            return
        invocation = self._queue.take(self.name, self._now())
        if invocation is not None:
            task = self._begin(self._perform(invocation, instance.container.address))
            instance.running.add(task)
            task.add_done_callback(instance.running.discard)
            task.add_done_callback(lambda _: self.look())

    async def _is_ready(self, instance: _Instance) -> bool:
        try:
            instance.container.start()
        except OSError as error:
            log.error("a container could not be started", extra={"endpoint": self.name, "reason": str(error)})
            return False
        return await is_ready(self._http, instance.container)

    async def _perform(self, invocation: Invocation, address: str) -> None:
        log.info("a request begins", extra=_about(invocation))
        try:
            result = await self._ask(invocation, address)
        except Exception:  # whatever it is, the request must end
            log.exception("a request could not be worked on", extra=_about(invocation))
            self._queue.body(invocation.key).unlink(missing_ok=True)
            result = failed("The local endpoint has a defect; its log holds the details.")
        self._finish(invocation, result)

    async def _ask(self, invocation: Invocation, address: str) -> Result:
        """What the container makes of the input; its answer's body is in the request's file then."""
        asked = invocation.asked
        # Whoever cancels this does not end the thread: it must not meet the file of the next attempt.
        with tempfile.NamedTemporaryFile(dir=self._queue.folder, suffix=".input") as file:
            try:
                size = await asyncio.to_thread(download, self._clients.s3, asked.input_location, file)
            except UnreadableInputError as error:
                return failed(f"The input could not be downloaded: {error}.")
            file.seek(0)
            try:
                async with (
                    asyncio.timeout(asked.timeout_seconds),
                    self._http.stream(
                        "POST",
                        f"{address}/invocations",
                        headers=_headers(invocation, size),
                        content=_chunks(file),
                    ) as answer,
                ):
                    with self._queue.body(invocation.key).open("wb") as body:
                        async for chunk in answer.aiter_raw():
                            body.write(chunk)
            except TimeoutError:
                told = f"The container did not answer within InvocationTimeoutSeconds, {asked.timeout_seconds}."
            except httpx.TransportError as error:
                told = f"The container did not answer: {type(error).__name__}."
            else:
                content_type = answer.headers.get("Content-Type")
                if answer.status_code == httpx.codes.OK:
                    return Result("Completed", content_type)
                # The words of messages that people have received and published.
                kind = "client" if 400 <= answer.status_code < 500 else "server"
                return failed(f"Received {kind} error ({answer.status_code}) from model. {_SEE_LOGS}", content_type)
        self._queue.body(invocation.key).unlink(missing_ok=True)
        return failed(f"{told} {_SEE_LOGS}")

    def _finish(self, invocation: Invocation, result: Result) -> None:
        body = self._queue.body(invocation.key)
        if result.reason is not None and not body.exists():
            body.write_text(result.reason)
        self._queue.finish(invocation.key, result)
        self._deliver(invocation, result, "storing")

    def _deliver(self, invocation: Invocation, result: Result, state: State) -> None:
        task = self._begin(self._store_and_tell(invocation, result, state))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _store_and_tell(self, invocation: Invocation, result: Result, state: State) -> None:
        key, s3, sns = invocation.key, self._clients.s3, self._clients.sns
        body = self._queue.body(key)
        if state == "storing":
            if result.status == "Completed" and not await self._persist(
                "store the answer of", invocation, upload, s3, invocation.output_location, body, result.content_type
            ):
                result = failed("The answer could not be uploaded.")
                body.write_text(f"{result.reason} {_SEE_LOGS}")
                self._queue.finish(key, result)
            if result.status == "Failed" and invocation.failure_location is not None:
                await self._persist(
                    "store the failure of",
                    invocation,
                    upload,
                    s3,
                    invocation.failure_location,
                    body,
                    result.content_type,
                )
            self._queue.note_stored(key)
        configuration = invocation.configuration
        topic = configuration.success_topic if result.status == "Completed" else configuration.error_topic
        if topic is not None:
            text = message(invocation, result, self._now())
            await self._persist("tell of", invocation, _publish, sns, topic, text)
        self._queue.remove(key)
        log.info("a request has ended", extra={**_about(invocation), "status": result.status, "reason": result.reason})

    async def _persist(self, what: str, invocation: Invocation, call: Callable[..., None], *arguments: Any) -> bool:
        """Calls AWS in a thread, again and again for a while; whether it went well."""
        from botocore.exceptions import BotoCoreError, ClientError

        for pause in (*self._retry_seconds, None):
            try:
                await asyncio.to_thread(call, *arguments)
            except (BotoCoreError, ClientError, OSError, ValueError) as error:
                told = {**_about(invocation), "reason": str(error)}
                if pause is None:
                    log.error(f"gave up to {what} a request", extra=told)
                    return False
                log.warning(f"could not {what} a request yet", extra=told)
                await asyncio.sleep(pause)
            else:
                return True
        raise AssertionError("the last pause is None")

    async def _pause(self) -> None:
        # Not asyncio.wait_for, which up to Python 3.11 may swallow that it is cancelled.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._news.wait()

    def _begin(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_tell_death)
        return task


# A container may close a connection that it has not used for a while, just when the next request is on its way.
_NO_REUSE = httpx.Limits(max_keepalive_connections=0)


def _headers(invocation: Invocation, size: int) -> Mapping[str, str]:
    asked = invocation.asked
    passed = {
        "Content-Type": asked.content_type,
        "Accept": asked.accept,
        "X-Amzn-SageMaker-Custom-Attributes": asked.custom_attributes,
        "X-Amzn-SageMaker-Inference-Id": invocation.inference_id,
        "Content-Length": str(size),
        # The answer is stored as it comes, and nobody would undo a compression.
        "Accept-Encoding": "identity",
    }
    return {name: value for name, value in passed.items() if value is not None}


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _publish(sns: Any, topic: str, text: str) -> None:
    sns.publish(TopicArn=topic, Message=text)


def _about(invocation: Invocation) -> dict[str, str]:
    return {"endpoint": invocation.asked.endpoint, "inference_id": invocation.inference_id, "key": invocation.key}


async def _stop(instances: Mapping[_Instance, "asyncio.Task[None]"]) -> None:
    await _end(*instances.values())
    await asyncio.gather(*(instance.container.stop() for instance in instances))


async def _end(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _tell_death(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the local endpoint has a defect", exc_info=error)
