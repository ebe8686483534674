"""The inference server: `/ping` and `/invocations` over HTTP, as SageMaker wants them. HTTP and nothing but HTTP."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serve.contract import JobId, Progress
from serve.engine import Engine
from serve.errors import Gen3DError, StoppedError, error_body
from serve.forms import Asked, read_request, shown
from serve.images import Photo, read_photo
from serve.job import run_job
from serve.logs import emit_metrics, job_logging
from serve.progress import ProgressReport
from serve.replies import Form, KeepingFolder, Reply, choose_form, compose
from serve.s3 import read_s3
from serve.settings import Settings
from serve.storage import Folder, JobFolders, MemoryFolder, open_output
from serve.worker import Worker

INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
_RETRY_SECONDS = "5"
# Of the drain, kept for sending the last answers.
_LAST_WORDS_SECONDS = 2.0
# Left in a job's folder by who no longer wants the job.
_TOMBSTONES = ("cancelled.json", "deleted.json")
_JOB_ID = TypeAdapter[str](JobId)

Result = TypeVar("Result")

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

    app = FastAPI(
        title="Gen3D", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    app.state.service = service

    @app.exception_handler(Gen3DError)
    async def known(_: Request, error: Gen3DError) -> Response:
        return _error_response(error)

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> Response:
        code, place = "not_found", shown(request.url.path)
        message = f"There is nothing at {place}: the server has GET /ping and POST /invocations."
        if error.status_code == 405:
            code, message = "method_not_allowed", f"{place} does not answer to {shown(request.method)}."
        response = _error_response(Gen3DError(code, message))
        response.headers.update(error.headers or {})  # which methods are allowed
        return response

    @app.exception_handler(Exception)
    async def defect(_: Request, __: Exception) -> Response:
        return _error_response(_defect())  # Starlette raises it again, and uvicorn logs it

    @app.get("/ping")
    async def ping() -> Response:
        service.worker.check()
        return JSONResponse({"status": "ready", "engine": settings.engine})

    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        return await _invoke(service, request)

    return app


def _error_response(error: Gen3DError) -> Response:
    # A failed engine stays so until a restart: there is nothing to try again for.
    is_passing = error.status == 503 and error.code != "engine_failed"
    headers = {"Retry-After": _RETRY_SECONDS} if is_passing else None
    return JSONResponse(error_body(error), status_code=error.status, headers=headers)


async def _invoke(service: Service, http: Request) -> Response:
    """One request from its first byte to its answer, whatever that is; logged and measured."""
    began = time.perf_counter()
    settings = service.settings
    job_id, boxes = _job_id(http.headers.get(INFERENCE_ID)), 0
    with ExitStack() as named:
        named.enter_context(job_logging(job_id))
        try:
            service.worker.check()
            service.worker.check_room()  # before a body is read that could only be refused
            form = choose_form(", ".join(http.headers.getlist("accept")))
            reading = read_request(http, max_body_bytes=settings.max_body_bytes, max_boxes=settings.max_boxes)
            asked = await _in_time(service, reading)
            boxes = len(asked.request.boxes)
            if asked.request.job_id is not None:
                job_id = asked.request.job_id
                named.enter_context(job_logging(job_id))
            log.info("job accepted", extra={"boxes": boxes, "answer": form})
            reply, status = await _wait(service, http, _Work(settings, asked, job_id, form))
        except Exception as caught:  # noqa: BLE001 - whatever it was, the client gets an answer
            error = _explain(caught)
            status = error.code
            log.info("request refused or stopped", extra={"code": error.code, "reason": error.message})
            response = _error_response(error)
        else:
            response = Response(reply.body, media_type=reply.media_type, headers={"X-Gen3D-Status": status})
            if reply.file_name is not None:
                response.headers["Content-Disposition"] = f'attachment; filename="{reply.file_name}"'
        response.headers["X-Gen3D-Job-Id"] = job_id
        emit_metrics(
            {
                "Requests": (1, "Count"),
                "Objects": (boxes, "Count"),
                "Latency": (time.perf_counter() - began, "Seconds"),
            },
            dimensions={"Engine": settings.engine, "Status": status},
        )
        return response


def _explain(caught: Exception) -> Gen3DError:
    """What to tell the client, and the log what it alone may know."""
    if isinstance(caught, Gen3DError):
        return caught
    if isinstance(caught, ClientDisconnect):
        return _gone()
    log.error("a defect", exc_info=caught)
    return _defect()


def _defect() -> Gen3DError:
    return Gen3DError("internal_error", "The server met a defect; its log has the details.")


def _gone() -> StoppedError:
    return StoppedError("cancelled", "The client went away.")


def _shutting_down() -> StoppedError:
    return StoppedError("shutting_down", "The server had to stop before this request was done: send it again.")


def _job_id(inference_id: str | None) -> str:
    """SageMaker's id of the invocation where it can name a job, else a new one."""
    if inference_id is not None:
        with suppress(ValidationError):
            return _JOB_ID.validate_python(inference_id)
    return uuid.uuid4().hex


async def _in_time(service: Service, work: Coroutine[Any, Any, Result]) -> Result:
    """What the work returns, unless the server has to stop first."""
    task = asyncio.create_task(work)
    time_is_up = asyncio.create_task(service.time_is_up.wait())
    try:
        await asyncio.wait({task, time_is_up}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise _shutting_down()
    finally:
        task.cancel()
        time_is_up.cancel()


async def _wait(service: Service, http: Request, work: "_Work") -> tuple[Reply, str]:
    """Has the worker do it, unless its client goes away or the server has to stop first."""
    done = asyncio.wrap_future(service.worker.submit(work.do))
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
        stopped = _shutting_down() if time_is_up.done() else _gone()
        work.stop(stopped)
        raise stopped
    finally:
        for task in (gone, time_is_up):
            task.cancel()
        done.cancel()  # which takes work that has not begun out of the queue


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
        """Ends the work when its next stage or step begins."""
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
        if progress.step is None:
            log.info("stage", extra={"stage": progress.stage, "object": progress.object})
        if progress.stage in ("failed", "done"):
            return
        if self._stopped is not None:
            raise self._stopped
        # Before an object is begun, and before it is stored: somebody may no longer want the job.
        if progress.step is None and progress.stage in ("segment", "store") and self._is_unwanted():
            raise StoppedError("cancelled", "The job was cancelled.")

    def _is_unwanted(self) -> bool:
        return self._folders is not None and any(map(self._folders.job.holds, _TOMBSTONES))

    def _photo(self) -> Photo:
        image = self._asked.image
        if image is None:
            uri = self._asked.request.image_uri or ""
            image = read_s3(uri, max_bytes=self._settings.max_image_bytes)
        return read_photo(image, max_pixels=self._settings.max_pixels)
