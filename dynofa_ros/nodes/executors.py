"""Which executor runs a node's callbacks: rclpy's ordinary one, or the event-driven one where it works."""

from __future__ import annotations

import time
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from dynofa_ros.nodes.parameters import Declared

SINGLE = "single"
EVENTS = "events"
EXECUTOR = Declared(
    "executor",
    SINGLE,
    "What runs the callbacks: single, or events (from Jazzy on; about a third of the processor time; "
    "tested at the start, single where it does not work).",
    words=(SINGLE, EVENTS),
)

_TEST_PERIOD_S = 0.005
_TEST_TICKS = 5
_TEST_PATIENCE_S = 2.0
_TEST_MOST_BUSY = 0.25


class ExecutorUnusable(RuntimeError):
    """The event-driven executor is not there, or failed its test; the message says which."""


def make_executor(node: Node, kind: str) -> Any:
    """An executor of `kind` with `node` added; the ordinary one, with a warning, where `events` fails."""
    executor = _events_or_none(node) if kind == EVENTS else None
    if executor is None:
        executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    return executor


def _events_or_none(node: Node) -> Any:
    try:
        check_events_executor()
        return _events_executor(node.context)
    except ExecutorUnusable as error:
        node.get_logger().warning(f"executor:=events is not usable here, single is used: {error}")
        return None


def _events_executor(context: Context) -> Any:
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError as error:
        raise ExecutorUnusable(f"this rclpy has no EventsExecutor ({error})") from error
    return EventsExecutor(context=context)


def check_events_executor() -> None:
    """Let it run a timer in a context of its own: every tick must come, and most of the time be idle.

    Raises:
        ExecutorUnusable: it is missing, loses ticks, or spins (one release took a whole core for nothing).
    """
    context = Context()
    context.init()
    node = Node("executor_test", context=context, enable_rosout=False, start_parameter_services=False)
    try:
        executor = _events_executor(context)
        executor.add_node(node)
        _run_timer(node, executor)
        executor.remove_node(node)
        executor.shutdown()
    finally:
        node.destroy_node()
        context.try_shutdown()


def _run_timer(node: Node, executor: Any) -> None:
    ticks: list[float] = []
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    timer = node.create_timer(_TEST_PERIOD_S, lambda: ticks.append(time.monotonic()), clock=steady)
    start_s, start_busy_s = time.monotonic(), time.thread_time()
    while len(ticks) < _TEST_TICKS and time.monotonic() - start_s < _TEST_PATIENCE_S:
        executor.spin_once(timeout_sec=_TEST_PATIENCE_S / 10)
    node.destroy_timer(timer)
    judge(len(ticks), time.monotonic() - start_s, time.thread_time() - start_busy_s)


def judge(ticks: int, wall_s: float, busy_s: float) -> None:
    """Whether the ticks came, and at what price in processor time.

    Raises:
        ExecutorUnusable: too few, or too dear.
    """
    if ticks < _TEST_TICKS:
        raise ExecutorUnusable(f"{ticks} of {_TEST_TICKS} timer ticks within {wall_s:.1f} s")
    if busy_s > _TEST_MOST_BUSY * wall_s:
        raise ExecutorUnusable(f"busy for {busy_s:.3f} of {wall_s:.3f} s with a timer alone")
