"""The two queues of a stage and their dead letters: how many messages, what each is about, and back they go.

Dead letters are moved by receiving, sending and deleting each, in this order: what is interrupted there comes twice,
which every Lambda takes for once, and nothing is lost. SQS's StartMessageMoveTask would move what nobody has been
shown too, and the local cloud has none.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.operator.stage import DeployedStage, aws_errors
from lambdas.shared.documents import DocumentError, Step
from lambdas.shared.events import Created, read_message
from lambdas.shared.job_folder import (
    ASYNC_OUTPUT,
    IMAGE,
    MAIL_TO_ADMIN,
    MAIL_TO_USER,
    OUTCOME,
    REQUEST,
    SUBMITTED,
    Job,
    JobFolder,
    status_of,
)
from lambdas.shared.outcomes import job_of_manifest
from lambdas.shared.store import Store

# What each queue is called here, and the outputs with its address and its dead-letter queue's name.
_OUTPUTS: Final = {
    "image-uploaded": ("ImageUploadedUrl", "ImageUploadedDeadName"),
    "job-finished": ("JobFinishedUrl", "JobFinishedDeadName"),
}
QUEUES: Final = tuple(_OUTPUTS)
# So many dead letters are looked at and moved at once; more are left to the next time.
MOST_LETTERS: Final = 1000
# SQS gives ten at a time. Nobody else sees them for so long.
_BATCH: Final = 10
_HOLD_SECONDS: Final = 120
# Its codes for a message that was held for longer than that, or that somebody has deleted since.
_SEEN_ALREADY: Final = (
    "AWS.SimpleQueueService.MessageNotInflight",
    "InvalidParameterValue",
    "MessageNotInflight",
    "ReceiptHandleIsInvalid",
)
# Long enough for all of SQS's servers to be asked, not a few of them.
_WAIT_SECONDS: Final = 1
# The steps in a job's folder that say why a queue's Lambda failed.
_STEPS: Final = {"image-uploaded": (SUBMITTED,), "job-finished": (MAIL_TO_USER, MAIL_TO_ADMIN)}
_ABOUT: Final = {IMAGE: "the photo", OUTCOME: "the outcome", REQUEST: "the failure", ASYNC_OUTPUT: "the answer"}


@dataclass(frozen=True)
class Queue:
    """A queue, and where its messages go that nobody could handle.

    Attributes:
        name: One of QUEUES.
        url: Its address.
        dead: The address of its dead-letter queue.
    """

    name: str
    url: str
    dead: str


@dataclass(frozen=True)
class Depth:
    """How many messages there are, about: SQS itself calls it an approximation.

    Attributes:
        name: The queue's.
        waiting: Nobody has them.
        taken: A Lambda has them.
        dead: Dead letters, whoever may look at them just now.
    """

    name: str
    waiting: int
    taken: int
    dead: int


@dataclass(frozen=True)
class Letter:
    """A dead letter.

    Attributes:
        id: SQS's name for it.
        sent_at: When it came into the queue that it died in.
        received: How often it was received, by whoever looks at dead letters too.
        body: The message.
    """

    id: str
    sent_at: datetime
    received: int
    body: str


@dataclass(frozen=True)
class Subject:
    """What a message is about.

    Attributes:
        what: `the photo`, `the answer`, `the outcome` or `the failure` of a job; else why it is about none.
        job: The job; None where it is about none.
        status: The job's, `unclear` where that cannot be read; None where nothing of it is there.
        error: Why a Lambda last could not do its part; None where the job's folder does not say.
    """

    what: str
    job: Job | None = None
    status: str | None = None
    error: str | None = None


def find_queues(stage: DeployedStage) -> list[Queue]:
    """Both, in the order of QUEUES.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`.
    """
    with aws_errors():
        sqs = stage.client("sqs")
        return [
            Queue(name, stage.outputs[url], sqs.get_queue_url(QueueName=stage.outputs[dead])["QueueUrl"])
            for name, (url, dead) in _OUTPUTS.items()
        ]


def read_depth(stage: DeployedStage, queue: Queue) -> Depth:
    """How many messages there are in the queue and behind it.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`.
    """
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    with aws_errors():
        sqs = stage.client("sqs")
        own, dead = (
            [int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"][name]) for name in names]
            for url in (queue.url, queue.dead)
        )
    return Depth(queue.name, own[0], own[1], sum(dead))


def read_letters(stage: DeployedStage, queue: Queue) -> list[Letter]:
    """The queue's dead letters, the oldest first, which stay where they are; MOST_LETTERS at most.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`.
    """
    found: dict[str, Letter] = {}
    with aws_errors():
        dead = _Held(stage.client("sqs"), queue.dead)
        try:
            while len(found) < MOST_LETTERS:
                new = [message for message in dead.receive() if message["MessageId"] not in found]
                if not new:
                    break
                found |= {message["MessageId"]: _letter(message) for message in new}
        finally:
            dead.let_go()
    return sorted(found.values(), key=lambda letter: (letter.sent_at, letter.id))


def move_back(
    stage: DeployedStage, queue: Queue, letters: Iterable[Letter], tell: Callable[[int], None] = lambda _: None
) -> int:
    """Puts these dead letters, and no others, into the queue again; how many of them were there still.

    Args:
        stage: Where.
        queue: Whose dead letters.
        letters: Which.
        tell: Is told how many have been moved.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`. What was not moved by then is where it was.
    """
    wanted = {letter.id for letter in letters}
    moved, seen = 0, set[str]()
    with aws_errors():
        sqs = stage.client("sqs")
        dead = _Held(sqs, queue.dead)
        try:
            while wanted:
                messages = dead.receive()
                if not {message["MessageId"] for message in messages} - seen:
                    break  # nothing is left, or only what is left there
                for message in messages:
                    seen.add(message["MessageId"])
                    if message["MessageId"] in wanted:
                        _send(sqs, queue.url, message)
                        dead.delete(message)
                        wanted.discard(message["MessageId"])
                        moved += 1
                        tell(moved)
        finally:
            dead.let_go()
    return moved


def subject_of(stage: DeployedStage, queue: Queue, letter: Letter) -> Subject:
    """What a dead letter of the queue is about, by what lies in the bucket now.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`.
    """
    try:
        events = read_message(letter.body)
    except ValueError as error:
        return Subject(f"unreadable: {error}")
    with aws_errors():
        store = Store(stage.outputs["BucketName"], stage.client("s3"))
        # S3 and SageMaker put one event into a message.
        for event in events:
            key = event.key if isinstance(event, Created) else store.key_of(event.input_location)
            if isinstance(event, Created) and event.bucket != store.bucket:
                return Subject(f"something in another bucket, {event.bucket}")
            if key is not None and (found := _job_of(store, key)) is not None:
                return _describe(JobFolder(store, found[0]), _ABOUT.get(found[1], found[1]), _STEPS[queue.name])
            return Subject(f"no job: {key or 'an address outside of the bucket'}")
    return Subject("no job: an event of another kind, such as S3's test")


def _job_of(store: Store, key: str) -> tuple[Job, str] | None:
    """The job, and the name in its folder; of an answer, which lies outside of it, ASYNC_OUTPUT."""
    if not key.startswith(ASYNC_OUTPUT):
        return Job.of_key(key)
    answer = store.get(key)
    try:
        job = None if answer is None else job_of_manifest(answer.data, store)
    except DocumentError:
        return None
    return None if job is None else (job, ASYNC_OUTPUT)


def _describe(folder: JobFolder, what: str, steps: Iterable[str]) -> Subject:
    names = folder.names()
    if not names:
        return Subject(what, folder.job)
    try:
        outcome = folder.outcome() if OUTCOME in names else None
        found = [folder.store.get(folder.job.key(name)) for name in steps if name in names]
        errors = [Step.parse(stored.data).result.get("reason") for stored in found if stored is not None]
    except DocumentError as unreadable:  # which may be what the Lambda could not do
        return Subject(what, folder.job, "unclear", str(unreadable))
    return Subject(what, folder.job, status_of(names, outcome), next(filter(None, errors), None))


class _Held:
    """Messages that were received from a queue, and must be let go of."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs, self._url = sqs, url
        self._handles: dict[str, str] = {}

    def receive(self) -> list[dict[str, Any]]:
        """Some that nobody has; none where there are none."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH,
            VisibilityTimeout=_HOLD_SECONDS,
            WaitTimeSeconds=_WAIT_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        self._handles |= {message["MessageId"]: message["ReceiptHandle"] for message in messages}
        return messages

    def delete(self, message: dict[str, Any]) -> None:
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=self._handles.pop(message["MessageId"]))

    def let_go(self) -> None:
        """Lets others see at once what is left."""
        for handle in self._handles.values():
            try:
                self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _SEEN_ALREADY:
                    raise


def _letter(message: dict[str, Any]) -> Letter:
    attributes = message["Attributes"]
    return Letter(
        id=message["MessageId"],
        sent_at=datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC),
        received=int(attributes["ApproximateReceiveCount"]),
        body=message["Body"],
    )


def _send(sqs: Any, url: str, message: dict[str, Any]) -> None:
    attributes = message.get("MessageAttributes")
    more = {} if not attributes else {"MessageAttributes": attributes}
    sqs.send_message(QueueUrl=url, MessageBody=message["Body"], **more)
