"""The service over HTTP, in the shapes of AWS's JSON protocols. Knows nothing of queues and containers."""

import asyncio
import re
import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from infra.local.async_endpoint.invocation import RefusedError
from infra.local.async_endpoint.service import AsyncInference
from serve.errors import Gen3DError

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[\w-]+/\d{8}/[a-z0-9-]+/(?P<service>[a-z0-9-]+)/aws4_request,"
    r"\s*SignedHeaders=[a-z0-9;-]+,\s*Signature=[0-9a-f]{64}"
)


def create_app(service: AsyncInference) -> FastAPI:
    """The application for a service that has been started.

    - `POST /endpoints/NAME/async-invocations`: InvokeEndpointAsync.
    - `GET /_gen3d/endpoints/NAME`: `Endpoint.state`, for whoever watches; not AWS's, and not signed.

    A call must be signed with Signature Version 4 for `sagemaker`. The signature itself is not verified: whose key it
    is, and what it allows, is for the local cloud's other services to say.
    """

    app = FastAPI(
        title="Gen3D's local SageMaker Runtime",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        return _error(error)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> Response:
        return _error(RefusedError(error.status_code, "UnknownOperationException", "There is no such operation here."))

    @app.exception_handler(Exception)
    async def defect(_: Request, __: Exception) -> Response:
        return _error(
            RefusedError(500, "InternalFailure", "The local endpoint has a defect; its log holds the details.")
        )

    @app.post("/endpoints/{name}/async-invocations")
    async def invoke(name: str, request: Request) -> Response:
        _check_signed(request.headers.get("Authorization"))
        has_body = False
        async for chunk in request.stream():
            has_body = has_body or bool(chunk)
        invocation = await service.invoke(name, dict(request.headers), has_body=has_body)
        locations = {
            "X-Amzn-SageMaker-OutputLocation": invocation.output_location,
            "X-Amzn-SageMaker-FailureLocation": invocation.failure_location,
        }
        return JSONResponse(
            {"InferenceId": invocation.inference_id},
            202,
            {"x-amzn-RequestId": str(uuid.uuid4()), **{name: to for name, to in locations.items() if to is not None}},
        )

    @app.get("/_gen3d/endpoints/{name}")
    async def state(name: str) -> Response:
        return JSONResponse(await service.state(name))

    return app


@contextmanager
def serving(service: AsyncInference, port: int = 0) -> Iterator[str]:
    """Serves on 127.0.0.1 from a thread of this process; gives the address and, in the end, stops all that it started.

    Args:
        service: What to serve.
        port: Where; 0 takes a free port.

    Raises:
        Gen3DError: `port_unavailable`.
        sqlite3.OperationalError: Another process has the service's folder, or it cannot be written.
    """
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise Gen3DError(
            "port_unavailable", f"Cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another port."
        ) from None
    config = uvicorn.Config(
        create_app(service), lifespan="off", ws="none", log_config=None, access_log=False, server_header=False
    )
    server = uvicorn.Server(config)
    is_started: Future[None] = Future()

    async def serve() -> None:
        try:
            await service.start()
        except Exception as error:  # noqa: BLE001 (whatever it is, it is for the caller)
            is_started.set_exception(error)
            return
        is_started.set_result(None)
        try:
            await server.serve(sockets=[listener])
        finally:
            await service.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="async endpoint")
    with listener:
        thread.start()
        try:
            is_started.result()
            # Until the server takes them, connections wait at the listener.
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _check_signed(authorization: str | None) -> None:
    credential = _CREDENTIAL.fullmatch(authorization or "")
    if credential is None:
        raise RefusedError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if credential["service"] != "sagemaker":
        raise RefusedError(
            403, "InvalidSignatureException", "Credential should be scoped to correct service: 'sagemaker'."
        )


def _error(error: RefusedError) -> Response:
    headers = {"x-amzn-RequestId": str(uuid.uuid4()), "x-amzn-ErrorType": error.code}
    return JSONResponse({"Message": error.message}, error.status, headers)
