"""The documents of a job's folder, one schema each, as JSON. Knows neither keys nor S3.

Dataclasses with validation by hand: the zips hold no compiled code, so no pydantic.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self, TypeVar, get_args

SCHEMA_VERSION = "1.0"

OutcomeStatus = Literal["succeeded", "partial", "failed", "cancelled", "lost"]
StepState = Literal["begun", "done", "released"]
Choice = TypeVar("Choice", bound=str)


class DocumentError(ValueError):
    """A document is not what its schema says; the message names the field."""


def moment(value: datetime) -> str:
    """A time as the documents write it: ISO 8601 in UTC, such as `2026-11-23T10:18:23.250Z`."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def readable(text: str) -> str:
    """The text with a question mark for each lone surrogate, which JSON can say and UTF-8 cannot."""
    return text.encode(errors="replace").decode()


class Fields:
    """The fields of a JSON object, read one by one; a DocumentError names the one that is not as it should be."""

    def __init__(self, data: object, what: str) -> None:
        if not isinstance(data, dict):
            raise DocumentError(f"{what} is not a JSON object")
        self._data, self._what = data, what

    @classmethod
    def of_json(cls, data: bytes | str, what: str) -> Self:
        """The fields of an object that lies there as JSON text."""
        try:
            return cls(json.loads(data), what)
        except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError too
            raise DocumentError(f"{what} is not JSON") from None

    def text(self, name: str) -> str:
        """A string that is there."""
        value = self._data.get(name)
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        return value

    def text_or_none(self, name: str) -> str | None:
        """A string, or None where there is none."""
        return None if self._data.get(name) is None else self.text(name)

    def number(self, name: str) -> float:
        """A number that is there."""
        value = self._data.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, "a number")
        return value

    def whole(self, name: str) -> int:
        """An integer that is there."""
        value = self._data.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(name, "an integer")
        return value

    def whole_or_none(self, name: str) -> int | None:
        """An integer, or None where there is none."""
        return None if self._data.get(name) is None else self.whole(name)

    def time(self, name: str) -> datetime:
        """A time with its zone that is there."""
        try:
            value = datetime.fromisoformat(self.text(name))
        except ValueError:
            raise self._wrong(name, "a time in ISO 8601") from None
        if value.tzinfo is None:
            raise self._wrong(name, "a time with its zone")
        return value

    def choice(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        """One of these strings."""
        value = self.text(name)
        if value not in choices:
            raise self._wrong(name, f"one of {', '.join(choices)}")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false where there is none."""
        value = self._data.get(name, False)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """An object; empty where there is none."""
        value = self._data.get(name) or {}
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return value

    def each(self, name: str) -> list["Fields"]:
        """The objects of an array; empty where there is none."""
        value = self._data.get(name) or []
        if not isinstance(value, list | tuple):
            raise self._wrong(name, "an array")
        return [Fields(item, f"{self._what}: {name}[{index}]") for index, item in enumerate(value)]

    def fields_or_none(self, name: str) -> "Fields | None":
        """An object's fields, or None where there is none."""
        value = self._data.get(name)
        return None if value is None else Fields(value, f"{self._what}: {name}")

    def _wrong(self, name: str, wanted: str) -> DocumentError:
        return DocumentError(f"{self._what}: '{name}' must be {wanted}")


def to_json(document: Any) -> bytes:
    """A document as it lies in the folder: what is None is left out."""

    def compact(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: compact(item) for name, item in value.items() if item is not None}
        if isinstance(value, list | tuple):
            return [compact(item) for item in value]
        return moment(value) if isinstance(value, datetime) else value

    return json.dumps({"schema_version": SCHEMA_VERSION, **compact(asdict(document))}, indent=2).encode() + b"\n"


@dataclass(frozen=True)
class Origin:
    """Who asked for a job: the metadata of `request.json`.

    It is not in the body, because that is the contract's, and the container has no use for an e-mail address.

    Attributes:
        sub: The user, as Cognito verified him.
        email: The user's verified address.
        upload_until: Until when the photo may be uploaded; then the sweep looks for it.
    """

    sub: str
    email: str
    upload_until: datetime

    def to_metadata(self) -> dict[str, str]:
        """As metadata of an S3 object, which must be ASCII: so the JSON is."""
        return {"origin": json.dumps({**asdict(self), "upload_until": moment(self.upload_until)})}

    @classmethod
    def parse(cls, metadata: Mapping[str, str]) -> Self:
        """Raises DocumentError where it is not one."""
        fields = Fields.of_json(metadata.get("origin", ""), "the metadata of request.json")
        return cls(
            sub=fields.text("sub"),
            email=fields.text("email"),
            upload_until=fields.time("upload_until"),
        )


@dataclass(frozen=True)
class Step:
    """`submitted.json`, `mail-user.json`, `mail-admin.json`: something to be done once, by whoever comes first.

    Attributes:
        state: `begun` by somebody who has until `until` to say that it is `done`; `released` where it failed, or
            after that time, the next one may begin it anew.
        by: A random name of who began it.
        until: When the one who began it is certainly dead.
        deadline: Of the submission: when the job must have ended.
        result: What doing it has given, or why it failed: strings by name.
    """

    state: StepState
    by: str
    until: datetime
    deadline: datetime | None
    result: dict[str, str]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises DocumentError where it is not one."""
        fields = Fields.of_json(data, "a step's document")
        return cls(
            state=fields.choice("state", get_args(StepState)),
            by=fields.text("by"),
            until=fields.time("until"),
            deadline=fields.time("deadline") if fields.text_or_none("deadline") else None,
            result={name: str(value) for name, value in fields.mapping("result").items()},
        )


@dataclass(frozen=True)
class Progress:
    """`progress.json`, which the container writes: what of it people are told."""

    stage: str
    percent: float
    object: int | None
    objects: int

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises DocumentError where it is not one."""
        fields = Fields.of_json(data, "progress.json")
        return cls(
            stage=fields.text("stage"),
            percent=fields.number("percent"),
            object=fields.whole_or_none("object"),
            objects=fields.whole("objects"),
        )


@dataclass(frozen=True)
class Problem:
    """Why a job or an object failed: a code for programs, a sentence for people."""

    code: str
    message: str

    @classmethod
    def read(cls, fields: Fields | None) -> Self | None:
        """None where there is none."""
        return None if fields is None else cls(readable(fields.text("code")), readable(fields.text("message")))


@dataclass(frozen=True)
class File:
    """A file below `output/`."""

    name: str
    media_type: str
    bytes: int

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Raises DocumentError where it is not one."""
        return cls(fields.text("name"), fields.text("media_type"), fields.whole("bytes"))


@dataclass(frozen=True)
class ObjectOutcome:
    """What became of one box."""

    index: int
    label: str | None
    status: Literal["succeeded", "failed"]
    files: tuple[File, ...]
    error: Problem | None

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Raises DocumentError where it is not one."""
        return cls(
            index=fields.whole("index"),
            label=fields.text_or_none("label"),
            status=fields.choice("status", ("succeeded", "failed")),
            files=tuple(File.read(file) for file in fields.each("files")),
            error=Problem.read(fields.fields_or_none("error")),
        )


# Why a job as a whole failed, where the container has not given a code of its own.
OUTCOME_CODES: Final = {
    "image_empty": "The uploaded file has no bytes.",
    "image_too_large": "The uploaded file is larger than a photo may be.",
    "image_unsupported": "The uploaded file is no picture that is read.",
    "upload_missing": "The photo was not uploaded in time.",
    "never_submitted": "No endpoint took the job in time.",
    "no_answer": "Neither an answer nor a failure came in time.",
    "inference_failed": "SageMaker gave the job up; the message is its reason.",
    "result_unreadable": "What the container answered cannot be read.",
    "no_object_made": "Every object failed, and says why.",
    "cancelled": "The user cancelled the job.",
}


@dataclass(frozen=True)
class Outcome:
    """`outcome.json`: how a job ended. Whoever comes first writes it, and it never changes.

    Attributes:
        status: How.
        ended_at: When that was found.
        engine: The name of the engine that made the results, where one did.
        preview: Whether the shapes are previews rather than reconstructions.
        objects: What became of the boxes, where the container has answered.
        files: The files of the job as a whole.
        error: Why the job as a whole failed: with one of OUTCOME_CODES, or a code of the container's.
    """

    status: OutcomeStatus
    ended_at: datetime
    engine: str | None = None
    preview: bool = False
    objects: tuple[ObjectOutcome, ...] = ()
    files: tuple[File, ...] = ()
    error: Problem | None = None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises DocumentError where it is not one."""
        fields = Fields.of_json(data, "outcome.json")
        return cls(
            status=fields.choice("status", get_args(OutcomeStatus)),
            ended_at=fields.time("ended_at"),
            engine=fields.text_or_none("engine"),
            preview=fields.flag("preview"),
            objects=tuple(ObjectOutcome.read(item) for item in fields.each("objects")),
            files=tuple(File.read(item) for item in fields.each("files")),
            error=Problem.read(fields.fields_or_none("error")),
        )


@dataclass(frozen=True)
class Tombstone:
    """`cancelled.json` and `deleted.json`: since when."""

    at: datetime
