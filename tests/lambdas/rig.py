"""The Lambdas' world in a test: real S3, SQS and SES on this machine, a clock to set, SageMaker played by the test.

A Lambda can be killed at any of its calls, before it is sent or after it is answered.
"""

import io
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from types import ModuleType, SimpleNamespace
from typing import Any, Final, cast

import httpx
import pytest
from PIL import Image

from lambdas.shared.job_folder import Job
from lambdas.shared.store import Store
from serve.contract import Artefact, EngineInfo, ErrorDetail, ImageInfo, Manifest, ObjectResult, Request
from serve.job import manifest_json
from tests.lambdas.cloud import ENDPOINT, REGION, Cloud

START: Final = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def picture(kind: str = "JPEG") -> bytes:
    """A small picture file."""
    file = io.BytesIO()
    Image.new("RGB", (16, 12), "teal").save(file, kind)
    return file.getvalue()


@dataclass(frozen=True)
class Person:
    """A fictitious user."""

    sub: str
    email: str

    def claims(self) -> dict[str, str]:
        """As an HTTP API's JWT authorizer hands an ID token's claims on."""
        return {"sub": self.sub, "email": self.email, "email_verified": "true", "token_use": "id"}


def person(name: str = "ada") -> Person:
    return Person(str(uuid.uuid4()), f"{name}@example.com")


@dataclass
class Invocation:
    """One that SageMaker has taken."""

    inference_id: str
    input_location: str
    uuid: str
    taken_at: datetime
    request: Request | None = None  # once the container has read it
    ended: bool = False

    @property
    def output_key(self) -> str:
        return f"async/output/{self.uuid}.out"

    @property
    def failure_key(self) -> str:
        return f"async/failure/{self.uuid}-error.out"


