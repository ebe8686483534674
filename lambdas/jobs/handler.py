"""The HTTP API (payload version 2): parses a request, calls one function of the logic, and writes its answer."""

import base64
import binascii
import functools
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from lambdas.jobs.asking import read_body, read_job, read_label
from lambdas.jobs.errors import ApiError
from lambdas.jobs.logic import NAME, PAGE, Jobs, User
from lambdas.jobs.settings import JobsSettings
from lambdas.shared.clients import make_client
from lambdas.shared.job_folder import is_job_id, is_sub
from lambdas.shared.settings import read_settings
from lambdas.shared.store import Store
from lambdas.shared.telemetry import Metrics, make_logger

log = make_logger(NAME)


@functools.cache
def service() -> Jobs:
    """What the logic needs, made at the cold start."""
    settings = read_settings(JobsSettings)
    return Jobs(
        settings=settings,
        store=Store(settings.bucket, make_client("s3")),
        now=lambda: datetime.now(UTC),
        metrics=Metrics(settings.metrics_namespace, NAME),
        log=log,
    )


class Call:
    """A request, taken apart as far as its route needs it."""

    def __init__(self, event: dict[str, Any], job_id: str) -> None:
        self._event, self.job_id = event, job_id
        self.jobs = service()
        self.user = _user(event)

    def body(self) -> dict[str, Any]:
        """The JSON object in the body."""
        text = self._event.get("body") or ""
        if self._event.get("isBase64Encoded"):
            try:
                text = base64.b64decode(text, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise ApiError("invalid_json", "The body is not JSON.") from None
        return read_body(text)

    def query(self, name: str) -> str | None:
        """A parameter of the query."""
        value = (self._event.get("queryStringParameters") or {}).get(name)
        return None if value is None else str(value)


def _create(call: Call) -> tuple[int, dict[str, Any] | None]:
    settings = call.jobs.settings
    if not call.user.email:
        raise ApiError("email_unverified", "Your e-mail address is not verified: have the admin verify it.")
    asked = read_job(call.body(), max_boxes=settings.max_boxes, max_image_bytes=settings.max_image_bytes)
    return 201, call.jobs.create(call.user, asked)


def _list(call: Call) -> tuple[int, dict[str, Any] | None]:
    cursor, limit = call.query("cursor"), call.query("limit")
    if cursor is not None and not is_job_id(cursor):
        raise ApiError("invalid_cursor", "The cursor is not one that a listing gave: begin without one.")
    if limit is not None and not (re.fullmatch(r"[0-9]{1,2}", limit) and 1 <= int(limit) <= PAGE):
        raise ApiError("invalid_request", f"limit must be an integer from 1 to {PAGE}.")
    return 200, call.jobs.page(call.user, cursor, PAGE if limit is None else int(limit))


def _get(call: Call) -> tuple[int, dict[str, Any] | None]:
    return 200, call.jobs.get(call.user, call.job_id)


def _rename(call: Call) -> tuple[int, dict[str, Any] | None]:
    body = call.body()
    if set(body) != {"label"}:
        raise ApiError("invalid_request", "The body must have the field label, and no other.")
    return 200, call.jobs.rename(call.user, call.job_id, read_label(body["label"]))


def _cancel(call: Call) -> tuple[int, dict[str, Any] | None]:
    return 200, call.jobs.cancel(call.user, call.job_id)


def _retry(call: Call) -> tuple[int, dict[str, Any] | None]:
    if not call.user.email:
        raise ApiError("email_unverified", "Your e-mail address is not verified: have the admin verify it.")
    return 201, call.jobs.retry(call.user, call.job_id)


def _delete(call: Call) -> tuple[int, dict[str, Any] | None]:
    call.jobs.delete(call.user, call.job_id)
    return 204, None


def _limits(call: Call) -> tuple[int, dict[str, Any] | None]:
    return 200, call.jobs.limits(call.user)


Answer = Callable[[Call], tuple[int, dict[str, Any] | None]]
ROUTES: Final[dict[str, dict[str, Answer]]] = {
    "/api/jobs": {"POST": _create, "GET": _list},
    "/api/jobs/{job}": {"GET": _get, "DELETE": _delete},
    "/api/jobs/{job}/label": {"PUT": _rename},
    "/api/jobs/{job}/cancel": {"POST": _cancel},
    "/api/jobs/{job}/retry": {"POST": _retry},
    "/api/limits": {"GET": _limits},
}


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001 - nothing of it is needed
    """One request, whatever it is, gets an answer in one of the shapes of the OpenAPI file."""
    try:
        http = event["requestContext"]["http"]
        answer, job_id = _route(http["method"], event.get("rawPath") or http["path"])
        status, body = answer(Call(event, job_id))
    except ApiError as error:
        log.info("refused", extra={"code": error.code, "reason": error.message})
        status, body = error.status, error.body()
    except Exception:
        log.exception("a request met a defect")
        defect = ApiError("internal_error", "The service met a defect; its log has the details. Try again later.")
        status, body = defect.status, defect.body()
    answered: dict[str, Any] = {"statusCode": status, "headers": {"Cache-Control": "no-store"}}
    if body is not None:
        answered["headers"]["Content-Type"] = "application/json"
        answered["body"] = json.dumps(body)
    return answered


def _route(method: str, path: str) -> tuple[Answer, str]:
    """What answers, and the job's id in the path, which no check has seen yet."""
    for template, methods in ROUTES.items():
        pattern = re.escape(template).replace(r"\{job\}", "(?P<job>[^/]+)")
        match = re.fullmatch(pattern, path)
        if match is None:
            continue
        if method not in methods:
            allowed = ", ".join(sorted(methods))
            raise ApiError("method_not_allowed", f"This path answers to {allowed}.", methods=sorted(methods))
        return methods[method], match.groupdict().get("job", "")
    raise ApiError("not_found", "There is nothing at this path; the OpenAPI file lists what there is.")


def _user(event: dict[str, Any]) -> User:
    """Who is asking: by the ID token that the HTTP API has verified, and by nothing else."""
    try:
        claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
        sub, use = claims["sub"], claims["token_use"]
    except (KeyError, TypeError):
        raise ApiError("unauthorized", "Sign in, and send the ID token as a bearer token.") from None
    if use != "id" or not isinstance(sub, str) or not is_sub(sub):
        raise ApiError("unauthorized", "The token is not an ID token of a user: sign in, and send that one.")
    is_verified = str(claims.get("email_verified", "")).lower() == "true"
    return User(sub, str(claims.get("email", "")) if is_verified else "")


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    service()  # so that a wrong setting fails the start, and not the first request
