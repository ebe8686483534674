"""What went wrong in a stage of late, by its log: lines of errors, and jobs that failed or were lost.

In AWS all of it is in CloudWatch Logs, where filters read and not this machine; the identity needs
`logs:FilterLogEvents`. The container of the local cloud has a file.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.operator.stage import DeployedStage, aws_errors

# The Lambdas that work without anybody looking, by the outputs that name them; and the API's.
_LAMBDAS: Final = {"JobsName": "jobs", "ExtractName": "extract", "NotifyName": "notify", "SweepName": "sweep"}
# CloudWatch's words for what `_is_failure` says; the local cloud's filter lets everything pass.
_PATTERN: Final = '{ ($.level = "ERROR") || ($.status = "failed") || ($.status = "lost") }'
# CloudWatch tells the oldest first, and may give pages with nothing on them.
_MOST_PAGES: Final = 20
_TAIL_BYTES: Final = 2**18


@dataclass(frozen=True)
class Failure:
    """A line of the log that says that something went wrong.

    Attributes:
        at: When it was written.
        who: Who wrote it: `jobs`, `extract`, `notify`, `sweep` or `container`.
        job: The job's id, where the line has it.
        message: What it says: the message, and the reason or the status beside it.
        is_error: Whether it is of the level ERROR, or about a lost job: a photo that nothing can be made of is neither.
    """

    at: datetime
    who: str
    job: str | None
    message: str
    is_error: bool


def read_failures(stage: DeployedStage, since: datetime) -> tuple[list[Failure], bool]:
    """What went wrong, the newest first, and whether all of the log was read.

    Args:
        stage: Where.
        since: Nothing before this moment.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`.
    """
    failures: list[Failure] = []
    is_all = True
    now = datetime.now(UTC)
    # The last hour by itself, so that a busy day before it cannot hide it.
    last_hour = max(since, now - timedelta(hours=1))
    with aws_errors():
        logs = stage.client("logs")
        for who, group in _groups(stage):
            for begin, end in ((last_hour, now), (since, last_hour)):
                lines, was_all = _of_group(logs, group, begin, end)
                failures += [failure for text in lines if (failure := _failure(who, text)) is not None]
                is_all = is_all and was_all
    if stage.local is not None:
        lines = _tail(Path(stage.local.folder) / "container.log")
        failures += [failure for text in lines if (failure := _failure("container", text)) is not None]
    failures = [failure for failure in failures if failure.at >= since]
    return sorted(failures, key=lambda failure: failure.at, reverse=True), is_all


def _groups(stage: DeployedStage) -> Iterator[tuple[str, str]]:
    for output, who in _LAMBDAS.items():
        if output in stage.outputs:
            yield who, f"/aws/lambda/{stage.outputs[output]}"
    yield "container", stage.outputs["EndpointLogName"]


def _of_group(logs: Any, group: str, begin: datetime, end: datetime) -> tuple[list[str], bool]:
    """The lines that pass the filter and were written before the end, and whether there are no more pages of them."""
    asked: dict[str, Any] = {
        "logGroupName": group,
        "filterPattern": _PATTERN,
        "startTime": int(begin.timestamp() * 1000),
        "endTime": int(end.timestamp() * 1000) - 1,
    }
    lines: list[str] = []
    if begin >= end:
        return lines, True
    try:
        for _ in range(_MOST_PAGES):
            page = logs.filter_log_events(**asked)
            lines += [event["message"] for event in page["events"]]
            if "nextToken" not in page:
                return lines, True
            asked["nextToken"] = page["nextToken"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return lines, True
    return lines, False


def _tail(file: Path) -> list[str]:
    """The last whole lines of a file; none where there is no file."""
    if not file.exists():
        return []
    with file.open("rb") as log:
        size = log.seek(0, 2)
        log.seek(max(0, size - _TAIL_BYTES))
        lines = log.read().decode(errors="replace").splitlines()
    return lines if size <= _TAIL_BYTES else lines[1:]


def _failure(who: str, text: str) -> Failure | None:
    """None of a line that tells of nothing that went wrong."""
    try:
        fields = json.loads(text)
        at = datetime.fromisoformat(str(fields.get("time") or fields.get("timestamp")))
    except (ValueError, AttributeError):
        return None
    level, status = fields.get("level"), fields.get("status")
    if at.tzinfo is None or "_aws" in fields or not (level == "ERROR" or status in ("failed", "lost")):
        return None
    # The last line of a traceback says what it was.
    exception = str(fields.get("exception") or "").strip().splitlines()[-1:]
    beside = [str(each) for each in (status, fields.get("code"), fields.get("reason"), *exception) if each]
    job = fields.get("job_id")
    return Failure(
        at=at.astimezone(UTC),
        who=who,
        job=None if job is None else str(job),
        message=": ".join([str(fields.get("message", "")), *beside]),
        is_error=level == "ERROR" or status == "lost",
    )
