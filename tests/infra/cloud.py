"""A local Amazon ECR: the service's API, and the registry that Docker pushes to, behind the password of the former."""

import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import httpx
import uvicorn

from tests.ministack import running_ministack

REGION: Final = "eu-central-1"
ACCOUNT: Final = "000000000000"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class LocalECR:
    """A running ECR with one repository, whose tags never change.

    Attributes:
        endpoint: Its API, without the password that the registry wants.
        registry: Where Docker finds it: `127.0.0.1:PORT`.
        client: A boto3 client that may do everything.
    """

    endpoint: str
    registry: str
    client: Any
    name: str = "gen3d-test"

    @property
    def repository(self) -> str:
        """The repository's address for Docker."""
        return f"{self.registry}/{self.name}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to act as the account's root."""
        return {**self._place, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

    def user(self, *actions: str) -> dict[str, str]:
        """What a process needs to act as a new user, who may do these actions and nothing else."""
        iam = boto3.client("iam", **_root(self.endpoint))
        name = f"user-{len(iam.list_users()['Users'])}"
        iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {
            **self._place,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }

    @property
    def _place(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def put(self, tag: str, media_type: str) -> str:
        """Puts a manifest of this type there; its digest."""
        layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 1, "digest": f"sha256:{'0' * 64}"}
        manifest = {"schemaVersion": 2, "mediaType": media_type, "config": layer, "layers": [layer], "tag": tag}
        put = self.client.put_image(
            repositoryName=self.name,
            imageManifest=json.dumps(manifest),
            imageManifestMediaType=media_type,
            imageTag=tag,
        )
        return str(put["image"]["imageId"]["imageDigest"])

    def tags(self) -> list[str]:
        """All tags in the repository."""
        images = self.client.describe_images(repositoryName=self.name)["imageDetails"]
        return sorted(tag for image in images for tag in image["imageTags"])


@contextmanager
def local_ecr(folder: Path) -> Iterator[LocalECR]:
    """Runs one, with what it writes in a folder."""
    with running_ministack(folder, SERVICES="ecr,iam,sts") as endpoint:
        client = boto3.client("ecr", **_root(endpoint))
        password = client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        with _gate(endpoint, password) as registry:
            ecr = LocalECR(endpoint, registry, client)
            client.create_repository(repositoryName=ecr.name, imageTagMutability="IMMUTABLE")
            yield ecr


def _root(endpoint: str) -> dict[str, Any]:
    # The server takes its root key with any secret; a user's it checks.
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return {"endpoint_url": endpoint, "region_name": REGION, **keys}


@contextmanager
def _gate(endpoint: str, password: str) -> Iterator[str]:
    """A door before the registry, which lets in who has the password, as ECR does; its address, `127.0.0.1:PORT`."""
    server = uvicorn.Server(uvicorn.Config(_door(endpoint, password), log_config=None, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _door(endpoint: str, password: str) -> Callable[..., Awaitable[None]]:
    async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        async def body() -> AsyncIterator[bytes]:
            more = True
            while more:
                message = await receive()
                more = message.get("more_body", False)
                yield message.get("body", b"")

        given = httpx.Headers(scope["headers"])
        if given.get("authorization") != f"Basic {password}":
            asked = [(b"www-authenticate", b'Basic realm="ECR"'), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 401, "headers": asked})
            await send({"type": "http.response.body"})
            return
        address = endpoint + scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        # Without the password: the registry of the local cloud knows none.
        passed = {name: value for name, value in given.items() if name in ("accept", "content-type", "content-length")}
        async with httpx.AsyncClient(timeout=300) as http:
            answer = await http.request(scope["method"], address, headers=passed, content=body())
        headers = [(name, value) for name, value in answer.headers.raw if name.lower() != b"transfer-encoding"]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.content})

    return app
