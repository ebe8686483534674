"""A watch at the Lambdas' clients, which sees every call and may end a Lambda there. Knows no Lambda."""

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any, Protocol

from botocore.exceptions import ClientError, ReadTimeoutError


class Killed(BaseException):
    """The Lambda died here; like a real death, no handler of exceptions notices."""


class Watched(Protocol):
    """Whom the watch tells of what the Lambdas have done."""

    def happened(self, key: str) -> None:
        """An object was created."""
        ...

    def invoked(self, inference_id: str, input_location: str) -> dict[str, str]:
        """SageMaker takes an invocation: where its answer and its failure will lie."""
        ...


class Watch:
    """Stands at every call of the Lambdas' clients: records it, and kills or refuses where it was told to.

    Attributes:
        at_work: Which Lambda it is whose calls these are; none where it is empty.
        calls: The Lambda, the call, and which key or prefix of S3.
        asked: The Lambda, the call, and all its parameters.
        points: How many points the Lambda has passed: before a call is sent, and after it is answered.
        kill_at: The point at which it dies.
        meanwhile: What happens at a point, between two steps of the Lambda.
        refuse: Which calls are refused.
        refusal: The code of the error they are refused with.
        silence: Which calls are taken, and never answered.
        mails: What SES has taken.
        repeats: The calls that a kill left done but not said.
    """

    def __init__(self) -> None:
        self._params: dict[str, Any] = {}
        self._key = ""
        self._mail: EmailMessage | None = None

    def begin(self, world: Watched) -> None:
        """Forgets everything, and watches for this world from now on."""
        self._world = world
        self.at_work = ""
        self.calls: list[tuple[str, str, str]] = []
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.points = 0
        self.kill_at: int | None = None
        self.meanwhile: tuple[int, Callable[[], object]] | None = None
        self.refuse: Callable[[str], bool] = lambda _: False
        self.refusal = "ServiceUnavailable"
        self.silence: Callable[[str], bool] = lambda _: False
        self.mails: list[EmailMessage] = []
        self.repeats: list[str] = []

    def attend(self, client: Any) -> None:
        events = client.meta.events
        events.register("provide-client-params", self._remember)
        events.register_first("before-call", self._before)
        # The same name, as botocore calls those of a more special one first.
        events.register_last("before-call", self._invoke)
        events.register("after-call", self._after)

    def _remember(self, params: dict[str, Any], **_: Any) -> None:
        """Also called where something is only presigned."""
        self._params = params

    def _before(self, model: Any, **_: Any) -> None:
        call = f"{model.service_model.service_name}:{model.name}"
        if not self.at_work:
            return
        params = self._params
        self._key = params.get("Key", params.get("Prefix", ""))
        self._point(f"before {call}")
        self.calls.append((self.at_work, call, self._key))
        self.asked.append((self.at_work, call, params))
        if self.refuse(call):
            error: Any = {"Error": {"Code": self.refusal}, "ResponseMetadata": {"HTTPStatusCode": 503}}
            raise ClientError(error, model.name)
        if call == "sesv2:SendEmail":
            self._mail = message_from_bytes(params["Content"]["Raw"]["Data"], policy=policy.default)

    def _invoke(self, params: dict[str, Any], model: Any, **_: Any) -> Any:
        if model.name != "InvokeEndpointAsync":
            return None
        headers = params["headers"]
        inference_id = headers["X-Amzn-SageMaker-Inference-Id"]
        places = self._world.invoked(inference_id, headers["X-Amzn-SageMaker-InputLocation"])
        return SimpleNamespace(status_code=202), {"InferenceId": inference_id, **places}

    def _after(self, http_response: Any, model: Any, **_: Any) -> None:
        if not self.at_work:
            return
        if http_response.status_code < 300:
            if model.name in ("PutObject", "CopyObject"):
                self._world.happened(self._key)
            if model.name == "SendEmail" and self._mail is not None:
                self.mails.append(self._mail)
        self._point(f"after {model.name}")
        if self.silence(f"{model.service_model.service_name}:{model.name}"):
            raise ReadTimeoutError(endpoint_url=model.name)

    def _point(self, where: str) -> None:
        self.points += 1
        if self.meanwhile is not None and self.points == self.meanwhile[0]:
            happening, self.meanwhile = self.meanwhile[1], None
            at_work, points, key = self.at_work, self.points, self._key
            happening()
            self.at_work, self.points, self._key = at_work, points, key
        if self.points == self.kill_at:
            calls = [call for _, call, _ in self.calls]
            for done in ("sesv2:SendEmail", "sagemaker-runtime:InvokeEndpointAsync"):
                if where == f"after {done.partition(':')[2]}" or (
                    where == "before s3:PutObject" and calls[-1:] == [done]
                ):
                    self.repeats.append(done)
            raise Killed(where)
