"""The manager node in its own process, over DDS; the test stands in for perception, board and sensors."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make test, or source a ROS 2 installation")

import dynofa_ros.msg as messages
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import BatteryState

from ros_harness import NodeProcess, Probe, parameters, private_domain

pytestmark = pytest.mark.timeout(120)
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NAN = math.nan


def application():
    point = {
        "accuracy_source": "measured", "clock_domain": "cpu0", "clocked_fraction": 0.9, "energy_mj": NAN,
        "reference_mhz": 1728.0, "element": "cpu", "threads": 1, "latency_p95_ms": NAN,
    }  # fmt: skip
    points = [
        messages.OperatingPoint(subnet=name, accuracy=accuracy, latency_ms=ms, macs=ms * 1e6, **point)
        for name, ms, accuracy in (("small", 4.0, 0.9), ("large", 8.0, 0.95))
    ]
    return messages.Application(name="front", operating_points=points)


def target(latency_ms, **fields):
    fields = {"min_accuracy": NAN, "max_power_w": NAN, **fields}
    return messages.QosTarget(application="front", latency_ms=latency_ms, **fields)


class Robot:
    """A manager and those around it."""

    def __init__(self, folder, **values):
        domain = private_domain()
        self.probe = Probe(domain)
        self.node = NodeProcess("manager_node", domain, folder / "manager.log", parameters(**values))
        prefix = "proposed/" if values.get("dry_run") else ""
        self.obeyed = self.probe.collect(messages.SubnetDecision, "subnet_decision")
        self.decisions = self.probe.collect(messages.SubnetDecision, prefix + "subnet_decision")
        self.dvfs = self.probe.collect(messages.DvfsDecision, prefix + "dvfs_decision")
        self.status = self.probe.collect(messages.ManagerStatus, prefix + "manager_status")
        self.diagnostics = self.probe.collect(DiagnosticArray, "/diagnostics")
        self.sequence = 0

    def board(self, name="jetson_orin_nano_super"):
        self.sequence += 1
        domain = messages.ClockDomain(
            name="cpu0", current_mhz=1728.0, min_mhz=NAN, max_mhz=NAN, cap_mhz=NAN, writable=True,
            available_mhz=[345.6, 1190.4, 1728.0],
        )  # fmt: skip
        element = messages.Element(name="cpu", clock_domain="cpu0", cores=6, load=0.1)
        state = messages.BoardState(board=name, sequence=self.sequence, power_w=6.0)
        state.clock_domains, state.elements = [domain], [element]
        self.probe.publisher(messages.BoardState, "board_state").publish(state)

    def present(self):
        """Until the manager knows the application: a target may overtake it otherwise, and is refused."""
        self.probe.publisher(messages.Application, "application", LATCHED).publish(application())
        self.until(lambda s: s.applications[0].application == "front", "the application")

    def until(self, accept, what):
        return self.probe.next(self.status, lambda s: s.applications and accept(s), what)

    def diagnosed(self, key):
        """The newest value of `key` among the manager's diagnostics."""
        lines = [s for message in self.diagnostics for s in message.status if s.name == "manager"]
        return next((v.value for v in lines[-1].values if v.key == key), "") if lines else ""

    def stop(self):
        status = self.node.stop()
        output = self.node.output
        self.probe.close()
        assert status == 0
        assert "the node goes on" not in output


@pytest.fixture
def start(tmp_path):
    robots = []

    def begin(**values):
        robots.append(Robot(tmp_path, **values))
        return robots[-1]

    yield begin
    for robot in robots:
        robot.stop()


def test_a_dry_run_proposes_on_its_own_topics_and_decides_nothing(start):
    robot = start(dry_run=True)
    robot.board()
    robot.present()
    robot.probe.publisher(messages.QosTarget, "qos_target").publish(target(14.0, min_accuracy=0.9))
    status = robot.until(lambda s: s.applications[0].target.latency_ms == 14.0, "the proposal")
    assert status.dry_run
    assert status.status.startswith("dry run, nothing obeys")
    proposed = robot.decisions[-1]
    assert (proposed.target_latency_ms, proposed.min_accuracy) == (14.0, 0.9)
    assert proposed.reason.startswith("front runs ")
    robot.probe.wait(lambda: robot.dvfs and robot.dvfs[-1].limits[0].domain == "cpu0", "the proposed clock")
    assert not robot.obeyed
    robot.probe.wait(
        lambda: "target of front: 14 ms at p95, most accurate, at least 90 % accurate" in robot.node.output,
        "the target in the log",
    )


def test_a_latched_target_is_heard_by_a_manager_that_starts_later(tmp_path):
    """Both were published before: the target waits in the node until its application is there."""
    domain = private_domain()
    probe = Probe(domain)
    probe.node.create_publisher(messages.QosTarget, "qos_target", LATCHED).publish(target(17.0))
    probe.node.create_publisher(messages.Application, "application", LATCHED).publish(application())
    node = NodeProcess("manager_node", domain, tmp_path / "manager.log", parameters())
    status = probe.collect(messages.ManagerStatus, "manager_status")
    probe.wait(
        lambda: status and status[-1].applications and status[-1].applications[0].target.latency_ms == 17.0,
        "the target from before its start",
    )
    assert status[-1].refused_targets_total == 0
    assert node.stop() == 0
    probe.close()


def test_a_board_file_of_ones_own_and_a_low_battery(start, tmp_path):
    from dynofa_ros.board.spec import boards_dir

    file = tmp_path / "mine.yaml"
    content = (boards_dir() / "jetson_orin_nano_super.yaml").read_text(encoding="utf-8")
    file.write_text(content.replace("name: jetson_orin_nano_super", "name: mine", 1), encoding="utf-8")
    robot = start(board_model=f"simulated:{file}", battery_topic="/battery", low_battery=0.2)
    robot.board("mine")
    robot.present()
    robot.probe.publisher(messages.QosTarget, "qos_target").publish(target(25.0))
    status = robot.until(lambda s: math.isfinite(s.predicted_power_w), "a predicted power")
    assert status.predicted_power_w > 3.0
    robot.probe.wait(lambda: robot.diagnosed("board") == "mine", "the board in /diagnostics")
    robot.probe.publisher(BatteryState, "/battery").publish(BatteryState(percentage=0.1))
    saving = robot.until(lambda s: "the battery is low" in s.status, "the saving")
    assert saving.applications[0].target.objective == messages.QosTarget.MIN_ENERGY


def test_a_board_file_that_does_not_exist_is_named(start):
    robot = start(board_model="simulated:nowhere.yaml")
    robot.probe.wait(lambda: "nowhere.yaml" in robot.node.output, "the file's name in the log")


def test_a_second_node_of_a_name_is_refused_with_both_names(start):
    robot = start()
    robot.present()
    stats = robot.probe.publisher(messages.InferenceStats, "inference_stats")
    first, second = application(), application()
    first.node, second.node = "/robot/front", "/other/front"
    second.operating_points = second.operating_points[:1]
    publisher = robot.probe.publisher(messages.Application, "application", LATCHED)
    publisher.publish(first)
    stats.publish(messages.InferenceStats(application="front"))
    publisher.publish(second)
    status = robot.until(lambda s: s.refused_applications_total > 0, "the refusal")
    assert "/other/front" in status.last_refusal
    assert "/robot/front" in status.last_refusal
