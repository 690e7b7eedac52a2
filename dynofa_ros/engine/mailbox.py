"""A mailbox with one slot between the thread that receives frames and the one that infers: newest wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """One slot. Every item put is taken once, or returned to a caller once: none vanishes."""

    def __init__(self) -> None:
        self._item: T | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> T | None:
        """Leave the newest item. The item that got lost: the one replaced, or `item` if closed."""
        with self._changed:
            if self._closed:
                return item
            replaced, self._item = self._item, item
            self._changed.notify()
            return replaced

    def take(self, timeout_s: float | None = None) -> T | None:
        """Wait for an item, at most `timeout_s` seconds. None: nothing came, or the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            item, self._item = self._item, None
            return item

    def close(self) -> T | None:
        """Wake all who wait and refuse further items. The item that still lay in the slot, or None."""
        with self._changed:
            self._closed = True
            item, self._item = self._item, None
            self._changed.notify_all()
            return item

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed
