import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from serve.finishing import beside

PATIENCE = 30  # seconds, for what comes at once


def test_results_come_in_the_order_of_the_items_whichever_is_done_first() -> None:
    last = threading.Event()

    def work(item: int) -> int:
        if item == 1:
            last.set()
        elif item == 0:
            assert last.wait(PATIENCE)
        return item * 10

    assert list(beside(iter(range(5)), work, 2)) == [0, 10, 20, 30, 40]


def test_an_item_is_fetched_while_the_one_before_is_worked_on() -> None:
    fetched = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        fetched.set()
        yield 1

    assert list(beside(items(), lambda _: fetched.wait(PATIENCE), 1)) == [True, True]


def test_items_are_not_fetched_far_ahead_of_the_work() -> None:
    fetched = list[int]()

    def items() -> Iterator[int]:
        for item in range(50):
            fetched.append(item)
            yield item

    def work(item: int) -> int:
        time.sleep(0.002)
        return len(fetched) - item

    assert max(beside(items(), work, 2)) <= 5  # two in work, two waiting, and one for which there is no room yet


def test_a_failure_drops_what_has_not_begun_and_waits_for_what_has() -> None:
    begun, done = list[int](), list[int]()
    both = threading.Barrier(2)

    def work(item: int) -> None:
        begun.append(item)
        both.wait(PATIENCE)
        if item == 0:
            raise ZeroDivisionError
        done.append(item)

    with pytest.raises(ZeroDivisionError):
        list(beside(iter(range(100)), work, 2))
    assert 1 in done
    assert len(begun) <= 6
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("finish")]


def test_a_failure_to_fetch_waits_for_what_has_begun() -> None:
    done = list[int]()

    def items() -> Iterator[int]:
        yield 0
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(beside(items(), done.append, 2))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("finish")]


def test_the_work_sees_the_callers_context() -> None:
    name: ContextVar[str] = ContextVar("name")
    name.set("job-1")
    assert list(beside(iter("ab"), lambda item: item + name.get(), 2)) == ["ajob-1", "bjob-1"]
