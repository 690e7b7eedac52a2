"""The event-driven executor is used where it works and asked for; else the ordinary one."""

from __future__ import annotations

import sys
import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make test, or source a ROS 2 installation")

import rclpy
from dynofa_ros.msg import ManagerStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from dynofa_ros.nodes.executors import (
    EVENTS,
    ExecutorUnusable,
    _run_timer,
    check_events_executor,
    judge,
    make_executor,
)
from ros_harness import NodeProcess, Probe, parameters, private_domain

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def node(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = rclpy.Context()
    context.init(args=[], domain_id=private_domain())
    node = Node("executed", context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


class Deaf:
    """An executor that never runs anything."""

    def spin_once(self, timeout_sec):
        time.sleep(timeout_sec)


def test_an_executor_that_loses_ticks_fails_the_test(node):
    with pytest.raises(ExecutorUnusable, match="0 of 5"):
        _run_timer(node, Deaf())


@pytest.mark.parametrize(
    ("ticks", "wall_s", "busy_s", "reason"),
    [(4, 2.0, 0.1, "4 of 5 timer ticks within 2.0 s"), (5, 0.025, 0.02, "busy for 0.020 of 0.025 s")],
)
def test_few_ticks_and_dear_ticks_are_told(ticks, wall_s, busy_s, reason):
    judge(5, 0.025, 0.002)
    with pytest.raises(ExecutorUnusable, match=reason):
        judge(ticks, wall_s, busy_s)


def test_where_rclpy_has_no_such_executor_the_ordinary_one_is_used(node, monkeypatch):
    monkeypatch.setitem(sys.modules, "rclpy.experimental", None)
    with pytest.raises(ExecutorUnusable, match="EventsExecutor"):
        check_events_executor()
    executor = make_executor(node, EVENTS)
    assert isinstance(executor, SingleThreadedExecutor)
    assert list(executor.get_nodes()) == [node]
    executor.shutdown(timeout_sec=1.0)


@pytest.mark.parametrize("kind", ["single", "events"])
def test_a_node_works_and_ends_with_either(tmp_path, kind):
    domain = private_domain()
    probe = Probe(domain)
    values = parameters(executor=kind)
    process = NodeProcess("manager_node", domain, tmp_path / "manager.log", values)
    status = probe.collect(ManagerStatus, "manager_status")
    probe.wait(lambda: len(status) > 2, "the manager's timers")
    assert process.stop() == 0, process.output
    assert "the node goes on" not in process.output
    probe.close()