class World:
    """One bucket, its Lambdas, and what is on its way between them.

    Attributes:
        now: The Lambdas' clock.
        messages: What lies in the queues: the Lambda's name and the message's body.
        invocations: What SageMaker has taken.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.bucket = f"gen3d-{uuid.uuid4().hex[:12]}"
        cloud.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        cloud.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.store = Store(self.bucket, cloud.s3)
        self.now = START
        self.messages: list[tuple[str, str]] = []
        self.invocations: list[Invocation] = []
        self.watch = cloud.watch
        self.watch.begin(self)

    # The Lambdas.

    @contextmanager
    def working(self, name: str, kill_at: int | None = None) -> Iterator[ModuleType]:
        """The Lambda's handler, set to this world; it may be killed at one of its points."""
        handler = self.cloud.handlers[name]
        made = self.cloud.services[name]
        here: Any = replace(
            made,
            settings=replace(made.settings, bucket=self.bucket),
            store=Store(self.bucket, made.store.client),
            now=lambda: self.now,
        )
        self.watch.at_work, self.watch.points, self.watch.kill_at = name, 0, kill_at
        handler.service = lambda: here  # type: ignore[attr-defined]
        try:
            yield handler
        finally:
            self.watch.at_work, self.watch.kill_at = "", None

    def api(
        self,
        who: Person | None,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, str] | None = None,
        *,
        claims: dict[str, str] | None = None,
        kill_at: int | None = None,
    ) -> tuple[int, Any]:
        """A request to the API: the answer's status and JSON."""
        event: dict[str, Any] = {
            "version": "2.0",
            "rawPath": path,
            "queryStringParameters": query,
            "requestContext": {"http": {"method": method, "path": path}},
            "body": body if isinstance(body, str) or body is None else json.dumps(body),
            "isBase64Encoded": False,
        }
        if claims is None and who is not None:
            claims = who.claims()
        if claims is not None:
            event["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
        with self.working("jobs", kill_at) as handler:
            answer = handler.handle(event, None)
        return answer["statusCode"], json.loads(answer["body"]) if "body" in answer else None

    def deliver(self, name: str, body: str, *, kill_at: int | None = None) -> bool:
        """Brings a Lambda one SQS message; whether it took it."""
        record = {"messageId": "1", "receiptHandle": "1", "body": body, "eventSource": "aws:sqs", "attributes": {}}
        with self.working(name, kill_at) as handler:
            answer = handler.handle({"Records": [record]}, None)
        return not answer["batchItemFailures"]

    def sweep(self, *, kill_at: int | None = None, left: Callable[[], float] = lambda: 60.0) -> int:
        """One sweep, which has so many seconds left whenever it asks."""
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: int(left() * 1000))
        with self.working("sweep", kill_at) as handler:
            return int(handler.handle({}, context)["looked_at"])

    def drain(self) -> None:
        """Delivers everything, in order, till nothing is left; each must be taken."""
        while self.messages:
            name, body = self.messages.pop(0)
            assert self.deliver(name, body), body

    # What happens between them.

    def invoked(self, inference_id: str, input_location: str) -> dict[str, str]:
        """SageMaker takes an invocation."""
        taken = Invocation(inference_id, input_location, str(uuid.uuid4()), self.now)
        self.invocations.append(taken)
        places = {"OutputLocation": taken.output_key, "FailureLocation": taken.failure_key}
        return {name: self.store.uri(key) for name, key in places.items()}

    def happened(self, key: str, version: str | None = None) -> None:
        """An object was created: S3 tells, as the bucket's notifications say."""
        if key.startswith("users/") and key.endswith("/image"):
            self.messages.append(("extract", created(self.bucket, key, version)))
        elif (key.startswith("users/") and key.endswith("/outcome.json")) or key.startswith("async/output/"):
            self.messages.append(("notify", created(self.bucket, key)))

    def take_nudges(self) -> None:
        """What the sweep has put into the real queues comes to where the rest is."""
        for name, url in (("extract", self.cloud.uploaded), ("notify", self.cloud.finished)):
            while got := self.cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                for message in got:
                    self.cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    if json.loads(message["Body"])["Records"][0]["s3"]["bucket"]["name"] == self.bucket:
                        self.messages.append((name, message["Body"]))

    def upload(self, upload: dict[str, Any], data: bytes, *, media_type: str | None = None) -> httpx.Response:
        """Uploads as a browser does."""
        fields = dict(upload["fields"])
        if media_type is not None:
            fields["Content-Type"] = media_type
        answer = httpx.post(upload["url"], data=fields, files={"file": ("photo", data)})
        if answer.is_success:
            stands = self.cloud.s3.head_object(Bucket=self.bucket, Key=fields["key"])
            self.happened(fields["key"], stands["VersionId"])
        return answer

    def create(self, who: Person, *, data: bytes | None = None, boxes: Any = None) -> tuple[Job, dict[str, Any]]:
        """A job and where to upload its photo."""
        size = len(data if data is not None else picture())
        file = {"name": "cup.jpg", "type": "image/jpeg", "bytes": size}
        status, body = self.api(who, "POST", "/api/jobs", {"boxes": boxes or [[1, 2, 9, 8]], "file": file})
        assert status == 201, body
        return Job(who.sub, body["id"]), body["upload"]

    def submit(self, who: Person, boxes: Any = None) -> Job:
        """A job whose photo is uploaded, and which SageMaker has taken."""
        job, upload = self.create(who, boxes=boxes)
        assert self.upload(upload, picture()).status_code == 204
        self.drain()
        return job

    def finish(self, which: int = -1, *, status: str = "succeeded") -> None:
        """The container does a job and answers; what it finds deleted it cannot do."""
        taken = self.invocations[which]
        request = taken.request or self._read(taken)
        if request is None:
            self.fail(which, "the input is not there")
            return
        taken.ended = True
        assert request.output_uri is not None
        output = self.store.key_of(request.output_uri) or ""
        manifest = make_manifest(request, status)
        for one in manifest.objects:
            for artefact in one.artefacts:
                self.cloud.s3.put_object(Bucket=self.bucket, Key=output + artefact.name, Body=b"glTF")
        self.cloud.s3.put_object(Bucket=self.bucket, Key=output + "preview.png", Body=picture("PNG"))
        self.cloud.s3.put_object(Bucket=self.bucket, Key=output + "thumbnail.jpg", Body=picture())
        for key in (output + "manifest.json", taken.output_key):
            self.cloud.s3.put_object(Bucket=self.bucket, Key=key, Body=manifest_json(manifest))
        self.happened(taken.output_key)

    def begin(self, which: int = -1, percent: float = 40.0) -> None:
        """The container has begun a job."""
        taken = self.invocations[which]
        taken.request = self._read(taken)
        if taken.request is None:
            self.fail(which, "the input is not there")
            return
        key = (self.store.key_of(taken.input_location) or "").replace("request", "progress")
        progress = {"job_id": "x", "stage": "reconstruct", "object": 0, "objects": 1, "percent": percent}
        self.cloud.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(progress).encode())

    def _read(self, taken: Invocation) -> Request | None:
        """The request, as the server reads it."""
        stored = self.store.get(self.store.key_of(taken.input_location) or "")
        return None if stored is None else Request.model_validate_json(stored.data)

    def fail(
        self,
        which: int = -1,
        reason: str = "the container died",
        *,
        left: str | None = None,
        lose_notice: bool = False,
    ) -> None:
        """SageMaker gives a job up, leaves the reason or what is given, and tells of it, unless that is lost."""
        taken = self.invocations[which]
        taken.ended = True
        self.cloud.s3.put_object(Bucket=self.bucket, Key=taken.failure_key, Body=(left or reason).encode())
        if not lose_notice:
            self.messages.append(("notify", failed(taken, reason)))

    def settle(self) -> None:
        """Time passes, and what is due comes, till nothing is on its way and nothing is pending."""
        for _ in range(40):
            coming, self.messages = self.messages, []
            self.messages += [(name, body) for name, body in coming if not self.deliver(name, body)]
            self.later(minutes=30)
            self.sweep()
            self.take_nudges()
            if not self.messages and not self.keys("pending/"):
                return
        pytest.fail(f"It never settled: {self.messages} {self.keys('pending/')}")

    # What is the matter.

    def keys(self, prefix: str = "") -> list[str]:
        return [item.key for item in self.store.list_all(prefix)]

    def names(self, job: Job) -> set[str]:
        return {key.removeprefix(job.prefix) for key in self.keys(job.prefix)}

    def versions(self, prefix: str) -> set[str]:
        """Every key with the prefix that any version is kept of."""
        page = self.cloud.s3.list_object_versions(Bucket=self.bucket, Prefix=prefix)
        return {one["Key"] for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, [])}

    def outcome(self, job: Job) -> dict[str, Any]:
        stored = self.store.get(job.key("outcome.json"))
        assert stored is not None
        return cast(dict[str, Any], json.loads(stored.data))

    def mails_to(self, address: str, job: Job) -> list[EmailMessage]:
        return [mail for mail in self.watch.mails if mail["To"] == address and job.id in text_of(mail)]

    def later(self, **passes: float) -> None:
        self.now += timedelta(**passes)


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def created(bucket: str, key: str, version: str | None = None) -> str:
    """S3's event, as AWS documents it."""
    thing: dict[str, Any] = {"key": key.replace(" ", "+"), "size": 1}
    if version is not None:
        thing["versionId"] = version
    place = {"bucket": {"name": bucket}, "object": thing}
    return json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": place}]})


