"""What went wrong in a stage of late, by its log: errors, Lambdas that ended, failed requests, failed and lost jobs.

In AWS all of it is in CloudWatch Logs, where filters read and not this machine; the identity needs
`logs:FilterLogEvents`. The container of the local cloud has a file.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from infra.operator.log_groups import API, CONTAINER, log_groups, pages
from infra.operator.stage import DeployedStage, aws_errors

# CloudWatch's words for what `_failure` says of a line of JSON, which the local cloud lets pass altogether.
_PATTERN: Final = '{ ($.level = "ERROR") || ($.status = "failed") || ($.status = "lost") }'
# What Lambda itself says of one that ended as it should not, which is no JSON; and CloudWatch's words for it, of which
# the local cloud would want all at once.
_ENDED: Final = re.compile(r"(Task timed out after|RequestId: \S+ Error:|\[ERROR\]|Runtime\.[A-Z]\w+).*")
_ENDED_PATTERN: Final = '?"Task timed out" ?"Error:" ?"[ERROR]" ?"Runtime."'
# What the API answers where the fault is not the asker's.
_ANSWERED_PATTERN: Final = '{ $.status = "5*" }'
# CloudWatch tells the oldest first, and may give pages with nothing on them.
_MOST_PAGES: Final = 20
_TAIL_BYTES: Final = 2**18


@dataclass(frozen=True)
class Failure:
    """A line of the log that says that something went wrong.

    Attributes:
        at: When it was written.
        who: Who wrote it: `api`, `jobs`, `extract`, `notify`, `sweep` or `container`.
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
        ended = _ENDED_PATTERN if stage.local is None else ""
        for who, group in log_groups(stage):
            patterns = {API: (_ANSWERED_PATTERN,), CONTAINER: (_PATTERN,)}.get(who, (_PATTERN, ended))
            for begin, end in ((last_hour, now), (since, last_hour)):
                for pattern in patterns:
                    found, was_all = _of_group(logs, who, group, pattern, begin, end)
                    failures += found
                    is_all = is_all and was_all
    if stage.local is not None:
        lines = _tail(Path(stage.local.folder) / "container.log")
        failures += [failure for text in lines if (failure := _failure(CONTAINER, text)) is not None]
    failures = [failure for failure in failures if failure.at >= since]
    return sorted(failures, key=lambda failure: failure.at, reverse=True), is_all


def _of_group(
    logs: Any, who: str, group: str, pattern: str, begin: datetime, end: datetime
) -> tuple[list[Failure], bool]:
    """What passes the filter and was written before the end, and whether there are no more pages of it."""
    found: list[Failure] = []
    if begin >= end:
        return found, True
    first, last = int(begin.timestamp() * 1000), int(end.timestamp() * 1000) - 1
    asked = {"logGroupName": group, "filterPattern": pattern, "startTime": first, "endTime": last}
    for number, page in enumerate(pages(logs, **asked)):
        if number == _MOST_PAGES:
            return found, False
        for event in page:
            text, at = event["message"], datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
            if pattern == _PATTERN:
                failure = _failure(who, text)
            else:
                failure = _answered(text, at) if pattern == _ANSWERED_PATTERN else _ended(who, text, at)
            found += [] if failure is None else [failure]
    return found, True


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


def _answered(text: str, at: datetime) -> Failure | None:
    """None of a request that was answered, if only with a refusal."""
    try:
        fields = dict(json.loads(text))
    except (ValueError, TypeError):
        return None
    status = str(fields.get("status"))
    if not re.fullmatch("5[0-9][0-9]", status):
        return None
    said = [f"{fields.get('method')} {fields.get('path')}", status, str(fields.get("error", ""))]
    return Failure(
        at=at, who=API, job=None, message=": ".join(part for part in said if part not in ("", "-")), is_error=True
    )


def _ended(who: str, text: str, at: datetime) -> Failure | None:
    """None of a line that is none of Lambda's own, or tells of nothing that went wrong, or says it once more."""
    said = None if text.startswith(("{", "REPORT", "INIT_REPORT")) else _ENDED.search(text)
    return None if said is None else Failure(at=at, who=who, job=None, message=said[0].rstrip(), is_error=True)
