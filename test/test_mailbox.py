from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dynofa_ros.engine.mailbox import Mailbox


@contextmanager
def taker_asleep(box: Mailbox[int]) -> Iterator[None]:
    """A taker that waits, and that the system does not let run again until the context is left."""
    asleep, awake = threading.Event(), threading.Event()
    wait_for = box._changed.wait_for

    def sleep_on(*_: object) -> bool:
        box._changed.release()
        asleep.set()
        awake.wait(5)
        box._changed.acquire()
        return True

    box._changed.wait_for = sleep_on  # type: ignore[method-assign]
    taker = threading.Thread(target=box.take)
    taker.start()
    asleep.wait(5)
    box._changed.wait_for = wait_for  # type: ignore[method-assign]
    yield
    awake.set()
    taker.join(5)


def test_the_newest_item_wins_and_the_older_comes_back():
    box: Mailbox[int] = Mailbox()
    assert box.put(1) is None
    assert box.put(2) == 1
    assert box.take(0) == 2
    assert box.take(0) is None


def test_while_a_woken_taker_sleeps_on_one_more_item_waits_and_then_the_oldest_comes_back():
    box: Mailbox[int] = Mailbox()
    with taker_asleep(box):
        assert box.put(1) is None
        assert box.put(2) is None
        assert box.put(3) == 1
    assert box.put(4) == 3, "the taker has 2 and is at work: one slot again"
    assert box.take(0) == 4


def test_closing_returns_what_waits_and_refuses_the_rest():
    box: Mailbox[int] = Mailbox()
    box.put(1)
    assert box.close() == [1]
    assert box.put(2) == 2
    assert box.take() is None


def test_closing_wakes_who_waits():
    box: Mailbox[int] = Mailbox()
    taken: list[int | None] = []
    waiter = threading.Thread(target=lambda: taken.append(box.take()))
    waiter.start()
    box.close()
    waiter.join(5)
    assert taken == [None]


def test_between_two_threads_every_item_is_taken_or_returned_once():
    box: Mailbox[int] = Mailbox()
    taken: list[int] = []

    def consume() -> None:
        while (item := box.take()) is not None:
            taken.append(item)

    consumer = threading.Thread(target=consume)
    consumer.start()
    lost = [item for item in map(box.put, range(5000)) if item is not None]
    rest = box.close()
    consumer.join(5)
    assert sorted(taken + lost + rest) == list(range(5000))
    assert taken == sorted(taken)
