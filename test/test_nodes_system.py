"""Camera, perception, manager and board together, each in its own process, over DDS."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make test, or source a ROS 2 installation")

import dynofa_ros.msg as messages
from diagnostic_msgs.msg import DiagnosticArray
from dynofa_ros.msg import ClockLimit, DvfsDecision, QosTarget
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from ros_harness import NodeProcess, Probe, parameters, private_domain, write_family

pytestmark = pytest.mark.timeout(300)
NAN = math.nan
CALLBACK_FAILED = "the node goes on"  # what Guard logs
BOARD = "simulated:jetson_orin_nano_super"


class System:
    """All four nodes, and everything that they say."""

    def __init__(self, folder):
        domain = private_domain()
        self.probe = Probe(domain)
        camera = {"width": 96, "height": 64, "rate_hz": 5.0, "prerender": 10, "wait_for_subscribers": 1}
        values = {
            "board_node": {"board": BOARD},
            "manager_node": {"rate_hz": 10.0},
            "perception_node": {"application": "front", "family": write_family(folder)},
            "camera_node": {"application": "front", **camera},
        }
        self.nodes = {
            name: NodeProcess(name, domain, folder / f"{name}.log", parameters(**value))
            for name, value in values.items()
        }
        self.results = self.probe.collect(messages.Classification, "perception/classification")
        self.decisions = self.probe.collect(messages.SubnetDecision, "subnet_decision")
        self.boards = self.probe.collect(messages.BoardState, "board_state")
        self.stats = self.probe.collect(messages.InferenceStats, "inference_stats")
        self.status = self.probe.collect(messages.ManagerStatus, "manager_status")
        self.labels = self.probe.collect(messages.GroundTruth, "labels")
        self.diagnostics = self.probe.collect(DiagnosticArray, "/diagnostics")

    def target(self, latency_ms, **fields):
        """Publish a target as any other node would."""
        message = QosTarget(application="front", latency_ms=latency_ms, min_accuracy=NAN, max_power_w=NAN)
        for name, value in fields.items():
            setattr(message, name, value)
        self.probe.publisher(QosTarget, "qos_target").publish(message)

    def runs(self, subnet, latency_ms):
        """Wait until a new result comes from `subnet` under that target."""

        def fits(result):
            return result.subnet == subnet and result.target_latency_ms == latency_ms

        return self.probe.next(self.results, fits, f"{subnet} to run for {latency_ms} ms")

    def cap(self, text):
        """Answer of the board to a new cap_mhz."""
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=text)
        request = SetParameters.Request(parameters=[Parameter(name="cap_mhz", value=value)])
        return self.probe.call(SetParameters, "board/set_parameters", request).results[0]

    def cpu_clock(self, accept, what):
        """The first cpu0 domain from now on that `accept` takes."""

        def domain(state):
            return next(d for d in state.clock_domains if d.name == "cpu0")

        return domain(self.probe.next(self.boards, lambda state: accept(domain(state)), what))


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    system = System(tmp_path_factory.mktemp("system"))
    try:
        system.probe.wait(lambda: system.results and system.decisions and system.boards, "the first results")
        yield system
    finally:
        statuses = {name: node.stop() for name, node in system.nodes.items()}
        for node in system.nodes.values():
            print(node.output)
        system.probe.close()
    assert set(statuses.values()) == {0}
    assert not [node.output for node in system.nodes.values() if CALLBACK_FAILED in node.output]


def test_target_published_by_another_node_changes_what_runs(system):
    system.target(2000.0)
    assert system.runs("l", 2000.0).emulated_clocks
    system.target(0.05)
    assert not system.runs("xs", 0.05).deadline_met
    system.target(1900.0)
    system.runs("l", 1900.0)


def test_decision_explains_itself(system):
    system.target(2000.0)
    system.runs("l", 2000.0)
    decision = system.decisions[-1]
    assert decision.application == "front"
    assert decision.feasible
    assert "ms" in decision.reason
    assert [a.subnet for a in decision.alternatives][-1] == "l"
    assert system.status[-1].applications[0].target.latency_ms == 2000.0


@pytest.mark.parametrize(
    ("latency_ms", "fields", "parts"),
    [
        (NAN, {}, ("latency_ms", "nan")),
        (-5.0, {}, ("latency_ms", "-5.0")),
        (20.0, {"application": "nobody"}, ("nobody", "unknown")),
        (20.0, {"percentile": 1.5}, ("percentile", "1.5")),
        (20.0, {"min_accuracy": -0.1}, ("min_accuracy", "-0.1")),
        (20.0, {"max_power_w": -3.0}, ("max_power_w", "-3.0")),
        (20.0, {"objective": 9}, ("objective", "9")),
    ],
    ids=["nan", "negative", "unknown", "percentile", "min_accuracy", "max_power", "objective"],
)
def test_wrong_target_is_refused_with_its_reason_and_the_last_valid_one_stays(
    system, latency_ms, fields, parts
):
    system.target(1500.0)
    system.probe.next(
        system.status, lambda s: s.applications[0].target.latency_ms == 1500.0, "the valid target"
    )
    refused = system.status[-1].refused_targets_total
    system.target(latency_ms, **fields)
    status = system.probe.next(system.status, lambda s: s.refused_targets_total == refused + 1, "the refusal")
    assert all(part in status.last_refusal for part in parts)
    assert status.applications[0].target.latency_ms == 1500.0

    def told(message):
        return any(s.name == "manager" and all(part in s.message for part in parts) for s in message.status)

    system.probe.wait(
        lambda: any(told(message) for message in system.diagnostics), "the reason in /diagnostics"
    )


def test_cap_from_outside_shows_in_the_board_and_in_the_stretch(system):
    system.target(2000.0)
    assert system.cap("cpu0:345.6").successful
    domain = system.cpu_clock(lambda d: d.cap_mhz == 345.6, "the cap")
    assert domain.current_mhz <= 345.6
    result = system.probe.next(
        system.results, lambda r: r.stretch > 0.85 * 1728.0 / 346.0, "stretched inference"
    )
    assert result.emulated_clocks
    assert system.cap("").successful
    assert math.isnan(system.cpu_clock(lambda d: math.isnan(d.cap_mhz), "the cap to be lifted").cap_mhz)


@pytest.mark.parametrize("text", ["cpu9:500.0", "cpu0", "cpu0:-1", "cpu0:nan"])
def test_impossible_cap_is_refused(system, text):
    answer = system.cap(text)
    assert not answer.successful
    assert text.split(":")[0] in answer.reason


def test_every_frame_is_accounted_for(system):
    stats = system.probe.next(system.stats, lambda s: s.frames > 0, "statistics")
    in_flight = stats.received_total - stats.inferred_total - stats.dropped_total
    assert in_flight in (0, 1, 2), "at most one frame waits and one is in work"
    assert sum(drop.count for drop in stats.drops) == stats.dropped_total


def test_labels_find_their_results_by_stamp(system):
    stamps = {(label.header.stamp.sec, label.header.stamp.nanosec): label.label for label in system.labels}
    result = system.results[-1]
    assert stamps[(result.header.stamp.sec, result.header.stamp.nanosec)] in "0123456789"


@pytest.fixture
def lone_board(tmp_path):
    domain = private_domain()
    probe = Probe(domain)
    node = NodeProcess("board_node", domain, tmp_path / "board.log", parameters(board=BOARD))
    boards = probe.collect(messages.BoardState, "board_state")
    diagnostics = probe.collect(DiagnosticArray, "/diagnostics")
    yield probe, boards, diagnostics
    status = node.stop()
    probe.close()
    assert status == 0


def test_board_without_a_model_is_managed_too(tmp_path):
    domain = private_domain()
    probe = Probe(domain)
    node = NodeProcess("manager_node", domain, tmp_path / "manager.log", parameters())
    status = probe.collect(messages.ManagerStatus, "manager_status")
    boards = probe.publisher(messages.BoardState, "board_state")
    boards.publish(messages.BoardState(board="linux", sequence=1))
    probe.wait(lambda: status and "board linux" in node.output, "the board's mention and a status")
    assert node.stop() == 0
    assert CALLBACK_FAILED not in node.output
    probe.close()


def _limit(state):
    return next(domain.max_mhz for domain in state.clock_domains if domain.name == "cpu0")


def _dvfs(sequence, **fields):
    decision = DvfsDecision(manager_id="test", sequence=sequence, validity_ms=500.0)
    decision.limits = [ClockLimit(domain="cpu0", min_mhz=NAN, max_mhz=729.6)]
    for name, value in fields.items():
        setattr(decision, name, value)
    return decision


def test_board_restores_its_clocks_when_the_lease_runs_out_and_refuses_nonsense(lone_board):
    probe, boards, diagnostics = lone_board
    publisher = probe.publisher(DvfsDecision, "dvfs_decision")
    original = _limit(probe.wait(lambda: boards and boards[-1], "a board state"))
    publisher.publish(_dvfs(1))
    probe.next(boards, lambda state: _limit(state) == 729.6, "the decided limit")
    probe.next(boards, lambda state: _limit(state) == original, "the original limit after the lease")
    publisher.publish(_dvfs(2, limits=[ClockLimit(domain="cpu9", min_mhz=NAN, max_mhz=729.6)]))

    def told(text):
        return any(text in status.message for message in diagnostics for status in message.status)

    probe.wait(lambda: told("cpu9"), "the refusal of cpu9")
    publisher.publish(_dvfs(3, validity_ms=NAN))
    probe.wait(lambda: told("validity_ms = nan"), "the refusal of a NaN lease")
    assert _limit(boards[-1]) == original
