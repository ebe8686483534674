"""One check, and the row it becomes."""

import socket
from contextlib import suppress

import pytest

from selftest.offline import NetworkRefusedError, refused_network
from selftest.report import Check, CheckFailedError, CheckSkippedError, run_check, some
from serve.errors import Gen3DError


def raising(error: Exception) -> Check:
    def look() -> str:
        raise error

    return Check("a thing", look)


def test_what_a_check_returns_is_its_finding() -> None:
    row = run_check(Check("a thing", lambda: "three of them"))
    assert (row.check, row.status, row.finding) == ("a thing", "ok", "three of them")
    assert row.seconds >= 0


@pytest.mark.parametrize(
    ("error", "status", "finding"),
    [
        (CheckSkippedError("none here"), "skipped", "none here"),
        (CheckFailedError("it is broken: mend it"), "failed", "it is broken: mend it"),
        (Gen3DError("no_gpu", "There is none."), "failed", "no_gpu: There is none."),
        (ZeroDivisionError("by nought"), "failed", "ZeroDivisionError: by nought"),
        (ValueError("two\n  lines"), "failed", "ValueError: two lines"),
    ],
)
def test_what_a_check_raises_becomes_one_line(error: Exception, status: str, finding: str) -> None:
    row = run_check(raising(error))
    assert (row.status, row.finding) == (status, finding)


def test_a_missing_package_says_what_to_do() -> None:
    row = run_check(raising(ModuleNotFoundError("No module named 'torch'", name="torch")))
    assert row.finding.startswith("No module named 'torch': install ")


def test_a_long_finding_is_shortened() -> None:
    assert len(run_check(raising(ValueError("word " * 1000))).finding) <= 400


def connect() -> str:
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))
    return "connected"


def test_an_attempt_to_connect_is_a_failure() -> None:
    row = run_check(Check("a thing", connect))
    assert row.status == "failed"
    assert row.finding == "127.0.0.1:9 was to be reached, but nothing here may need a network"


def test_an_attempt_to_look_a_host_up_is_a_failure_also_where_the_code_goes_on_without() -> None:
    def look() -> str:
        with suppress(Exception):
            socket.getaddrinfo("huggingface.co", 443)
        return "done without"

    row = run_check(Check("a thing", look))
    assert (row.status, row.finding.partition(" ")[0]) == ("failed", "huggingface.co")


def test_an_attempt_is_a_failure_also_where_the_check_would_be_skipped() -> None:
    def look() -> str:
        with suppress(Exception):
            connect()
        raise CheckSkippedError("not here")

    assert run_check(Check("a thing", look)).status == "failed"


def test_datagrams_are_refused_too() -> None:
    with refused_network() as attempts, socket.socket(type=socket.SOCK_DGRAM) as one:
        with pytest.raises(NetworkRefusedError):
            one.sendto(b"", ("127.0.0.1", 9))
        assert attempts == ["127.0.0.1:9"]


def test_the_network_is_refused_no_longer_than_the_check_lasts() -> None:
    run_check(Check("a thing", connect))
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


def test_many_names_are_cut_short() -> None:
    assert some("gfedcba", 3) == "a, b, c and 4 more"
    assert some(["b", "a"]) == "a, b"
