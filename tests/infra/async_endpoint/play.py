"""What the tests of the async endpoint play with: a local S3, SNS and SQS, a control plane, containers, a clock."""

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local.async_endpoint.container import Container
from infra.local.async_endpoint.endpoint import Clients, Scaling
from infra.local.async_endpoint.server import serving
from infra.local.async_endpoint.service import AsyncInference
from infra.local.cloud import ACCOUNT
from tests.ministack import running_ministack

REGION: Final = "eu-central-1"

ENDPOINT: Final = "Gen3D-test"


def wait_until(is_so: Callable[[], object]) -> None:
    for _ in range(6000):
        if is_so():
            return
        time.sleep(0.01)
    pytest.fail("It never came about.")


@dataclass(frozen=True)
class Cloud:
    """A running local cloud: S3, SNS and SQS."""

    address: str

    @cached_property
    def clients(self) -> dict[str, Any]:
        """Those of its own services; made once, for that takes long."""
        return {service: self.client(service) for service in ("s3", "sns", "sqs")}

    def client(self, service: str, address: str | None = None) -> Any:
        """A client that may do everything, of the cloud or of what listens at another address."""
        make: Any = boto3.client  # its stubs know few services
        return make(
            service,
            endpoint_url=address or self.address,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
        )


@contextmanager
def local_cloud(folder: Path) -> Iterator[Cloud]:
    with running_ministack(folder, SERVICES="s3,sns,sqs,iam,sts") as address:
        cloud = Cloud(address)
        yield cloud
        for client in cloud.clients.values():
            client.close()


@dataclass
class ControlPlane:
    """SageMaker's two descriptions, as a boto3 client gives them.

    Attributes:
        output: `OutputConfig` of the one endpoint.
        concurrency: Its `MaxConcurrentInvocationsPerInstance`.
        status: Its `EndpointStatus`.
        is_asynchronous: Whether its configuration is one for asynchronous inference.
    """

    output: dict[str, Any]
    concurrency: int = 1
    status: str = "InService"
    is_asynchronous: bool = True

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 (boto3's name)
        if EndpointName != ENDPOINT:
            arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{EndpointName}"
            message = f'Could not find endpoint "{arn}".'
            raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "DescribeEndpoint")
        return {
            "EndpointArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{EndpointName.lower()}",
            "EndpointConfigName": "configuration",
            "EndpointStatus": self.status,
        }

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:  # noqa: N803
        assert EndpointConfigName == "configuration"
        if not self.is_asynchronous:
            return {"ProductionVariants": []}
        client = {"MaxConcurrentInvocationsPerInstance": self.concurrency}
        return {"AsyncInferenceConfig": {"ClientConfig": client, "OutputConfig": self.output}}


class Clock:
    """The time in seconds since 1970; it stands still."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@dataclass(frozen=True)
class Call:
    """What a container was sent."""

    headers: Mapping[str, str]
    body: bytes


class DeathError(Exception):
    """The container dies over a request."""


@dataclass
class Model:
    """What the containers of a test have in common.

    Attributes:
        answer: Makes status, headers and body of the answer to a call.
        ping: What `/ping` says.
        calls: What was sent, in the order of its arrival.
        most_at_once: How many calls one container has had at the same time.
        containers: Those that were made.
    """

    answer: Callable[[Call], tuple[int, Mapping[str, str], bytes]]
    ping: int = 200
    calls: list[Call] = field(default_factory=list)
    most_at_once: int = 0
    containers: list["TestedContainer"] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def make_container(self, name: str) -> Container:
        assert name == ENDPOINT
        container = TestedContainer(self)
        self.containers.append(container)
        return container

    @property
    def bodies(self) -> list[bytes]:
        return [call.body for call in self.calls]

    @property
    def running(self) -> int:
        return sum(container.is_running for container in self.containers)


class TestedContainer:
    """A small HTTP server in threads of this process."""

    __test__ = False

    def __init__(self, model: Model) -> None:
        self.address = ""
        self.failures = 0
        self.starts = 0
        self._model = model
        self._server: ThreadingHTTPServer | None = None

    @property
    def is_running(self) -> bool:
        return self._server is not None

    def start(self) -> None:
        if self._server is None:
            self.starts += 1
            self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._model, self.die))
            self.address = f"http://127.0.0.1:{self._server.server_port}"
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def die(self) -> None:
        """From now on connections are refused."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.socket.close()

    async def stop(self) -> None:
        await asyncio.to_thread(self.die)


