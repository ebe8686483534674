"""The inference server: `/ping` and `/invocations` over HTTP, as SageMaker wants them. HTTP and nothing but HTTP."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serve.contract import JobId, Progress
from serve.engine import Engine
from serve.errors import Gen3DError, StoppedError, error_body
from serve.forms import Asked, read_request
from serve.images import Photo, read_photo
from serve.job import run_job
from serve.logs import emit_metrics, job_logging
from serve.progress import ProgressReport
from serve.replies import Form, KeepingFolder, Reply, choose_form, compose
from serve.settings import Settings
from serve.storage import Folder, JobFolders, MemoryFolder, open_output, read_s3
from serve.worker import Worker

INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
_RETRY_SECONDS = "5"
# Of the drain, kept for sending the last answers.
_LAST_WORDS_SECONDS = 2.0

log = logging.getLogger(__name__)


class Service:
    """What the handlers share: the worker, and whether the server is on its way out."""

    def __init__(self, load: Callable[[], Engine], settings: Settings) -> None:
        self.settings = settings
        self.worker = Worker(load, settings.queue_size)
        self.time_is_up = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begins to load the engine; to be called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self.worker.start()

    def begin_drain(self) -> None:
        """The process was told to stop: take nothing new, and answer everybody before the time is up. For signals."""
        self.worker.refuse_new_jobs()
        if self._loop is not None:
            patience = max(0.0, self.settings.drain_seconds - _LAST_WORDS_SECONDS)
            self._loop.call_soon_threadsafe(self._loop.call_later, patience, self.time_is_up.set)


def create_app(load: Callable[[], Engine], settings: Settings) -> FastAPI:
    """The application; `load` makes the engine and is called on the worker's thread when the server starts."""
    service = Service(load, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield

    app = FastAPI(title="Gen3D", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service

    @app.exception_handler(Gen3DError)
    async def known(_: Request, error: Gen3DError) -> Response:
        return _error_response(error)

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            return _error_response(
                Gen3DError("method_not_allowed", f"{request.url.path} does not answer to {request.method}.")
            )
        message = f"There is nothing at {request.url.path}: the server has GET /ping and POST /invocations."
        return _error_response(Gen3DError("not_found", message))

    @app.exception_handler(Exception)
    async def defect(_: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette logs it by raising it again
        return _error_response(Gen3DError("internal_error", "The server met a defect; its log has the details."))

    @app.get("/ping")
    async def ping() -> Response:
        service.worker.check()
        return JSONResponse({"status": "ready", "engine": settings.engine})

    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        with suppress(ClientDisconnect):
            return await _invoke(service, request)
        log.info("the client went away while sending its request")
        return Response(status_code=499)

    return app


def _error_response(error: Gen3DError) -> Response:
    headers = {"Retry-After": _RETRY_SECONDS} if error.status == 503 else None
    return JSONResponse(error_body(error), status_code=error.status, headers=headers)


async def _invoke(service: Service, http: Request) -> Response:
    """One request from its body to its answer."""
    began = time.perf_counter()
    settings = service.settings
    service.worker.check()
    form = choose_form(http.headers.get("accept"))
    asked = await read_request(http, max_body_bytes=settings.max_body_bytes, max_boxes=settings.max_boxes)
    job_id = asked.request.job_id or _job_id(http.headers.get(INFERENCE_ID))
    with job_logging(job_id):
        log.info("job accepted", extra={"boxes": len(asked.request.boxes), "answer": form})
        try:
            reply, status = await _wait(service, http, _Work(settings, asked, job_id, form))
        except Gen3DError as error:
            log.info("job refused or stopped", extra={"code": error.code, "reason": error.message})
            _measure(settings, error.code, began, len(asked.request.boxes))
            raise
        _measure(settings, status, began, len(asked.request.boxes))
        headers = {"X-Gen3D-Job-Id": job_id, "X-Gen3D-Status": status}
        if reply.file_name is not None:
            headers["Content-Disposition"] = f'attachment; filename="{reply.file_name}"'
        return Response(reply.body, media_type=reply.media_type, headers=headers)


def _job_id(inference_id: str | None) -> str:
    """SageMaker's id of the invocation where it can name a job, else a new one."""
    if inference_id is not None:
        with suppress(ValidationError):
            return TypeAdapter[str](JobId).validate_python(inference_id)
    return uuid.uuid4().hex


def _measure(settings: Settings, status: str, began: float, objects: int) -> None:
    emit_metrics(
        {"Requests": (1, "Count"), "Objects": (objects, "Count"), "Latency": (time.perf_counter() - began, "Seconds")},
        dimensions={"Engine": settings.engine, "Status": status},
    )


async def _wait(service: Service, http: Request, work: "_Work") -> tuple[Reply, str]:
    """Has the worker do it, unless its client goes away or the server has to stop first."""
    job = service.worker.submit(work.do)
    done = asyncio.wrap_future(job)
    gone = asyncio.create_task(_client_gone(http))
    time_is_up = asyncio.create_task(service.time_is_up.wait())
    try:
        # Work whose results are stored is worth finishing, whoever still listens.
        watched: set[asyncio.Future[Any]] = {done, time_is_up}
        if not work.is_stored:
            watched.add(gone)
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if done.done():
            return done.result()
        stopped = (
            StoppedError("shutting_down", "The server had to stop before this request was done: send it again.")
            if time_is_up.done()
            else StoppedError("cancelled", "The client went away.")
        )
        work.stop(stopped)
        job.cancel()
        raise stopped
    finally:
        for task in (gone, time_is_up):
            task.cancel()
        if not done.done():
            done.cancel()


async def _client_gone(http: Request) -> None:
    """Returns when the client has closed its connection; the body has been read before."""
    while (await http.receive())["type"] != "http.disconnect":
        pass


class _Work:
    """One request's work, done on the worker's thread."""

    def __init__(self, settings: Settings, asked: Asked, job_id: str, form: Form) -> None:
        self._settings, self._asked, self._job_id, self._form = settings, asked, job_id, form
        request = asked.request
        if form == "model/gltf-binary" and not request.options.scene:
            message = "The answer is to be the scene, but options.scene is false: leave it out, or accept JSON."
            raise Gen3DError("invalid_request", message)
        self._folders: JobFolders | None = None
        if request.output_uri is not None:
            self._folders = open_output(request.output_uri, settings.output_prefixes)
        self._stopped: StoppedError | None = None

    @property
    def is_stored(self) -> bool:
        """Whether the results go somewhere, and not into the answer alone."""
        return self._folders is not None

    def stop(self, reason: StoppedError) -> None:
        """Ends the work when its next stage begins."""
        self._stopped = reason

    def do(self, engine: Engine) -> tuple[Reply, str]:
        """The answer, and the job's status."""
        request = self._asked.request
        output: Folder
        kept: MemoryFolder | KeepingFolder | None = None
        job_folder = None
        if self._folders is None:
            output = kept = MemoryFolder()
        else:
            output, job_folder = self._folders.output, self._folders.job
            if self._form != "application/json":
                output = kept = KeepingFolder(output)
        report = ProgressReport(self._job_id, len(request.boxes), job_folder, self._watch)
        manifest = run_job(engine, self._job_id, self._photo, request.boxes, request.options, output, report)
        return compose(self._form, manifest, kept), manifest.status

    def _watch(self, progress: Progress) -> None:
        log.info("stage", extra={"stage": progress.stage, "object": progress.object})
        if self._stopped is not None and progress.stage not in ("failed", "done"):
            raise self._stopped

    def _photo(self) -> Photo:
        image = self._asked.image
        if image is None:
            uri = self._asked.request.image_uri or ""
            image = read_s3(uri, max_bytes=self._settings.max_image_bytes)
        return read_photo(image, max_pixels=self._settings.max_pixels)
