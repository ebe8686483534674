"""The service as its users have it: sign in, ask by the HTTP API, upload, wait, download. Knows no AWS but Cognito."""

import io
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
from botocore.exceptions import ClientError

from infra.operator.stage import DeployedStage, aws_errors
from serve.errors import Gen3DError

_FIRST_LOOK_SECONDS: Final = 0.5
_SELDOMEST_LOOK_SECONDS: Final = 5.0
# So long no answer is taken for a cloud that is busy, or a line that is bad.
_PATIENCE_SECONDS: Final = 60.0
_SECONDS: Final = httpx.Timeout(60, connect=10)
_DOWNLOADS: Final = 3
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Job = dict[str, Any]


class ApiError(Gen3DError):
    """What the API refused, in its own words. Its codes are those of `lambdas/jobs/`, and not all are in KINDS."""

    def __init__(self, status: int, code: str, message: str) -> None:
        Exception.__init__(self, f"{code}: {message}")
        self.status, self.code, self.message, self.details = status, code, message, {}


class Session:
    """A user who has signed in.

    Args:
        stage: Where.
        email: Who.
        password: The user's password; it is not kept.

    Raises:
        Gen3DError: `sign_in_failed`, `aws_unusable` or `aws_unreachable`.
    """

    def __init__(self, stage: DeployedStage, email: str, password: str) -> None:
        with aws_errors():
            self._cognito = stage.client("cognito-idp")
        self._client_id = stage.outputs["UserPoolClientId"]
        answer = self._ask("USER_PASSWORD_AUTH", {"USERNAME": email, "PASSWORD": password})
        if "AuthenticationResult" not in answer:
            challenge = answer.get("ChallengeName", "something unknown")
            raise Gen3DError(
                "sign_in_failed",
                f"Cognito wants more than a password of {email} ({challenge}), which this command cannot give: sign in"
                " on the page first where a new password is wanted, else as another user.",
            )
        self._refresh_token = answer["AuthenticationResult"]["RefreshToken"]
        self.token = str(answer["AuthenticationResult"]["IdToken"])

    def renew(self) -> None:
        """Gets a new token; they last half an hour, jobs may last longer.

        Raises:
            Gen3DError: As at the beginning.
        """
        answer = self._ask("REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": self._refresh_token})
        self.token = str(answer["AuthenticationResult"]["IdToken"])

    def _ask(self, flow: str, parameters: dict[str, str]) -> dict[str, Any]:
        with aws_errors():
            try:
                answer: dict[str, Any] = self._cognito.initiate_auth(
                    ClientId=self._client_id, AuthFlow=flow, AuthParameters=parameters
                )
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                    raise
                said = error.response["Error"]
                if said["Code"] == "TooManyRequestsException":  # which says nothing of the password
                    raise
                raise Gen3DError("sign_in_failed", f"{said['Code']}: {said['Message']}") from None
        return answer


