"""Starts a node, spins it in one thread, and ends it cleanly on SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from dynofa_ros.errors import DynofaError
from dynofa_ros.nodes.executors import SINGLE, make_executor
from dynofa_ros.nodes.guard import Guard

_POLL_S = 0.2  # how long a signal may wait for the executor to return to Python


class Runnable(Protocol):
    """A node with a guard and an orderly end."""

    guard: Guard

    def close(self) -> None:
        """Stop threads and give everything back; called once, before the node is destroyed."""


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _stop_event() -> threading.Event:
    """An event that SIGINT and SIGTERM set, so that the end of a node is ordinary code.

    Only the first one counts: a handler that interrupts another one inside `event.set` would wait for its
    lock for ever.
    """
    event = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        _ignore_signals()
        event.set()

    for number in _SIGNALS:
        signal.signal(number, stop)
    return event


def _ignore_signals() -> None:
    """The end has begun: a second Ctrl-C (a shell and ros2 launch both send one) must not break it off."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def spin(node: Node, stop: threading.Event) -> None:
    """Run callbacks in this thread until `stop` is set or the context ends; exceptions are only counted."""
    executor = make_executor(node, getattr(node, "executor_kind", SINGLE))
    guard: Guard = node.guard  # type: ignore[attr-defined]
    try:
        while not stop.is_set() and node.context.ok():
            try:
                executor.spin_once(timeout_sec=_POLL_S)
            except ExternalShutdownException:
                break
            except Exception as error:  # noqa: BLE001 - rclpy raises whatever a callback or a request raised
                guard.failed("executor", error)
    finally:
        executor.remove_node(node)
        executor.shutdown(timeout_sec=1.0)


def run(create: Callable[[threading.Event], Node], argv: Sequence[str] | None = None) -> int:
    """Process entry of every node; `create` gets the event that a signal sets, for long work to look at.

    Returns:
        0 after SIGINT, SIGTERM or an ordinary end; 1 when the node could not start, with one line on stderr.
    """
    stopping = _stop_event()
    rclpy.init(
        args=list(argv) if argv is not None else sys.argv, signal_handler_options=SignalHandlerOptions.NO
    )
    node: Node | None = None
    try:
        node = create(stopping)
        spin(node, stopping)
        return 0
    except DynofaError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        _ignore_signals()
        if node is not None:
            _close(node)
        rclpy.try_shutdown()


def _close(node: Node) -> None:
    try:
        node.close()  # type: ignore[attr-defined]
    except Exception as error:  # noqa: BLE001 - the end of the process must not depend on a clean close
        node.guard.failed("close", error)  # type: ignore[attr-defined]
    node.destroy_node()
