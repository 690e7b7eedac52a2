from __future__ import annotations

import threading

from dynofa_ros.engine.mailbox import Mailbox


def test_the_newest_item_wins_and_the_older_comes_back():
    box: Mailbox[int] = Mailbox()
    assert box.put(1) is None
    assert box.put(2) == 1
    assert box.take(0) == 2
    assert box.take(0) is None


def test_closing_returns_what_waits_and_refuses_the_rest():
    box: Mailbox[int] = Mailbox()
    box.put(1)
    assert box.close() == 1
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
    waiting = box.close()
    consumer.join(5)
    rest = [] if waiting is None else [waiting]
    assert sorted(taken + lost + rest) == list(range(5000))
    assert taken == sorted(taken)