def failed(taken: Invocation, reason: str) -> str:
    """SageMaker's notification of a failure, in the envelope of SNS."""
    told = {
        "awsRegion": REGION,
        "eventTime": "2026-11-23T10:00:00.000Z",
        "receivedTime": "2026-11-23T09:00:00.000Z",
        "invocationStatus": "Failed",
        "requestParameters": {"endpointName": ENDPOINT, "inputLocation": taken.input_location},
        "failureReason": reason,
        "inferenceId": taken.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    topic = f"arn:aws:sns:{REGION}:000000000000:Gen3D-Failures"
    return json.dumps({"Type": "Notification", "TopicArn": topic, "Message": json.dumps(told)})


def make_manifest(request: Request, status: str) -> Manifest:
    """What the server answers: of a partial job the last object failed."""
    assert request.job_id is not None
    made = {"succeeded": len(request.boxes), "partial": len(request.boxes) - 1, "failed": 0}[status]

    def artefact(name: str, media_type: str) -> Artefact:
        uri = f"{request.output_uri}{name}"
        return Artefact(name=name, media_type=media_type, bytes=4, sha256="0" * 64, uri=uri)

    objects = tuple(
        ObjectResult(
            index=index,
            label=box.label,
            status="succeeded" if index < made else "failed",
            requested_box=box,
            artefacts=(artefact(f"object-{index}.glb", "model/gltf-binary"),) if index < made else (),
            seconds=1.0,
            error=None
            if index < made
            else ErrorDetail(code="box_outside_image", message="The box lies outside the photo."),
        )
        for index, box in enumerate(request.boxes)
    )
    return Manifest(
        job_id=request.job_id,
        output_uri=request.output_uri,
        status=cast(Any, status),
        engine=EngineInfo(
            name="preview", preview=True, segmenter="grabcut", reconstructor="inflate", weights=None, version="0"
        ),
        image=ImageInfo(width=16, height=12, format="JPEG"),
        options=request.options,
        units="1 unit is the photo's longer side",
        objects=objects,
        artefacts=(artefact("preview.png", "image/png"), artefact("thumbnail.jpg", "image/jpeg")),
        timings={"decode": 0.1},
        created_at=START,
    )


def code_of(answer: tuple[int, Any]) -> tuple[int, str]:
    """Status and code of an answer of the API that is an error, in the one shape."""
    status, body = answer
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert "\n" not in body["error"]["message"]
    return status, body["error"]["code"]


def ended_job(world: World, who: Person) -> Job:
    """A job that has succeeded, and whose mails are sent."""
    job = world.submit(who)
    world.finish()
    world.drain()
    return job
