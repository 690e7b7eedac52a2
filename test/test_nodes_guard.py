"""Exceptions in callbacks are counted, repeated lines are held back, caps are read from text."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make test, or source a ROS 2 installation")

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.nodes.board_node import parse_caps
from dynofa_ros.nodes.guard import Guard, Refusals, Throttle


class Lines:
    """A node's logger that keeps what it is given."""

    def __init__(self):
        self.warnings, self.errors = [], []

    def get_logger(self):
        return self

    def warning(self, text):
        self.warnings.append(text)

    def error(self, text):
        self.errors.append(text)


def test_throttle_lets_one_line_a_second_through_and_counts_the_rest():
    throttle = Throttle()
    assert [throttle.admit("a", now_s) for now_s in (0.0, 0.1, 0.9, 1.1, 1.2)] == [0, None, None, 2, None]
    assert throttle.admit("b", 0.2) == 0


def test_guard_returns_what_the_callback_returns_and_survives_what_it_raises():
    lines = Lines()
    guard = Guard(lines)
    assert guard(lambda: 3)() == 3
    for _ in range(5):
        assert guard(lambda: 1 / 0)() is None
    assert guard.errors_total == 5
    assert len(lines.errors) == 1
    assert "ZeroDivisionError" in guard.last_error


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("domain = 'cpu9' is unknown", "refused: domain = 'cpu9' is unknown"),
        ("qos_target refused: latency_ms = nan", "qos_target refused: latency_ms = nan"),
    ],
)
def test_refusals_are_counted_named_as_such_once_and_news_for_a_while(reason, shown):
    lines = Lines()
    refusals = Refusals(Guard(lines))
    assert refusals.recent == ""
    refusals.add(reason)
    assert (refusals.total, refusals.recent) == (1, shown)
    assert lines.warnings == [shown]


def test_caps_are_read_from_text():
    assert parse_caps("") == {}
    assert parse_caps("cpu0:729.6, gpu:510") == {"cpu0": 729.6, "gpu": 510.0}


@pytest.mark.parametrize(
    "text", ["cpu0", "cpu0:", ":5", "cpu0:fast", "cpu0:0", "cpu0:-5", "cpu0:nan", "cpu0:inf"]
)
def test_malformed_caps_are_refused(text):
    with pytest.raises(RefusedMessage, match="DOMAIN:MHZ"):
        parse_caps(text)
