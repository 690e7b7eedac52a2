"""The mailbox between the thread that receives frames and the one that infers: newest wins.

One slot while the taker is at work: what it has not come to yet is out of date, and gives way to the newer.
A taker that waits for items takes each at once; where the system lets it sleep on although it was woken,
one more item waits beside the first instead of replacing it, since the taker can still do both in time.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

SLOTS_WHILE_WAKING = 2


class Mailbox(Generic[T]):
    """Every item put is taken once, or returned to a caller once: none vanishes."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._closed = False
        self._waiting = 0
        """Takers that wait, or were woken and do not run yet."""
        self._changed = threading.Condition()

    def put(self, item: T) -> T | None:
        """Leave the newest item. The item that got lost: the one replaced, or `item` if closed."""
        with self._changed:
            if self._closed:
                return item
            slots = SLOTS_WHILE_WAKING if self._waiting else 1
            replaced = self._items.popleft() if len(self._items) >= slots else None
            self._items.append(item)
            self._changed.notify()
            return replaced

    def take(self, timeout_s: float | None = None) -> T | None:
        """Wait for an item, at most `timeout_s` seconds. None: nothing came, or the mailbox is closed."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: bool(self._items) or self._closed, timeout_s)
            finally:
                self._waiting -= 1
            return self._items.popleft() if self._items else None

    def close(self) -> list[T]:
        """Wake all who wait and refuse further items. The items that still lay there."""
        with self._changed:
            self._closed = True
            left = list(self._items)
            self._items.clear()
            self._changed.notify_all()
            return left

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed
