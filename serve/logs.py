"""Logs as JSON lines, metrics in CloudWatch's embedded format. Knows nothing of what is logged."""

import json
import logging
import math
import numbers
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

# Of https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html those that are used here.
Unit = Literal["Seconds", "Milliseconds", "Bytes", "Percent", "Count", "None"]

_OWN_FIELDS = {"time", "level", "logger", "message", "exception", "stack"}
# What logging itself puts on a record, and uvicorn's message in the colours of a terminal.
_NOT_EXTRA = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"}
_BASE64 = re.compile(r"[A-Za-z0-9+/_\r\n-]{256,}={0,2}")
_MAX_CHARACTERS = 16_384
_MAX_DEPTH = 8

_job_id: ContextVar[str | None] = ContextVar("job_id", default=None)
_metrics_logger = logging.getLogger("gen3d.metrics")


def configure_logging(stream: TextIO | None = None) -> None:
    """Send every log record of the process, uvicorn's too, to one stream as one JSON object a line.

    The fields are `time` (UTC), `level`, `logger`, `message`, `job_id` where there is one, what `extra` held, and
    `exception` with the traceback. To be called before uvicorn starts, which must be given `log_config=None`.

    Args:
        stream: Where to; standard output where absent.
    """
    handler = logging.StreamHandler(sys.stdout if stream is None else stream)
    handler.setFormatter(_JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True


@contextmanager
def job_logging(job_id: str) -> Iterator[None]:
    """Lines carry this job id inside the block, and in threads that run in its context (`contextvars`)."""
    token = _job_id.set(job_id)
    try:
        yield
    finally:
        _job_id.reset(token)


def emit_metrics(
    metrics: Mapping[str, tuple[float, Unit]], *, dimensions: Mapping[str, str], **properties: object
) -> None:
    """Log one line that CloudWatch turns into metrics of the namespace `Gen3D`: its embedded metric format.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

    Args:
        metrics: Values and units by name; 1 to 100 of them.
        dimensions: What the metrics are kept apart by; at most 30. CloudWatch bills every combination of values as a
            metric of its own: an engine's name is one to give, a job id is not.
        properties: Further fields of the line, which do not become metrics.

    Raises:
        ValueError: A rule of the format is broken (a defect of the caller).
    """
    names = [*metrics, *dimensions, *properties]
    taken = {"_aws", *_OWN_FIELDS, *_NOT_EXTRA}
    if len(set(names)) < len(names) or any(name in taken or not 1 <= len(name) <= 255 for name in names):
        raise ValueError(f"a name is doubled, taken, empty or over 255 characters: {names}")
    if not 1 <= len(metrics) <= 100 or len(dimensions) > 30:
        raise ValueError(f"{len(metrics)} metrics (1 to 100), {len(dimensions)} dimensions (at most 30)")
    if not all(1 <= len(value) <= 1024 for value in dimensions.values()):
        raise ValueError(f"a dimension's value is empty or over 1024 characters: {dimensions}")
    if not all(math.isfinite(value) for value, _ in metrics.values()):
        raise ValueError(f"a metric is not a finite number: {metrics}")
    directive = {
        "Namespace": "Gen3D",
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()],
    }
    values = {name: value for name, (value, _) in metrics.items()}
    metadata = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    _metrics_logger.info("metrics", extra={"_aws": metadata, **dimensions, **values, **properties})


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": _as_text(record.getMessage()),
        }
        if (job_id := _job_id.get()) is not None:
            line["job_id"] = job_id
        for name, value in vars(record).items():
            if name not in _NOT_EXTRA:
                line[f"{name}_" if name in _OWN_FIELDS else name] = _as_json(value)
        if record.exc_info:
            line["exception"] = _as_text(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = _as_text(record.stack_info)
        return json.dumps(line, allow_nan=False)


def _as_json(value: object, depth: int = 0) -> object:
    """The value as JSON can hold it; what it cannot hold becomes text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return {_as_text(str(name)): _as_json(item, depth + 1) for name, item in value.items()}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_as_json(item, depth + 1) for item in value]
    try:
        return _as_text(str(value))
    except Exception:  # noqa: BLE001 (whatever an object's own __str__ raises)
        return f"<{type(value).__name__} that cannot be shown>"


def _as_text(text: str) -> str:
    """The text without photos in base64, not endless, and with lone surrogates, which UTF-8 cannot hold, escaped."""
    text = _BASE64.sub(lambda match: f"<{len(match[0])} characters of base64>", text)
    if len(text) > _MAX_CHARACTERS:
        half = _MAX_CHARACTERS // 2
        text = f"{text[:half]} <{len(text) - 2 * half} characters left out> {text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
