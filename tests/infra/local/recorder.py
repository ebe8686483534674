"""A stage in which every signed call to the cloud is written down: whose it was, what for, and what was answered.

A door stands before the local cloud and before the endpoint, and passes on what it hears as it came. What a call needs
is AWS's to say, not the local cloud's: the service authorization reference, and S3's and SES's own pages.
"""

import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.parser import BytesParser
from email.policy import HTTP
from functools import cached_property
from json import loads
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

import httpx
import uvicorn

from infra.local import stage as stages
from infra.local.cloud import ROOT_KEYS, Cloud, running_cloud
from infra.local.processes import free_ports
from infra.local.stage import Stage, running_stage
from tests.infra.local.visitors import environments

_CREDENTIAL = re.compile(r"(?:Credential=|X-Amz-Credential=)([A-Z0-9a-z]+)(?:/|%2F)")
# With S3 a HEAD of an object is asked for as a GET: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
_OF_S3 = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "DELETE": "s3:DeleteObject"}


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        who: Whose key signed it: a Lambda's name, `endpoint` or `page`.
        presigned: Whether somebody else made it, with an address or a form that `who` had signed.
        target: The path and the query, as they were sent.
        headers: By names in lower case.
        body: Of a POST; else it is left out.
        status: What was answered.
        bucket: The stage's.
    """

    who: str
    presigned: bool
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    status: int
    bucket: str

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @cached_property
    def form(self) -> dict[str, str]:
        """The fields of a form, without its file."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        parts = BytesParser(policy=HTTP).parsebytes(head + self.body).iter_parts()
        named = [(part.get_param("name", header="content-disposition"), part) for part in parts]
        return {str(name).lower(): part.get_content() for name, part in named if not part.get_filename()}

    def needs(self) -> Iterator[tuple[str, str]]:
        """The IAM actions that it needs, each with what on; the bucket is `bucket`, its objects `bucket/KEY`."""
        path = unquote(self.target.partition("?")[0])
        target = self.headers.get("x-amz-target", "")
        if path.endswith("/async-invocations"):
            yield "sagemaker:InvokeEndpointAsync", path.split("/")[2]
        elif path == "/v2/email/outbound-emails":
            asked = loads(self.body)
            assert set(asked["Content"]) == {"Raw"}
            yield "ses:SendRawEmail", re.sub(r".*<(.*)>", r"\1", asked["FromEmailAddress"])
        elif target.startswith("AmazonSQS."):
            yield f"sqs:{target.partition('.')[2]}", loads(self.body)["QueueUrl"].rpartition("/")[2]
        elif self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            asked = dict(parse_qsl(self.body.decode()))
            assert asked["Action"] == "Publish"
            yield "sns:Publish", asked["TopicArn"].rpartition(":")[2]
        else:
            assert path.split("/")[1] == self.bucket, f"{self.method} {self.target} is new: say what it needs"
            yield from self._of_s3(path.split("/", 2)[2] if path.count("/") > 1 else "")

    def _of_s3(self, key: str) -> Iterator[tuple[str, str]]:
        if not key and self.method == "GET":
            assert {"list-type", "versions"} & set(self.query), self.target
            yield "s3:ListBucketVersions" if "versions" in self.query else "s3:ListBucket", "bucket"
        elif not key and "delete" in self.query:
            yield from self._deleted()
        elif not key:
            assert self.method == "POST"
            yield "s3:PutObject", f"bucket/{self.form['key']}"
            if "tagging" in self.form:
                yield "s3:PutObjectTagging", f"bucket/{self.form['key']}"
        elif {"uploads", "uploadId"} & set(self.query):
            assert self.method in ("POST", "PUT", "DELETE")
            yield "s3:AbortMultipartUpload" if self.method == "DELETE" else "s3:PutObject", f"bucket/{key}"
        else:
            yield _OF_S3[self.method], f"bucket/{key}"
            if "x-amz-copy-source" in self.headers:
                source = unquote(self.headers["x-amz-copy-source"]).lstrip("/")
                yield "s3:GetObject", f"bucket/{source.partition('/')[2]}"
            if self.headers.get("x-amz-tagging"):
                yield "s3:PutObjectTagging", f"bucket/{key}"

    def _deleted(self) -> Iterator[tuple[str, str]]:
        """One action always, the other besides: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html."""
        for one in ElementTree.fromstring(self.body).iterfind("{*}Object"):
            yield "s3:DeleteObject", f"bucket/{one.findtext('{*}Key')}"
            if one.find("{*}VersionId") is not None:
                yield "s3:DeleteObjectVersion", f"bucket/{one.findtext('{*}Key')}"


