"""The manager under telemetry that lies, repeats itself, jumps or stays away."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dynofa_ros.board.state import BoardState, ClockDomain, Element, ThermalZone
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.application import ApplicationInfo, InferenceStats
from dynofa_ros.manager.manager import Manager, ManagerConfig
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective, QosTarget
from test_manager import POINTS, SPEC, STEP_S, World


def sent(world, **fields):
    """One report of unloaded frames with some fields replaced, and a step."""
    world.now_s += STEP_S
    world.stats("front", **fields)
    world.take(world.manager.step(world.now_s))


def reported(world, **fields):
    """As `sent`, with a reading of the board."""
    sent(world, **fields)
    world.take(world.manager.on_board_state(world.board.read(world.now_s), world.now_s))


def settled(**config):
    world = World("front", **config)
    world.target(latency_ms=12.0)
    return world.run(3.0)


def test_a_second_node_of_the_same_name_is_refused_while_the_first_is_alive():
    world = World()
    register = world.manager.on_application
    world.slowdown = {"front": 1.0}
    world.take(register(ApplicationInfo("front", POINTS, node="/a"), world.now_s))
    world.run(1.0)
    with pytest.raises(RefusedMessage, match=r"'front' of /b refused: /a has that name and is alive"):
        register(ApplicationInfo("front", POINTS[:1], node="/b"), world.now_s)
    world.run(0.2)
    assert world.status.refused_applications_total == 1
    world.take(register(ApplicationInfo("front", POINTS, node="/a"), world.now_s))  # itself, anew
    world.send_stats = False
    world.run(3.0)
    world.take(register(ApplicationInfo("front", POINTS, node="/b"), world.now_s))  # the first is gone


def test_what_a_reflex_runs_instead_of_the_decision_is_said_until_it_follows():
    world = settled(dwell_s=5.0)
    world.send_stats = False

    def remarks_while_it_runs(subnet, steps):
        for _ in range(steps):
            world.stats("front", subnet=subnet)
            world.run(STEP_S)
        return world.status.remarks

    assert (world.subnet(), remarks_while_it_runs("small", 4)) == ("middle", "")
    words = "front runs small instead of middle for 3 s: its reflex finds the decided one too slow"
    assert remarks_while_it_runs("small", 11) == words
    assert world.status.status == f"1 application: every target is met; {words}"
    assert remarks_while_it_runs("middle", 1) == ""


def test_statistics_of_two_nodes_under_one_name_allow_no_upward_move():
    world = settled()
    for other in (5, 10, 15):
        world.manager.on_stats(
            InferenceStats(
                "front", frames=3, slowdown=1.0, slowdown_tail=1.0, overhead_ms=1.0, inferred_total=other
            ),
            world.now_s,
        )
        world.run(0.2)
    assert "statistics of 'front' come from more than one node" in world.status.status
    world.target(latency_ms=25.0)
    world.run(8.0)
    assert "more than one node" not in world.status.status
    assert world.subnet() == "large"


def test_a_target_that_is_repeated_changes_nothing():
    world = settled()
    world.slowdown["front"] = 1.5
    world.run(1.0)
    changes = []
    for _ in range(20):
        before = (world.subnet(), world.max_mhz())
        world.target(latency_ms=12.0, min_accuracy=float("nan"))
        changes.append((world.subnet(), world.max_mhz()) != before)
    assert not any(changes)


def test_one_report_of_a_faster_machine_lowers_nothing():
    world = settled()
    before = (world.subnet(), world.max_mhz())
    sent(world, slowdown=0.06, slowdown_tail=0.06)
    world.run(2.0)
    assert (world.subnet(), world.max_mhz()) == before


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"slowdown_tail": 300.0}, "slowdown_tail = 300"),
        ({"slowdown_tail": -1.0}, "slowdown_tail = -1"),
        ({"overhead_ms": math.inf}, "overhead_ms = inf"),
        ({"element": "npu"}, "element = 'npu'"),
    ],
)
def test_absurd_statistics_are_said_allow_no_upward_move_and_end_with_the_next_good_ones(fields, words):
    world = World("front")
    world.slowdown["front"] = 2.0
    world.target(latency_ms=25.0)
    assert world.run(3.0).subnet() == "middle"
    for count in range(1, 20):
        reported(world, **{"slowdown": 1.0, "slowdown_tail": 1.0, **fields})
        words_now = f"absurd statistics ({words}; {count} so far) of 'front': no upward moves"
        assert words_now in world.status.remarks
        assert world.subnet() in ("middle", "small")
    world.slowdown["front"] = 1.0
    assert world.run(4.0).status.remarks == ""
    assert world.subnet() == "large"


def test_a_slow_down_beyond_what_is_measured_counts_as_the_largest():
    world = settled()
    for _ in range(3):
        sent(world, slowdown=500.0, slowdown_tail=500.0)
    assert not world.status.feasible
    assert world.status.applications[0].slowdown_tail == pytest.approx(200.0, rel=0.02)


def test_a_slow_down_counts_although_its_overhead_is_not_known():
    world = World("front")
    world.target(latency_ms=25.0)
    sent(world, slowdown=3.0, slowdown_tail=3.0, overhead_ms=math.nan)
    assert world.status.applications[0].slowdown_tail == pytest.approx(3.0, rel=0.02)
    assert "absurd" not in world.status.remarks


def test_statistics_without_a_slow_down_are_missed_after_a_while():
    world = World("front")
    world.target(latency_ms=25.0)
    for _ in range(30):
        reported(world, slowdown=math.nan, slowdown_tail=math.nan)
    assert world.status.remarks.startswith("nothing usable for 6.0 s in the statistics of 'front'")


def test_much_slower_frames_are_answered_before_the_next_step():
    world = settled()
    world.now_s += 0.05
    world.inferred += 6
    output = world.manager.on_stats(
        InferenceStats(
            "front", frames=6, period_ms=33.3, overhead_ms=3.0, slowdown=2.0, slowdown_tail=2.0,
            inferred_total=world.inferred,
        ),
        world.now_s,
    )  # fmt: skip
    assert output is not None
    assert output.decisions[0].subnet == "small" or output.dvfs is not None


def test_frames_across_a_change_of_clocks_do_not_count_as_a_slow_down():
    world = settled(settle_s=1.0)
    world.board.set_cap("cpu0", 1190.4)
    world.run(0.4)
    before = world.status.applications[0].slowdown_tail
    sent(world, slowdown=1.4, slowdown_tail=1.4)
    assert world.status.applications[0].slowdown_tail == before


def test_a_low_battery_saves_energy_until_it_is_charged_again():
    world = settled(low_battery=0.2)
    world.target(latency_ms=25.0)
    world.manager.on_battery(math.nan)
    world.run(2.0)
    assert world.subnet() == "large"
    world.manager.on_battery(0.15)
    world.run(2.0)
    assert world.subnet() == "small"
    assert "the battery is low" in world.status.status
    assert world.status.applications[0].target.objective == Objective.MIN_ENERGY
    world.manager.on_battery(0.21)
    world.run(2.0)
    assert world.subnet() == "small"
    world.manager.on_battery(0.5)
    world.run(2.0)
    assert world.subnet() == "large"


def test_a_temperature_from_elsewhere_counts_where_the_board_has_none():
    manager = Manager(ManagerConfig(trip_degc=90.0), "m")
    board = BoardState(1, "linux", elements=(Element("cpu", "cpu0", 2, 0.1),))
    manager.on_board_state(board, 0.0)
    manager.on_application(ApplicationInfo("front", POINTS), 0.0)
    manager.on_temperature(88.0, 0.5)
    assert "close to the trip point" in manager.step(1.0).status.status
    assert "close to the trip point" not in manager.step(7.0).status.status  # too old to be believed


@pytest.mark.parametrize("degc", [math.nan, 1e9, -400.0, math.inf])
def test_readings_that_are_no_temperatures_are_left_out(degc):
    world = settled()
    state = world.board.read(world.now_s)
    zones = (ThermalZone("broken", degc, 99.0), *state.zones)
    for step in range(20):
        world.now_s += 0.1
        wrong = BoardState(
            state.sequence + 1 + step, state.board, zones=zones, elements=state.elements,
            clock_domains=state.clock_domains, power_w=state.power_w,
        )  # fmt: skip
        world.take(world.manager.on_board_state(wrong, world.now_s))
        sent(world)
    assert world.status.feasible
    assert world.status.temperature_degc == pytest.approx(state.zones[0].temperature_degc, abs=3.0)


def test_the_status_shows_estimate_and_frontier():
    world = World("front")
    world.target(latency_ms=25.0)
    for _ in range(10):
        sent(world, slowdown=1.1, slowdown_tail=1.2, slowdown_tail_low=1.15, slowdown_tail_high=1.3)
    status = world.status.applications[0]
    assert status.slowdown == pytest.approx(1.1, rel=0.02)
    assert (status.slowdown_tail_low, status.slowdown_tail_high) == (1.15, 1.3)
    assert [entry.subnet for entry in status.frontier] == ["small", "middle", "large"]
    latencies = [entry.predicted_latency_ms for entry in status.frontier]
    assert latencies == sorted(latencies)


def test_more_threads_than_cores_online_are_not_chosen():
    wide = OperatingPoint("wide", "cpu/x/fp32/4", threads=4, accuracy=0.9, latency_ms=3.0)
    slim = OperatingPoint("slim", "cpu/x/fp32/1", threads=1, accuracy=0.8, latency_ms=6.0)
    manager = Manager()
    manager.on_application(ApplicationInfo("front", (wide, slim)), 0.0)
    for sequence, cores, chosen in ((1, 4, "wide"), (2, 2, "slim")):
        board = BoardState(sequence, "b", elements=(Element("cpu", "cpu0", cores, 0.1),))
        manager.on_board_state(board, float(sequence))
        output = manager.on_target(QosTarget("front", 20.0 + sequence), float(sequence))
        assert output.decisions[0].subnet == chosen


def test_an_unmeasured_element_is_expected_to_be_shared_with_its_load():
    gpu = OperatingPoint("net", "gpu/x/fp16/1", "gpu", accuracy=0.9, latency_ms=5.0)
    cpu = OperatingPoint("net", "cpu/x/fp32/1", "cpu", threads=1, accuracy=0.8, latency_ms=8.0)
    for load, element in ((0.0, "gpu"), (0.85, "cpu")):
        manager = Manager()
        elements = (Element("cpu", "", 4, 0.2), Element("gpu", "", 0, load))
        manager.on_board_state(BoardState(1, "b", elements=elements), 0.0)
        manager.on_application(ApplicationInfo("front", (gpu, cpu)), 0.0)
        manager.on_target(QosTarget("front", 18.0), 0.0)
        for step in range(1, 20):
            report = InferenceStats(
                "front", "net", cpu.placement, "cpu", frames=3, period_ms=50.0, overhead_ms=1.0,
                slowdown=1.0, slowdown_tail=1.0, busy=0.1, inferred_total=step,
            )  # fmt: skip
            manager.on_stats(report, step * 0.2)
            manager.on_board_state(BoardState(1 + step, "b", elements=elements), step * 0.2)
            output = manager.step(step * 0.2)
        assert output.status.applications[0].element == element


# Whatever is said

NUMBER = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0.1, 100.0),
    st.sampled_from([0.0, 1.0, math.nan]),
)
REPORTS = st.fixed_dictionaries(
    {
        "frames": st.integers(-3, 10), "period_ms": NUMBER, "overhead_ms": NUMBER, "slowdown": NUMBER,
        "slowdown_tail": NUMBER, "slowdown_tail_low": NUMBER, "slowdown_tail_high": NUMBER, "busy": NUMBER,
        "slowdown_burst": NUMBER, "waited_ms": NUMBER, "inference_p50_ms": NUMBER,
        "element": st.sampled_from(["cpu", "gpu", ""]), "inferred_total": st.integers(0, 50),
        "subnet": st.sampled_from(["small", "large", "nobody"]),
    }
)  # fmt: skip
BOARDS = st.builds(
    BoardState,
    sequence=st.integers(0, 30),
    board=st.sampled_from(["a", "b"]),
    zones=st.lists(st.builds(ThermalZone, st.sampled_from("xy"), NUMBER, NUMBER), max_size=3).map(tuple),
    elements=st.lists(
        st.builds(Element, st.sampled_from(["cpu", "gpu"]), st.just("cpu0"), st.integers(0, 8), NUMBER),
        max_size=3,
    ).map(tuple),
    clock_domains=st.lists(
        st.builds(
            ClockDomain, st.sampled_from(["cpu0", "gpu"]), NUMBER, NUMBER, NUMBER, NUMBER,
            st.lists(NUMBER, max_size=4).map(tuple), st.just(""), st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    power_w=NUMBER,
    throttling=st.booleans(),
)  # fmt: skip
TARGETS = st.builds(
    QosTarget, st.sampled_from(["front", "gone", ""]), NUMBER, NUMBER, NUMBER, NUMBER, st.integers(-1, 3),
    st.integers(-1, 300), NUMBER,
)  # fmt: skip
EVENTS = st.lists(
    st.tuples(st.floats(0.0, 3.0), st.one_of(REPORTS, BOARDS, TARGETS, NUMBER, st.none())), max_size=25
)


SOUND = st.floats(1.0, 50.0)
MOSTLY_SOUND = st.one_of(SOUND, SOUND, SOUND, NUMBER)
ABSENT = st.sampled_from([math.nan, 0.0])
OFFERS = st.lists(
    st.builds(
        OperatingPoint, st.sampled_from("abc"), st.sampled_from(["", "cpu/x/fp32/1"]),
        st.sampled_from(["cpu", "cpu", "gpu"]), threads=st.integers(-1, 8), macs=MOSTLY_SOUND,
        accuracy=st.floats(0.0, 1.02), latency_ms=MOSTLY_SOUND, latency_p95_ms=ABSENT | SOUND,
        clock_domain=st.sampled_from(["", "cpu0", "gpu"]), clocked_fraction=st.floats(0.0, 1.0),
        reference_mhz=ABSENT | MOSTLY_SOUND, energy_mj=ABSENT | MOSTLY_SOUND,
    ),
    min_size=1,
    max_size=3,
).map(tuple)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(OFFERS, MOSTLY_SOUND)
def test_points_are_refused_or_lead_to_finite_predictions(points, target_ms):
    world = World()
    world.slowdown["front"] = 1.0
    with np.errstate(all="raise", under="ignore"):
        try:
            world.take(world.manager.on_application(ApplicationInfo("front", points), world.now_s))
            world.target(latency_ms=target_ms)
        except RefusedMessage as error:
            assert "refused" in str(error)
            return
        world.run(1.0)
    application = world.status.applications[0]
    assert 0.0 < application.predicted_latency_ms < math.inf
    assert 0.0 <= application.predicted_energy_mj < math.inf
    assert 0.0 < world.status.predicted_power_w < math.inf


def hear(manager, event, now_s):
    """One message to the manager, and a step; what it decided."""
    output = None
    if isinstance(event, dict):
        output = manager.on_stats(InferenceStats("front", **event), now_s)
    elif isinstance(event, BoardState):
        output = manager.on_board_state(event, now_s)
    elif isinstance(event, QosTarget):
        with contextlib.suppress(RefusedMessage):
            output = manager.on_target(event, now_s)
    elif event is not None:
        manager.on_battery(event)
        manager.on_temperature(event, now_s)
    return list(filter(None, [output, manager.step(now_s)]))


def check_decisions(output, sequence):
    """They can be obeyed, and say of themselves what they predict. Returns the newest sequence."""
    for decision in output.decisions:
        assert decision.sequence > sequence
        sequence = decision.sequence
        assert (decision.subnet, decision.placement) in {point.key for point in POINTS}
        assert decision.alternatives[-1].subnet == decision.subnet
        assert decision.reason
        if decision.feasible:
            assert not decision.predicted_latency_ms > decision.target_latency_ms * (1.0 + 1e-6)
            assert not decision.predicted_accuracy < decision.min_accuracy
    for status in output.status.applications:
        assert status.binding_constraint or status.feasible
    assert output.status.feasible == all(status.feasible for status in output.status.applications)
    assert output.status.status
    return max(sequence, output.dvfs.sequence if output.dvfs else 0)


def check_clocks(output, manager):
    """Limits lie in the tables, and nothing is planned above a cap, or above what is read there."""
    domains = {domain.name: domain for domain in manager._board._domains()}
    for name, mhz in manager._settings.items():
        lowest_mhz = min(f for f in domains[name].available_mhz if 1.0 <= f <= 1e5)
        cap_mhz = domains[name].cap_mhz if domains[name].cap_mhz > 0.0 else math.inf
        read_mhz = np.nan_to_num(domains[name].current_mhz)
        assert mhz <= max(lowest_mhz, cap_mhz * 1.005, read_mhz)
    for limit in output.dvfs.limits if output.dvfs else ():
        assert 0.0 < limit.min_mhz <= limit.max_mhz < math.inf
        table = [mhz for mhz in domains[limit.domain].available_mhz if 1.0 <= mhz <= 1e5]
        assert {limit.min_mhz, limit.max_mhz} <= set(table)


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_whatever_is_said_it_never_raises_and_what_it_decides_can_be_obeyed(events):
    manager = Manager(ManagerConfig(low_battery=0.3), "m")
    manager.set_models(SPEC.models())
    now_s = 0.0
    sequence = check_decisions(manager.on_application(ApplicationInfo("front", POINTS), now_s), 0)
    for dt_s, event in events:
        now_s += dt_s
        for output in hear(manager, event, now_s):
            sequence = check_decisions(output, sequence)
            check_clocks(output, manager)


def settled_again(events):
    """A world in which all that was said, and then a minute of telemetry as it should be."""
    world = World("front", low_battery=0.3)
    for dt_s, event in events:
        world.now_s += dt_s
        hear(world.manager, event, world.now_s)
    world.inferred += 1000
    world.send_stats = False
    world.manager.on_battery(1.0)
    world.stats("front")
    world.target(latency_ms=18.0)
    for _ in range(300):
        world.stats("front", slowdown_burst=1.1, waited_ms=0.0, inference_p50_ms=8.0)
        world.run(STEP_S)
    return world


NOTHING = settled_again([])


@settings(max_examples=50, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(EVENTS)
def test_whatever_was_said_it_decides_as_if_nothing_had_been_after_a_minute_of_good_telemetry(events):
    world = settled_again(events)
    assert world.subnet() == NOTHING.subnet() == "middle"
    assert world.max_mhz() == NOTHING.max_mhz()
    assert world.status.status == NOTHING.status.status == "1 application: every target is met"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), REPORTS), min_size=1, max_size=12))
def test_nothing_moves_upward_while_reports_are_absent_or_absurd(reports):
    """Absurd: no frames, the same count of frames again, or a slow-down that is none."""
    world = World("front")
    world.slowdown["front"] = 2.0
    world.target(latency_ms=25.0)
    world.run(3.0)
    before = POINTS.index(next(p for p in POINTS if p.subnet == world.subnet()))
    world.send_stats = False
    for report in reports:
        if report is not None:
            report = {**report, "slowdown_tail": math.nan}
            world.manager.on_stats(InferenceStats("front", **report), world.now_s)
        world.run(0.6)
        assert [p.subnet for p in POINTS].index(world.subnet()) <= before
