"""Plays CloudFront: the page from the bucket's PUBLIC/ and the API, on one origin. Knows neither page nor API.

As in AWS the page's files are read with a signature, by who may read nothing else, and sent with the headers of the
template's policy; what is not there is S3's 403. The API gets all of the viewer's headers but `Host`. Nothing is kept.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from urllib.parse import unquote

import httpx
import uvicorn
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import FastAPI, Request, Response

from infra.local.cloud import Cloud, Keys
from serve.errors import Gen3DError

_ANY_METHOD: Final = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
# They are for one connection, https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1, and Host is the origin's own.
_OF_ONE_CONNECTION: Final = {"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
_API_SECONDS: Final = 30.0
_FROM_S3: Final = {
    "ContentType": "Content-Type",
    "ContentEncoding": "Content-Encoding",
    "CacheControl": "Cache-Control",
    "ContentRange": "Content-Range",
    "ETag": "ETag",
}


def create_front(cloud: Cloud, outputs: dict[str, str], keys: Keys) -> FastAPI:
    """The application.

    - `/api/…`: the HTTP API.
    - `/…`: the object `PUBLIC/…` of the bucket; `/` is `PUBLIC/index.html`.

    Args:
        cloud: Where both are.
        outputs: `BucketName`, `HttpApiUrl` and `PageHeadersId` of the stack foundation.
        keys: Who may read `PUBLIC/`, and nothing else.
    """
    s3 = cloud.client("s3", keys)
    headers = _page_headers(cloud.client("cloudfront"), outputs["PageHeadersId"])
    host = outputs["HttpApiUrl"].partition("://")[2].encode()

    @asynccontextmanager
    async def with_client(app: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=cloud.address, timeout=_API_SECONDS, trust_env=False) as http:
            app.state.http = http
            yield

    app = FastAPI(
        title="Gen3D's local CloudFront",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=with_client,
    )

    @app.api_route("/api/{path:path}", methods=_ANY_METHOD)
    async def api(request: Request) -> Response:
        passed = [(name, value) for name, value in request.headers.raw if _is_passed(name)]
        target = httpx.URL(cloud.address).copy_with(raw_path=_raw_target(request))
        http: httpx.AsyncClient = request.app.state.http
        try:
            async with http.stream(
                request.method, target, headers=[(b"host", host), *passed], content=await request.body()
            ) as answer:
                body = b"".join([chunk async for chunk in answer.aiter_raw()])
        except httpx.TransportError:
            return Response("The API does not answer.", 502, media_type="text/plain")
        back = Response(body, answer.status_code)
        back.raw_headers += [(name.lower(), value) for name, value in answer.headers.raw if _is_passed(name)]
        return back

    @app.api_route("/{path:path}", methods=_ANY_METHOD)
    async def page(request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response("Only GET and HEAD are allowed here.", 403, headers, "text/plain")
        # The key is the path as it was sent; names that mean other folders to some are no keys of the page.
        names = unquote(request.scope["raw_path"].decode("latin-1")).removeprefix("/").split("/")
        if {".", ".."} & set(names):
            return Response("There is no such file.", 403, headers, "text/plain")
        key = "PUBLIC/" + ("/".join(names) or "index.html")
        return await asyncio.to_thread(_read, s3, outputs["BucketName"], key, request, headers)

    return app


@contextmanager
def serving_front(app: FastAPI, port: int) -> Iterator[str]:
    """Serves on 127.0.0.1 from a thread of this process meanwhile; gives the address.

    Raises:
        Gen3DError: `port_unavailable`.
    """
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        message = f"Cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another port."
        raise Gen3DError("port_unavailable", message) from None
    config = uvicorn.Config(app, ws="none", log_config=None, access_log=False, server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="front")
    with listener:
        thread.start()
        try:
            # Until the server takes them, connections wait at the listener.
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _read(s3: Any, bucket: str, key: str, request: Request, headers: dict[str, str]) -> Response:
    asked = {"Range": request.headers["range"]} if "range" in request.headers else {}
    read = s3.head_object if request.method == "HEAD" else s3.get_object
    try:
        found = read(Bucket=bucket, Key=key, **asked)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:  # in AWS that is said only to who may list the bucket
            status = 403
        return Response("There is no such file.", status, headers, "text/plain")
    except BotoCoreError:
        return Response("S3 does not answer.", 502, headers, "text/plain")
    sent = {name: found[field] for field, name in _FROM_S3.items() if field in found}
    status = found["ResponseMetadata"]["HTTPStatusCode"]
    if request.method == "HEAD":
        return Response(b"", status, {**headers, **sent, "Content-Length": str(found["ContentLength"])})
    return Response(found["Body"].read(), status, {**headers, **sent})


def _page_headers(cloudfront: Any, policy: str) -> dict[str, str]:
    """What the policy adds to each answer; the field for TLS is left out, for there is none here."""
    found = cloudfront.get_response_headers_policy(Id=policy)["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]
    security = found["SecurityHeadersConfig"]
    headers = {
        "Content-Security-Policy": security["ContentSecurityPolicy"]["ContentSecurityPolicy"],
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": security["FrameOptions"]["FrameOption"],
        "Referrer-Policy": security["ReferrerPolicy"]["ReferrerPolicy"],
    }
    custom = found.get("CustomHeadersConfig", {}).get("Items", ())
    return {**headers, **{item["Header"]: item["Value"] for item in custom}}


def _is_passed(name: bytes) -> bool:
    lower = name.decode("latin-1").lower()
    return lower not in _OF_ONE_CONNECTION and lower not in ("host", "content-length")


def _raw_target(request: Request) -> bytes:
    path, query = request.scope["raw_path"], request.scope["query_string"]
    return bytes(path + b"?" + query if query else path)