@dataclass(frozen=True)
class Heard:
    """What a door has heard, with the key that signed it; the rest as in `Call`."""

    key: str
    presigned: bool
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    status: int


class RecordedStage:
    """A stage, and what was called in it.

    Args:
        stage: What runs.
        http: What visitors send their requests with.
        heard: What the doors hear.
    """

    def __init__(self, stage: Stage, http: httpx.Client, heard: list[Heard]) -> None:
        self.stage, self.http = stage, http
        self._heard = heard
        self._names = {ROOT_KEYS.id: ""}

    def mark(self) -> int:
        """How much was heard till now."""
        return len(self._heard)

    def calls(self, since: int = 0) -> list[Call]:
        """The calls that roles have signed, in order, from a mark on."""
        heard = self._heard[since:]
        if not {each.key for each in heard} <= set(self._names):
            self._names.update(self._who())
        bucket = self.stage.outputs["BucketName"]
        return [
            Call(who, each.presigned, each.method, each.target, each.headers, each.body, each.status, bucket)
            for each in heard
            if (who := self._names[each.key])
        ]

    def _who(self) -> Iterator[tuple[str, str]]:
        """Access keys, and whose they are: those of Lambdas are in the environments of their processes."""
        iam = self.stage.cloud.client("iam")
        for name in ("endpoint", "page"):
            for key in iam.list_access_keys(UserName=f"Gen3D-local-{name}")["AccessKeyMetadata"]:
                yield key["AccessKeyId"], name
        for environment in environments():
            function, cloud = environment.get("AWS_LAMBDA_FUNCTION_NAME"), environment.get("AWS_ENDPOINT_URL")
            if function and cloud == self.stage.cloud.address:
                yield environment["AWS_ACCESS_KEY_ID"], function.removeprefix("Gen3D-local-")


@contextmanager
def recorded_stage(folder: Path) -> Iterator[RecordedStage]:
    """Runs a stage with doors before its cloud and its endpoint."""
    heard: list[Heard] = []

    @contextmanager
    def behind_doors(folder: Path, *, port: int, lambdas: dict[str, str], **more: Any) -> Iterator[Cloud]:
        (endpoint,) = free_ports(1)
        inner = lambdas["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"]
        outer = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"http://127.0.0.1:{endpoint}",
        }
        with (
            running_cloud(folder, lambdas={**lambdas, **outer}, **more) as cloud,
            door(port, cloud.address, heard),
            door(endpoint, inner, heard),
        ):
            yield replace(cloud, address=outer["AWS_ENDPOINT_URL"])

    with (
        patch.object(stages, "running_cloud", behind_doors),
        running_stage(folder) as stage,
        httpx.Client(trust_env=False, timeout=30) as http,
    ):
        yield RecordedStage(stage, http, heard)


@contextmanager
def door(port: int, behind: str, heard: list[Heard]) -> Iterator[None]:
    """Passes on to another address what comes to a port of 127.0.0.1, and writes it down."""
    config = uvicorn.Config(_passing(behind, heard), log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="door")
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()


def _passing(behind: str, heard: list[Heard]) -> Callable[..., Awaitable[None]]:
    context = ssl.create_default_context()  # made once: that takes longer than a request

    async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        # What is between this and the other two alone, https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1.
        given = [(name, value) for name, value in scope["headers"] if name not in (b"connection", b"expect")]
        url = httpx.URL(behind).copy_with(raw_path=target)
        async with (
            httpx.AsyncClient(trust_env=False, timeout=60, verify=context) as http,
            http.stream(scope["method"], url, headers=given, content=body) as answer,
        ):
            said = b"".join([chunk async for chunk in answer.aiter_raw()])
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        key, presigned = _signed_by(target.decode("latin-1"), headers, body)
        if key:
            kept = body if scope["method"] == "POST" else b""
            method, path = scope["method"], target.decode("latin-1")
            heard.append(Heard(key, presigned, method, path, headers, kept, answer.status_code))
        passed = [(name, value) for name, value in answer.headers.raw if name.lower() != b"transfer-encoding"]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": passed})
        await send({"type": "http.response.body", "body": said})

    return app


def _signed_by(target: str, headers: dict[str, str], body: bytes) -> tuple[str, bool]:
    """The key that signed a request, and whether that was before it was made."""
    if found := _CREDENTIAL.search(headers.get("authorization", "")):
        return found[1], False
    if found := _CREDENTIAL.search(target):
        return found[1], True
    form = re.search(rb'name="x-amz-credential"\r\n\r\n(\w+)/', body, re.IGNORECASE)
    return ("", False) if form is None else (form[1].decode(), True)