class Service:
    """The service, for one user; to be closed.

    Args:
        stage: Which.
        session: Who.
    """

    def __init__(self, stage: DeployedStage, session: Session) -> None:
        self._session = session
        # Addresses of this machine: no proxy of the environment knows them.
        self._http = httpx.Client(timeout=_SECONDS, trust_env=stage.local is None)
        self._jobs = f"{stage.page}/api/jobs"

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def create(self, asked: dict[str, Any]) -> Job:
        """Makes a job of a `NewJob` of the API's; the answer has its `id`, and in `upload` the form for the photo.

        Raises:
            Gen3DError: What the API refuses it for, `sign_in_failed` or `service_unreachable`.
        """
        return self._call("POST", self._jobs, asked)

    def job(self, job_id: str) -> Job:
        """All there is to say of a job, with fresh links to its files.

        Raises:
            Gen3DError: As `create`.
        """
        return self._call("GET", f"{self._jobs}/{job_id}")

    def delete(self, job_id: str) -> None:
        """Removes a job.

        Raises:
            Gen3DError: As `create`.
        """
        self._call("DELETE", f"{self._jobs}/{job_id}")

    def upload(self, form: Job, photo: bytes, media_type: str, tell: Callable[[float], None]) -> None:
        """Sends the photo.

        Args:
            form: What came with the job.
            photo: The file.
            media_type: As it was announced.
            tell: Is told how much is sent, in percent.

        Raises:
            Gen3DError: `upload_refused` or `service_unreachable`.
        """
        file = _Watched(photo, tell)
        try:
            # The file is the last field, as S3 wants it.
            answer = self._http.post(form["url"], data=form["fields"], files={"file": ("photo", file, media_type)})
        except httpx.TransportError as error:
            raise _unreachable(f"The photo could not be sent: {error}") from None
        if answer.is_server_error:
            raise _unreachable(f"S3 answers the photo with status {answer.status_code}")
        if not answer.is_success:
            raise Gen3DError("upload_refused", f"S3 does not take the photo: {_reason_of_s3(answer)}.")

    def follow(self, job_id: str) -> Iterator[Job]:
        """A job as it is, again and again, until it has ended; seldomer as it goes on.

        Raises:
            Gen3DError: As `create`; short failures of the service are waited for.
        """
        pause, last_answer = _FIRST_LOOK_SECONDS, time.monotonic()
        while True:
            try:
                job = self.job(job_id)
            except Gen3DError as error:
                is_short = time.monotonic() - last_answer <= _PATIENCE_SECONDS
                if error.code not in ("service_unreachable", "aws_unreachable") or not is_short:
                    raise
            else:
                last_answer = time.monotonic()
                yield job
                if job["ended_at"] is not None:
                    return
            time.sleep(pause)
            pause = min(pause * 1.2, _SELDOMEST_LOOK_SECONDS)

    def download(self, address: str, file: Path) -> None:
        """Writes what is at this address to a file, which is there whole or not at all.

        Raises:
            Gen3DError: `output_not_writable` or `service_unreachable`.
        """
        draft = file.with_name(f".{file.name}.part")
        try:
            with self._http.stream("GET", address) as answer:
                if not answer.is_success:
                    raise _unreachable(f"{file.name} cannot be downloaded (status {answer.status_code})")
                with draft.open("wb") as output:
                    for chunk in answer.iter_bytes():
                        output.write(chunk)
            draft.replace(file)
        except httpx.TransportError as error:
            raise _unreachable(f"{file.name} cannot be downloaded: {error}") from None
        except OSError as error:
            raise Gen3DError("output_not_writable", f"'{file}' cannot be written: {error.strerror}.") from None
        finally:
            draft.unlink(missing_ok=True)

    def _call(self, method: str, address: str, body: Job | None = None) -> Job:
        answer = self._send(method, address, body)
        if answer.status_code == 401:  # it has expired
            self._session.renew()
            answer = self._send(method, address, body)
        try:
            said = answer.json() if answer.content else {}
            if answer.is_success:
                return dict(said)
            problem = said.get("error")
            if problem is not None:
                raise ApiError(answer.status_code, problem["code"], problem["message"])
        except (ValueError, TypeError, AttributeError, KeyError):
            said = {}
        if answer.status_code == 401:
            raise Gen3DError("sign_in_failed", "The API does not take the token that Cognito has given.")
        # What stands before the API speaks for itself.
        message = said.get("message", "no reason was given")
        raise _unreachable(f"The API answers with status {answer.status_code}: {message}")

    def _send(self, method: str, address: str, body: Job | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._session.token}"}
        try:
            return self._http.request(method, address, json=body, headers=headers)
        except httpx.TransportError as error:
            raise _unreachable(f"The API does not answer: {error}") from None


class Results:
    """A job's files as they come into a folder.

    Args:
        service: Where they are.
        folder: Where they go; must exist.
    """

    def __init__(self, service: Service, folder: Path) -> None:
        self._service, self._folder = service, folder
        self._sizes: dict[str, int] = {}

    def fetch(self, job: Job) -> None:
        """Downloads what of the job is not here yet.

        Raises:
            Gen3DError: `output_not_writable`, `service_unreachable`, or what the API refuses.
        """
        for name, file in _files(job).items():
            if self._sizes.get(name) != file["bytes"]:
                self._fetch(job["id"], name, file)
                self._sizes[name] = file["bytes"]

    def _fetch(self, job_id: str, name: str, file: Job) -> None:
        for left in reversed(range(_DOWNLOADS)):
            try:
                self._service.download(file["url"], self._folder / name)
            except Gen3DError as error:
                if error.code != "service_unreachable" or not left:
                    raise
                # The link may have expired while other files came.
                file = _files(self._service.job(job_id)).get(name, file)
            else:
                return


class _Watched(io.BytesIO):
    """Bytes whose reading is told of."""

    def __init__(self, data: bytes, tell: Callable[[float], None]) -> None:
        super().__init__(data)
        self._size, self._tell = len(data), tell

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._tell(100 * self.tell() / self._size)
        return data


def _files(job: Job) -> dict[str, Job]:
    """The files of all objects and of the job itself, by name."""
    found = {file["name"]: file for each in (*job["objects"], job) for file in each["files"]}
    for name in found:
        if not _NAME.fullmatch(name):  # it could mean another folder
            raise _unreachable(f"The API names a file {name!r}, which is no name of a result")
    return found


def _reason_of_s3(answer: httpx.Response) -> str:
    try:
        said = ET.fromstring(answer.content)  # noqa: S314 - it comes from the address that the service gave
    except ET.ParseError:
        return f"status {answer.status_code}"
    return f"{said.findtext('Code')}: {(said.findtext('Message') or '').rstrip('.')}"


def _unreachable(message: str) -> Gen3DError:
    return Gen3DError("service_unreachable", f"{message.rstrip('.')}.")
