"""Keeps a node alive: an exception in a callback is counted and logged, at most once a second each."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

REFUSAL_SHOWN_S = 10.0


class Throttle:
    """Lets one log line per key and `period_s` through and counts what it held back."""

    def __init__(self, period_s: float = 1.0) -> None:
        self._period_s = period_s
        self._last_s: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def admit(self, key: str, now_s: float) -> int | None:
        """Number of lines held back since the last one that passed; None: hold this one back too."""
        if now_s - self._last_s.get(key, -float("inf")) < self._period_s:
            self._held[key] = self._held.get(key, 0) + 1
            return None
        self._last_s[key] = now_s
        return self._held.pop(key, 0)


class Refusals:
    """What a node refused: counted, logged at most once a second, shown in /diagnostics for a while."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._last_s = -float("inf")
        self.total = 0
        self.last = ""

    def add(self, text: str) -> None:
        """One more refusal, in words with its values."""
        self.total += 1
        self.last = text if "refused" in text else f"refused: {text}"
        self._last_s = time.monotonic()
        self._guard.warn("refused", self.last)

    @property
    def recent(self) -> str:
        """The last refusal while it is news, else ""."""
        return self.last if time.monotonic() - self._last_s < REFUSAL_SHOWN_S else ""


class Guard:
    """Wraps callbacks so that one bad message never ends the node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._throttle = Throttle()
        self.errors_total = 0
        self.last_error = ""

    def warn(self, key: str, text: str) -> None:
        """Log a warning, at most one a second per key."""
        held = self._throttle.admit(key, time.monotonic())
        if held is not None:
            self._node.get_logger().warning(text + (f" ({held} more like this held back)" if held else ""))

    def failed(self, where: str, error: BaseException) -> None:
        """Count and log an unexpected exception."""
        self.errors_total += 1
        self.last_error = f"{where}: {type(error).__name__}: {error}"
        held = self._throttle.admit(where, time.monotonic())
        if held is not None:
            self._node.get_logger().error(f"{self.last_error} (the node goes on)")

    def __call__(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """The same callback, exceptions counted and logged instead of raised."""

        @functools.wraps(callback)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                return callback(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the boundary to rclpy, which would end the node
                self.failed(getattr(callback, "__name__", "callback"), error)
                return None

        return guarded
