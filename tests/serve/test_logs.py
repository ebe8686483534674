"""Whatever is logged, by whichever thread, comes out as one JSON object a line."""

import asyncio
import base64
import contextvars
import io
import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import botocore.session
import numpy as np
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.logs import Unit, configure_logging, emit_metrics, job_logging

log = logging.getLogger("serve.test")


class Lines(io.StringIO):
    """A stream that gives back the lines written to it, parsed."""

    def parsed(self) -> list[dict[str, Any]]:
        text = self.getvalue()
        assert text.endswith("\n")
        assert text.isascii()
        lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        return lines

    def only(self) -> dict[str, Any]:
        (line,) = self.parsed()
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = Lines()
    configure_logging(stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)


def test_a_line_says_when_how_grave_who_and_what(lines: Lines) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    log.warning("box %d is\nsmall", 3, extra={"box": [1, 2.5], "seconds": 0.25})
    line = lines.only()
    assert list(line) == ["time", "level", "logger", "message", "box", "seconds"]
    assert line | {"time": ""} == {
        "time": "",
        "level": "WARNING",
        "logger": "serve.test",
        "message": "box 3 is\nsmall",
        "box": [1, 2.5],
        "seconds": 0.25,
    }
    assert line["time"].endswith("Z")
    assert len(line["time"]) == len("2026-01-31T12:00:00.000Z")
    assert datetime.fromisoformat(line["time"]) >= before


def test_an_exception_is_one_string(lines: Lines) -> None:
    try:
        raise KeyError("no such\nthing")
    except KeyError:
        log.exception("failed")
    assert "Traceback" in lines.only()["exception"]
    assert "KeyError: 'no such\\nthing'" in lines.only()["exception"]


def test_debug_is_left_out(lines: Lines) -> None:
    log.debug("detail")
    assert lines.getvalue() == ""


def test_the_job_id_is_on_every_line_of_the_job(lines: Lines) -> None:
    with job_logging("outer"):
        with job_logging("inner"):
            log.info("a")
        log.info("b")
    log.info("c")
    assert [line.get("job_id") for line in lines.parsed()] == ["inner", "outer", None]


def test_the_job_id_follows_its_context_into_another_thread(lines: Lines) -> None:
    with job_logging("7"):
        context = contextvars.copy_context()
    threads = [
        threading.Thread(target=context.run, args=(log.info, "with")),
        threading.Thread(target=log.info, args=("without",)),
    ]
    for thread in threads:
        thread.start()
        thread.join()
    assert [(line["message"], line.get("job_id")) for line in lines.parsed()] == [("with", "7"), ("without", None)]


def test_jobs_at_the_same_time_keep_their_ids(lines: Lines) -> None:
    async def job(name: str) -> None:
        with job_logging(name):
            await asyncio.sleep(0)
            await asyncio.to_thread(log.info, "of %s", name)

    async def jobs() -> None:
        await asyncio.gather(*(job(name) for name in "abc"))

    asyncio.run(jobs())
    assert {(line["job_id"], line["message"]) for line in lines.parsed()} == {
        ("a", "of a"),
        ("b", "of b"),
        ("c", "of c"),
    }


def test_lines_of_many_threads_do_not_mix(lines: Lines) -> None:
    def work(name: str) -> None:
        for number in range(50):
            log.info(name * 200, extra={"number": number})
            emit_metrics({"Seconds": (number, "Seconds")}, dimensions={"Engine": name})

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines.parsed()) == 400