def _handler(model: Model, die: Callable[[], None]) -> type[BaseHTTPRequestHandler]:
    at_once = 0

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
            pass

        def do_GET(self) -> None:
            self._send(model.ping if self.path == "/ping" else 404, {}, b"")

        def do_POST(self) -> None:
            nonlocal at_once
            assert self.path == "/invocations"
            call = Call(dict(self.headers), self.rfile.read(int(self.headers["Content-Length"])))
            with model.lock:
                at_once += 1
                model.most_at_once = max(model.most_at_once, at_once)
                model.calls.append(call)
            try:
                told = model.answer(call)
            except DeathError:
                die()
                return
            finally:
                with model.lock:
                    at_once -= 1
            self._send(*told)

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            try:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # nobody waits any more

    return Handler


def echo(call: Call) -> tuple[int, Mapping[str, str], bytes]:
    """The answer of a container that is well."""
    return 200, {"Content-Type": "text/plain"}, b"made of " + call.body


class Place:
    """A bucket's corner, a queue that hears of everything, and an endpoint that uses both."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder
        self.s3, self.sns, self.sqs = (cloud.clients[name] for name in ("s3", "sns", "sqs"))
        name = uuid.uuid4().hex
        self.bucket = f"gen3d-{name}"
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": arn}]})
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": policy})
        self._queue_arn = arn
        self.success_topic, self.error_topic = (
            f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}-{kind}" for kind in ("well", "badly")
        )
        for topic in (self.success_topic, self.error_topic):
            self.subscribe(topic)
        self.control_plane = ControlPlane(
            {
                "S3OutputPath": f"s3://{self.bucket}/output/",
                "S3FailurePath": f"s3://{self.bucket}/failure",
                "NotificationConfig": {"SuccessTopic": self.success_topic, "ErrorTopic": self.error_topic},
            }
        )
        self.clock = Clock()
        self.model = Model(echo)
        self.heard: list[dict[str, Any]] = []
        self.runtime: Any = None
        self.http: httpx.Client

    def subscribe(self, topic: str) -> None:
        """Has the queue hear of the topic, which is made if absent."""
        self.sns.create_topic(Name=topic.rpartition(":")[2])
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self._queue_arn)

    @contextmanager
    def served(
        self,
        make_container: Callable[[str], Container] | None = None,
        scaling: Scaling = Scaling(),  # noqa: B008 (it cannot be changed)
        **overrides: Any,
    ) -> Iterator["Place"]:
        """Has the endpoint served meanwhile."""
        clients = Clients(self.control_plane, overrides.pop("s3", self.s3), overrides.pop("sns", self.sns))
        service = AsyncInference(
            self.folder,
            clients,
            make_container or self.model.make_container,
            account=ACCOUNT,
            scaling=scaling,
            **{"retry_seconds": (0.01, 0.01), "now": self.clock, **overrides},
        )
        with serving(service) as address, httpx.Client(base_url=address) as self.http, self.calling(address):
            yield self

    @contextmanager
    def calling(self, address: str) -> Iterator[None]:
        """Has `ask` talk to an endpoint at this address."""
        self.runtime = self.cloud.client("sagemaker-runtime", address)
        try:
            yield
        finally:
            self.runtime.close()

    def put(self, body: bytes) -> str:
        """Where an input with this body lies now."""
        key = f"input/{uuid.uuid4()}"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def ask(self, body: bytes, **more: Any) -> dict[str, Any]:
        """What the endpoint answers to a request with this input."""
        given = {"EndpointName": ENDPOINT, "InputLocation": self.put(body), **more}
        answer: dict[str, Any] = self.runtime.invoke_endpoint_async(**given)
        return answer

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.http.get(f"/_gen3d/endpoints/{ENDPOINT}").json()
        return state

    def wait_for_state(self, **wanted: object) -> None:
        wait_until(lambda: wanted.items() <= self.state().items())

    def wait_until_done(self) -> None:
        self.wait_for_state(ApproximateBacklogSize=0)

    def messages(self) -> list[dict[str, Any]]:
        """All that SNS has told so far, whether it went well or badly, with the topic's ARN as `topic`."""
        while found := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for one in found:
                envelope = json.loads(one["Body"])
                self.heard.append({**json.loads(envelope["Message"]), "topic": envelope["TopicArn"]})
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"])
        return self.heard

    def message(self) -> dict[str, Any]:
        """The one thing that SNS has told, once all is done."""
        self.wait_until_done()
        (message,) = self.messages()
        return message

    def results(self) -> dict[str, bytes]:
        """The bodies of the results in S3, by location."""
        found = {}
        for prefix in ("output/", "failure/"):
            for listed in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", ()):
                body = self.s3.get_object(Bucket=self.bucket, Key=listed["Key"])["Body"].read()
                found[f"s3://{self.bucket}/{listed['Key']}"] = body
        return found
