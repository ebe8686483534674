"""The log of a stage, in order of time: the API, the Lambdas, the endpoint, the container. Knows not what is logged.

In AWS all of it is in CloudWatch Logs; the identity needs `logs:FilterLogEvents`. In the local cloud only the Lambdas'
lines are there, and the rest is in files.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from infra.operator.log_groups import CONTAINER, log_groups, pages
from infra.operator.stage import DeployedStage, aws_errors

# A Lambda's frame of each invocation. What else Lambda itself says, such as that one timed out, is for people.
_FRAME: Final = re.compile(r"(START|END|REPORT|INIT_START|INIT_REPORT|EXTENSION)\b")
# Whoever sends a request has words in the log, which are not to move the reader's cursor.
_CONTROL: Final = re.compile(r"[^\n\t\x20-\x7e\xa0-\U0010ffff]")
# They are shown in their own places, or say where in the code.
_NOT_EXTRA: Final = {
    *("time", "timestamp", "level", "message", "logger", "location", "service", "xray_trace_id"),
    *("exception", "exception_name", "stack", "stack_trace"),
}
_ENDPOINT: Final = "infra.local.async_endpoint"
_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Line:
    """A line of the log.

    Attributes:
        id: No other line has it.
        at: When it was written.
        who: Who wrote it: `api`, `jobs`, `extract`, `notify`, `sweep`, `endpoint` or `container`.
        text: As it was written: JSON, but for what is written before or beside our own code.
    """

    id: str
    at: datetime
    who: str
    text: str

    def shown(self, job_id: str | None) -> str | None:
        """For people: time, who, level, message and the fields beside it; None for what is for machines alone.

        Args:
            job_id: The job that all lines are of, which is not said again in each.
        """
        fields = _fields(self.text)
        if "_aws" in fields or (not fields and _FRAME.match(self.text)):
            return None
        level = str(fields.get("level", ""))
        message = str(fields.get("message", "")) if fields else self.text.rstrip()
        beside = {
            name: value
            for name, value in fields.items()
            if name not in _NOT_EXTRA and (job_id is None or value != job_id)
        }
        extra = " ".join(f"{name}={_value(value)}" for name, value in beside.items())
        told = "  ".join(part for part in (message, extra) if part)
        trace = str(fields.get("exception") or "").rstrip().replace("\n", "\n    ")
        moment = self.at.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
        shown = f"{moment}  {self.who:9}  {level:7}  {told}".rstrip() + (f"\n    {trace}" if trace else "")
        return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], shown)


def read_logs(stage: DeployedStage, since: datetime, job_id: str | None) -> list[Line]:
    """What was logged, in order of time.

    Args:
        stage: Of which stage.
        since: No line before this moment.
        job_id: Only lines with this job in them; of all where absent.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`.
    """
    with aws_errors():
        client = stage.client("logs")
        lines = [line for who, group in log_groups(stage) for line in _of_group(client, who, group, since, job_id)]
    if stage.local is not None:
        folder = Path(stage.local.folder)
        lines += _of_file(CONTAINER, folder / "container.log")
        lines += [line for line in _of_file("endpoint", folder / "up.log") if _is_of_endpoint(line)]
    return sorted(
        (line for line in lines if line.at >= since and (job_id or "") in line.text), key=lambda line: line.at
    )


def _of_group(client: Any, who: str, group: str, since: datetime, job_id: str | None) -> Iterator[Line]:
    asked: dict[str, Any] = {"logGroupName": group, "startTime": int(since.timestamp() * 1000)}
    if job_id:
        asked["filterPattern"] = f'"{job_id}"'
    seen: Counter[tuple[str, str, int]] = Counter()
    for page in pages(client, **asked):
        for event in page:
            # What SageMaker itself says of asynchronous requests is in streams of their own.
            is_of_endpoint = event["logStreamName"].endswith("/data-log")
            written = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
            text = event["message"].rstrip("\n")
            # Not by the event's own id, which the local cloud has not for all.
            place = (group, event["logStreamName"], event["timestamp"])
            seen[place] += 1
            yield Line(f"{place}:{seen[place]}", _time(text) or written, "endpoint" if is_of_endpoint else who, text)


def _of_file(who: str, file: Path) -> Iterable[Line]:
    if not file.exists():
        return
    at = _NO_TIME
    with file.open(encoding="utf-8", errors="backslashreplace") as lines:
        for number, text in enumerate(lines):
            # What has no time, such as the last words of a process, belongs to what is before it.
            at = _time(text) or at
            yield Line(f"{file.name}:{number}", at, who, text.rstrip("\n"))


def _is_of_endpoint(line: Line) -> bool:
    return str(_fields(line.text).get("logger", "")).startswith(_ENDPOINT)


def _time(text: str) -> datetime | None:
    """The time that a line itself has."""
    fields = _fields(text)
    try:
        found = datetime.fromisoformat(str(fields.get("time") or fields.get("timestamp")))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _fields(text: str) -> dict[str, Any]:
    """Those of a line of JSON; none of another line."""
    if not text.startswith("{"):
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