def test_uvicorns_lines_come_once_and_alike(lines: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("never called")

    uvicorn.Config(app, log_config=uvicorn.config.LOGGING_CONFIG)  # what an earlier start may have left
    configure_logging(lines)
    uvicorn.Config(app, log_config=None)
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[36mStarted\x1b[0m"})
    logging.getLogger("uvicorn.access").info('%s - "%s %s"', "127.0.0.1:1", "GET", "/ping")
    started, access = lines.parsed()
    assert list(started) == list(access) == ["time", "level", "logger", "message"]
    assert access["message"] == '127.0.0.1:1 - "GET /ping"'


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")


circle: list[object] = []
circle.append(circle)


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (True, True),
        (None, None),
        (b"\xff\xd8", "<2 bytes>"),
        ({1: (2, {3})}, {"1": [2, [3]]}),
        (ValueError("a\nb"), "a\nb"),
        ("\ud800 and 😀", "\\ud800 and 😀"),
        (Unprintable(), "<Unprintable that cannot be shown>"),
        ([Unprintable()], ["<Unprintable that cannot be shown>"]),
        (circle, [[[[[[[["[[...]]"]]]]]]]]),
    ],
)
def test_an_extra_that_is_no_json_is_told_in_words(value: object, logged: object, lines: Lines) -> None:
    log.info("extra", extra={"value": value})
    assert lines.only()["value"] == logged


def test_an_extra_with_the_name_of_a_field_does_not_replace_it(lines: Lines) -> None:
    log.info("real", extra={"level": "other"})
    assert (lines.only()["level"], lines.only()["level_"]) == ("INFO", "other")


@settings(deadline=None)
@given(message=st.text() | st.text(st.characters(categories=["Cs", "Cc", "Zl", "Zp"])), extra=st.text())
def test_any_text_is_one_line(message: str, extra: str) -> None:
    stream = Lines()
    handlers = logging.getLogger().handlers
    configure_logging(stream)
    with job_logging(message):
        log.info("%s", message, extra={"value": {extra: extra}})
    logging.getLogger().handlers = handlers
    assert stream.only().keys() == {"time", "level", "logger", "message", "job_id", "value"}


@pytest.mark.parametrize("wrap", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
def test_photos_in_base64_are_not_logged(wrap: Any, lines: Lines) -> None:
    photo = wrap(np.random.default_rng(0).bytes(30_000)).decode()
    try:
        raise ValueError(f"cannot read {photo!r}" if "\n" not in photo else f"cannot read {photo}")
    except ValueError:
        log.exception("body: %s", photo, extra={"request": {"image_base64": photo}})
    line = lines.only()
    for text in (line["message"], line["request"]["image_base64"], line["exception"]):
        assert "characters of base64>" in text
        assert photo[:64] not in text
        assert photo[-64:] not in text


def test_an_endless_text_is_shortened_in_the_middle(lines: Lines) -> None:
    log.info("begin %s end", "word " * 100_000)
    message = lines.only()["message"]
    assert len(message) < 20_000
    assert message.startswith("begin")
    assert message.endswith("end")
    assert "characters left out" in message


# Metrics.


def check_embedded_metrics(line: dict[str, Any]) -> None:
    """The rules of the embedded metric format's specification, with the units of CloudWatch's own service model."""
    units = botocore.session.get_session().get_service_model("cloudwatch").shape_for("StandardUnit").metadata["enum"]
    assert line["_aws"].keys() == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(line["_aws"]["Timestamp"], int)
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 255
        assert len(directive["Dimensions"]) >= 1
        for names in directive["Dimensions"]:
            assert len(names) <= 30
            for name in names:
                assert isinstance(line[name], str)
                assert 1 <= len(line[name]) <= 1024
        assert len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert metric.keys() == {"Name", "Unit"}
            assert 1 <= len(metric["Name"]) <= 255
            assert metric["Unit"] in units
            assert type(line[metric["Name"]]) in (int, float)


def test_metrics_follow_the_specification(lines: Lines) -> None:
    before = datetime.now(UTC).timestamp()
    with job_logging("7"):
        emit_metrics(
            {"JobSeconds": (1.5, "Seconds"), "Objects": (3, "Count"), "Bytes": (2**40, "Bytes")},
            dimensions={"Engine": "preview", "Status": "succeeded"},
            boxes=[[0, 0, 10, 10]],
        )
    line = lines.only()
    check_embedded_metrics(line)
    assert line["_aws"]["Timestamp"] >= int(before * 1000)
    del line["_aws"]["Timestamp"], line["time"]
    assert line == {
        "level": "INFO",
        "logger": "gen3d.metrics",
        "message": "metrics",
        "job_id": "7",
        "_aws": {
            "CloudWatchMetrics": [
                {
                    "Namespace": "Gen3D",
                    "Dimensions": [["Engine", "Status"]],
                    "Metrics": [
                        {"Name": "JobSeconds", "Unit": "Seconds"},
                        {"Name": "Objects", "Unit": "Count"},
                        {"Name": "Bytes", "Unit": "Bytes"},
                    ],
                }
            ]
        },
        "Engine": "preview",
        "Status": "succeeded",
        "JobSeconds": 1.5,
        "Objects": 3,
        "Bytes": 2**40,
        "boxes": [[0, 0, 10, 10]],
    }


@settings(deadline=None)
@given(
    values=st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(get_args(Unit)))),
    dimensions=st.lists(st.text()),
)
def test_metrics_are_valid_or_refused(values: list[tuple[float, Unit]], dimensions: list[str]) -> None:
    stream = Lines()
    handlers = logging.getLogger().handlers
    configure_logging(stream)
    valid = len(values) >= 1 and len(values) <= 100 and len(dimensions) <= 30 and "" not in dimensions
    try:
        emit_metrics(
            {f"Metric{number}": value for number, value in enumerate(values)},
            dimensions={f"Dimension{number}": value for number, value in enumerate(dimensions)},
        )
    except ValueError:
        assert not valid
        assert stream.getvalue() == ""
    else:
        assert valid
        check_embedded_metrics(stream.only())
    finally:
        logging.getLogger().handlers = handlers


@pytest.mark.parametrize(
    ("metrics", "dimensions", "properties"),
    [
        ({}, {}, {}),
        ({f"Metric{number}": (1, "Count") for number in range(101)}, {}, {}),
        ({"A": (1, "Count")}, {f"Dimension{number}": "a" for number in range(31)}, {}),
        ({"A": (1, "Count")}, {"Engine": ""}, {}),
        ({"A": (1, "Count")}, {"Engine": "a" * 1025}, {}),
        ({"A": (1, "Count")}, {"A": "preview"}, {}),
        ({"A": (1, "Count")}, {}, {"A": 1}),
        ({"": (1, "Count")}, {}, {}),
        ({"a" * 256: (1, "Count")}, {}, {}),
        ({"time": (1, "Seconds")}, {}, {}),
        ({"A": (1, "Count")}, {"name": "preview"}, {}),
        ({"A": (1, "Count")}, {}, {"_aws": {}}),
        ({"A": (float("nan"), "Count")}, {}, {}),
        ({"A": (float("inf"), "Count")}, {}, {}),
    ],
)
def test_metrics_against_the_rules_are_refused(
    metrics: dict[str, tuple[float, Unit]], dimensions: dict[str, str], properties: dict[str, Any], lines: Lines
) -> None:
    with pytest.raises(ValueError, match=r"metric|name|dimension"):
        emit_metrics(metrics, dimensions=dimensions, **properties)
    assert lines.getvalue() == ""
