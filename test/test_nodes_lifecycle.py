"""Nodes start, refuse to start, recover and end as a robot needs it; each in its own process."""

from __future__ import annotations

import signal

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make test, or source a ROS 2 installation")

from diagnostic_msgs.msg import DiagnosticArray
from dynofa_ros.msg import Application
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.qos import QoSDurabilityPolicy, QoSProfile

from dynofa_ros.supernet.random_weights import random_tensors
from dynofa_ros.supernet.weights import save_tensors
from ros_harness import NodeProcess, Probe, parameters, private_domain, tiny_space, write_family

pytestmark = pytest.mark.timeout(300)
LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


class Unmanaged:
    """A perception node that waits for transitions from outside."""

    def __init__(self, folder, family):
        domain = private_domain()
        self.probe = Probe(domain)
        values = parameters(family=family, autostart=False)
        self.node = NodeProcess("perception_node", domain, folder / "perception.log", values)
        self.diagnostics = self.probe.collect(DiagnosticArray, "/diagnostics")

    def change(self, transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.probe.call(ChangeState, "perception/change_state", request).success

    @property
    def state(self):
        return self.probe.call(GetState, "perception/get_state", GetState.Request()).current_state.label

    def diagnosed(self, *parts):
        """Wait for a diagnostic message that contains all `parts`."""
        statuses = (s for message in self.diagnostics for s in message.status)
        return any(all(part in status.message for part in parts) for status in statuses)


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return write_family(tmp_path_factory.mktemp("family"))


@pytest.fixture(scope="module")
def unmanaged(tmp_path_factory, family):
    bench = Unmanaged(tmp_path_factory.mktemp("lifecycle"), family)
    try:
        yield bench
    finally:
        status = bench.node.stop()
        print(bench.node.output)
        bench.probe.close()
    assert status == 0


def _missing_key(family):
    family.write_text(family.read_text().replace("labels:", "lables:"))
    return ("tiny.yaml", "labels", "lables")


def _wrong_sha256(family):
    weights = family.with_name("tiny.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    return ("tiny.yaml", "sha256", "tiny.safetensors")


def _weights_of_another_shape(family):
    old = family.read_text()
    sha256 = save_tensors(family.with_name("tiny.safetensors"), random_tensors(tiny_space(n_classes=7), 1))
    line = next(line for line in old.splitlines() if "sha256:" in line)
    family.write_text(old.replace(line, f"  sha256: {sha256}"))
    return ("tiny.safetensors", "classifier", "7", "10")


@pytest.mark.parametrize("break_it", [_missing_key, _wrong_sha256, _weights_of_another_shape])
def test_configure_fails_on_a_broken_family_and_succeeds_once_it_is_mended(unmanaged, family, break_it):
    good = {file: file.read_bytes() for file in family.parent.iterdir()}
    expected = break_it(family)
    assert not unmanaged.change(Transition.TRANSITION_CONFIGURE)
    assert unmanaged.state == "unconfigured"
    unmanaged.probe.wait(lambda: unmanaged.diagnosed(*expected), f"a diagnostic with {expected}")
    for file, content in good.items():
        file.write_bytes(content)
    assert unmanaged.change(Transition.TRANSITION_CONFIGURE)
    assert unmanaged.change(Transition.TRANSITION_ACTIVATE)
    assert unmanaged.state == "active"
    assert unmanaged.change(Transition.TRANSITION_DEACTIVATE)
    assert unmanaged.change(Transition.TRANSITION_CLEANUP)


def test_impossible_transition_is_answered_and_does_not_end_the_node(unmanaged):
    assert unmanaged.state == "unconfigured"
    assert not unmanaged.change(Transition.TRANSITION_ACTIVATE)
    assert unmanaged.state == "unconfigured"


NODES = {
    "perception_node": {"random_weights": True},
    "manager_node": {},
    "board_node": {},
    "camera_node": {"rate_hz": 30.0, "width": 64, "height": 48},
}


def test_sigterm_ends_every_node_cleanly(tmp_path, family):
    domain = private_domain()
    probe = Probe(domain)
    diagnostics = probe.collect(DiagnosticArray, "/diagnostics")
    applications = probe.collect(Application, "application", LATCHED)
    nodes = [
        NodeProcess(name, domain, tmp_path / f"{name}.log", parameters(**values, **_family(name, family)))
        for name, values in NODES.items()
    ]
    expected = {name.removesuffix("_node") for name in NODES}
    probe.wait(lambda: expected <= {s.name for m in diagnostics for s in m.status}, "all nodes' diagnostics")
    points = probe.wait(lambda: applications and applications[0].operating_points, "the application")
    assert {point.accuracy_source for point in points} == {"none"}, (
        "random weights must not carry an accuracy"
    )
    for node in nodes:
        node.process.send_signal(signal.SIGTERM)
    assert [node.stop(signal.SIGTERM) for node in nodes] == [0, 0, 0, 0]
    assert not [node.output for node in nodes if "Traceback" in node.output]
    probe.close()


def _family(name, family):
    return {"family": family} if name == "perception_node" else {}


@pytest.mark.parametrize(
    ("module", "values", "parts"),
    [
        ("camera_node", {"rate_hz": 20}, ("parameter rate_hz", "INTEGER", "DOUBLE")),
        ("camera_node", {"rate_hz": -1.0}, ("parameter rate_hz", "-1.0")),
        ("camera_node", {"source": "webcam"}, ("parameter source", "'webcam'", "digits, folder, video")),
        ("camera_node", {"source": "folder", "path": "/nowhere"}, ("path", "/nowhere")),
        ("board_node", {"board": "simulated:toaster"}, ("toaster",)),
        ("board_node", {"cap_mhz": "cpu0:500.0"}, ("cap_mhz", "not simulated")),
        ("manager_node", {"busy_limit": 7.0}, ("parameter busy_limit", "7.0")),
    ],
)
def test_wrong_parameter_ends_the_start_with_one_line(tmp_path, module, values, parts):
    node = NodeProcess(module, private_domain(), tmp_path / "node.log", parameters(**values))
    assert node.process.wait(timeout=60.0) == 1
    assert "Traceback" not in node.output
    for part in parts:
        assert part in node.output
