"""Who visits the service in the tests of who gets in where: users with tokens, and requests that no client would send.

Knows the API and the job folder, and no test.
"""

import base64
import io
import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

import boto3
import httpx
import psutil
import pytest
from PIL import Image, ImageDraw

from infra.local.cloud import REGION
from infra.local.stage import Stage, User
from lambdas.shared.job_folder import Job, jobs_prefix
from lambdas.shared.store import Store


def photo() -> bytes:
    """A small photo: something dark on something light."""
    picture = Image.new("RGB", (96, 96), "white")
    ImageDraw.Draw(picture).ellipse((24, 24, 72, 72), "teal")
    file = io.BytesIO()
    picture.save(file, "JPEG")
    return file.getvalue()


PHOTO: Final = photo()
BOX: Final = [20, 20, 76, 76]


@dataclass(frozen=True)
class Visitor:
    """Somebody who has signed in.

    Attributes:
        stage: Where.
        http: What sends the requests.
        user: As whom Cognito knows them.
        token: Their ID token.
    """

    stage: Stage
    http: httpx.Client
    user: User
    token: str

    @property
    def sub(self) -> str:
        """By what the service knows them."""
        return str(claims(self.token)["sub"])

    def ask(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> httpx.Response:
        """A request to the API, through the front."""
        given = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        return self.http.request(method, self.stage.page + path, json=body, headers=given)

    def create(self, boxes: Any = None, size: int = len(PHOTO)) -> tuple[Job, dict[str, Any]]:
        """A job that waits for its photo, and the form to upload that with."""
        file = {"name": "cup.jpg", "type": "image/jpeg", "bytes": size}
        answer = self.ask("POST", "/api/jobs", {"boxes": boxes or [BOX], "file": file})
        assert answer.status_code == 201, answer.text
        return Job(self.sub, answer.json()["id"]), answer.json()["upload"]

    def create_ended(self) -> tuple[Job, dict[str, Any]]:
        """A job that is cancelled, whose form takes the photo still: nothing more is done with that."""
        job, form = self.create()
        assert self.ask("POST", f"/api/jobs/{job.id}/cancel").status_code == 200
        return job, form

    def submit(self, boxes: Any = None, data: bytes = PHOTO) -> Job:
        """A job with its photo."""
        job, form = self.create(boxes, len(data))
        assert send(self.http, form, data).status_code == 204
        return job

    def read(self, job: Job) -> dict[str, Any]:
        """What the API says of one's own job."""
        answer = self.ask("GET", f"/api/jobs/{job.id}")
        assert answer.status_code == 200, answer.text
        return cast(dict[str, Any], answer.json())

    def wait(self, job: Job) -> dict[str, Any]:
        """What it says once the job has ended, and all is done about it: its mails, too."""
        wait_until(lambda: self.read(job)["ended_at"] and not keys(self.stage, "pending/", job.id))
        return self.read(job)

    def versions(self) -> set[tuple[str, str]]:
        """All that was ever stored for them and is kept, but for what is noted of mails."""
        found = versions(self.stage, jobs_prefix(self.sub))
        return {(key, version) for key, version in found if "/mail-" not in key}


# Signs somebody up at each call.
SignUp = Callable[[], Visitor]


def invite(stage: Stage, email: str) -> User:
    """Somebody who has not been here yet, with the first password."""
    user = User(email, "First-Password-1")
    stage.cloud.client("cognito-idp").admin_create_user(
        UserPoolId=stage.outputs["UserPoolId"],
        Username=user.email,
        TemporaryPassword=user.password,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "email", "Value": user.email}, {"Name": "email_verified", "Value": "true"}],
    )
    return user


def sign_up(stage: Stage, http: httpx.Client) -> Visitor:
    """Somebody new."""
    user = stage.add_user(f"{uuid.uuid4().hex}@example.com")
    return Visitor(stage, http, user, stage.token(user))


def send(http: httpx.Client, form: dict[str, Any], data: bytes, **changed: str) -> httpx.Response:
    """Uploads as a browser does, with some of the form's fields changed."""
    return http.post(form["url"], data={**form["fields"], **changed}, files={"file": ("photo", data)})


def claims(token: str) -> dict[str, Any]:
    """What a token says."""
    coded = token.split(".")[1]
    return cast(dict[str, Any], json.loads(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4))))


def versions(stage: Stage, prefix: str = "") -> set[tuple[str, str]]:
    """Each version, and each mark of a deletion, of each object with the prefix: its key and its id."""
    pages = stage.cloud.client("s3").get_paginator("list_object_versions")
    found = pages.paginate(Bucket=stage.outputs["BucketName"], Prefix=prefix)
    kinds = ("Versions", "DeleteMarkers")
    return {(one["Key"], one["VersionId"]) for page in found for kind in kinds for one in page.get(kind, [])}


def keys(stage: Stage, prefix: str, part: str = "") -> list[str]:
    """The keys that begin with this and have that in them."""
    pages = stage.cloud.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=stage.outputs["BucketName"], Prefix=prefix)
    return [one["Key"] for page in found for one in page.get("Contents", []) if part in one["Key"]]


def jobs_store(stage: Stage) -> Store:
    """What the Lambda jobs signs forms and links with: its code, and the keys of its role. It must have run."""
    name = stage.outputs["JobsName"]
    for environment in environments():
        place = environment.get("AWS_LAMBDA_FUNCTION_NAME"), environment.get("AWS_ENDPOINT_URL")
        if place == (name, stage.cloud.address):
            make: Any = boto3.client  # its stubs want to know the service
            keys = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
            own = {key: environment[key.upper()] for key in keys}
            return Store(stage.outputs["BucketName"], make("s3", endpoint_url=place[1], region_name=REGION, **own))
    pytest.fail(f"{name} has not run.")


def environments() -> Iterator[dict[str, str]]:
    """Of each process that was started from this one, and by those."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            yield process.environ()


def raw(address: str, head: str, body: bytes = b"") -> tuple[int, bytes]:
    """The status and the body that are answered to a request sent as it is written, which clients would tidy up.

    Args:
        address: Where to: `http://HOST:PORT`.
        head: The request's line and headers, each on a line; those of the connection and the length are added.
        body: What follows.
    """
    host, port = address.removeprefix("http://").split(":")
    lines = [*head.splitlines(), "Connection: close", f"Content-Length: {len(body)}"]
    if "\nhost:" not in head.lower():
        lines.append(f"Host: {host}:{port}")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    top, _, rest = answer.partition(b"\r\n\r\n")
    return int(top.split(b" ", 2)[1]), rest


def wait_until(is_so: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if is_so():
            return
        time.sleep(0.05)
    pytest.fail("It never came about.")
