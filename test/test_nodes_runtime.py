"""Signals end a node however many come."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make test, or source a ROS 2 installation")

TWO_SIGNALS = """
import signal
from dynofa_ros.nodes import runtime
event = runtime._stop_event()
condition, again = event._cond, []
notify = condition.notify_all
def notify_all():
    if not again:
        again.append(True)
        signal.raise_signal(signal.SIGTERM)
    notify()
condition.notify_all = notify_all
signal.raise_signal(signal.SIGTERM)
print(again, event.is_set())
"""


def test_a_second_signal_while_the_first_is_handled_does_not_hang_the_process():
    ended = subprocess.run(
        [sys.executable, "-c", TWO_SIGNALS], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.split() == ["[True]", "True"]
