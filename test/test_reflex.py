from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import SubnetAlternative, SubnetDecision
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.reflex.accuracy_floor import PATIENCE
from dynofa_ros.manager.reflex.reflex import Reflex, ReflexConfig

LATENCY_MS = {"small": 4.0, "middle": 8.0, "large": 16.0}
ACCURACY = {"small": 0.90, "middle": 0.94, "large": 0.97}
POINTS = [
    OperatingPoint(
        name, accuracy=ACCURACY[name], latency_ms=ms, clock_domain="cpu0", clocked_fraction=1.0,
        reference_mhz=2000.0,
    )
    for name, ms in LATENCY_MS.items()
]  # fmt: skip
PERIOD_S = 1.0 / 30.0


def decide(subnet="large", target_ms=25.0, sequence=1, **fields):
    alternatives = tuple(SubnetAlternative(name) for name in LATENCY_MS)
    fields = {"validity_ms": 2000.0, "alternatives": alternatives, **fields}
    return SubnetDecision("front", "m", sequence, subnet=subnet, target_latency_ms=target_ms, **fields)


def ready(**config):
    reflex = Reflex(ReflexConfig(**config))
    reflex.set_points(POINTS)
    return reflex


def run(reflex, seconds, start_s=0.0, slowdown=1.0, overhead_ms=3.0, decision=None):
    """Run frames and return the names chosen; the decision is renewed with every frame."""
    names = []
    for frame in range(round(seconds / PERIOD_S)):
        now_s = start_s + frame * PERIOD_S
        if decision is not None:
            reflex.on_decision(decision, now_s)
        name = reflex.choose(now_s).subnet
        factor = slowdown(frame) if callable(slowdown) else slowdown
        reflex.update((name, ""), LATENCY_MS[name] * factor, overhead_ms)
        names.append(name)
    return names


def test_follows_a_decision_that_fits():
    assert run(ready(), 1.0, decision=decide())[-1] == "large"


def test_moves_down_after_one_slow_frame():
    reflex = ready()
    run(reflex, 4.0, decision=decide())
    assert run(reflex, 0.2, 4.0, slowdown=2.0, decision=decide())[:3] == ["large", "middle", "middle"]


def test_one_outlier_costs_the_calm_time_and_no_more():
    names = run(ready(), 6.0, slowdown=lambda frame: 20.0 if frame == 90 else 1.0, decision=decide())
    below = [frame for frame, name in enumerate(names) if name != "large"]
    assert below == list(range(91, 91 + len(below)))
    assert len(below) <= math.ceil(ReflexConfig().calm_s / PERIOD_S) + 1


def test_outliers_that_nothing_follows_move_nothing_any_more():
    reflex = ready()
    alone = run(reflex, 60.0, slowdown=lambda frame: 3.0 if frame % 60 == 59 else 1.0, decision=decide())
    assert set(alone[: 30 * 30]) == {"large", "middle"}
    assert set(alone[45 * 30 :]) == {"large"}


def test_returns_to_the_decided_sub_network_after_the_load_has_gone():
    reflex = ready()
    run(reflex, 4.0, decision=decide())
    run(reflex, 2.0, 4.0, slowdown=2.0, decision=decide())
    assert run(reflex, 3.0, 6.0, decision=decide())[-1] == "large"


def test_never_exceeds_the_decided_sub_network():
    assert set(run(ready(), 5.0, decision=decide("middle", target_ms=100.0))) == {"middle"}


def test_it_returns_from_a_burst_after_the_calm_time_and_from_the_next_one_after_the_dwell():
    reflex = ready(dwell_s=1.0)
    slow = {*range(60, 63), *range(76, 79)}
    names = run(reflex, 4.0, slowdown=lambda frame: 2.0 if frame in slow else 1.0, decision=decide())
    rises = [i for i in range(1, len(names)) if names[i] == "large" != names[i - 1]]
    assert len(rises) == 2
    assert (rises[0] - 61) * PERIOD_S <= 0.3
    assert (rises[1] - rises[0]) * PERIOD_S >= 1.0 - 1e-9


def test_an_unusual_wait_is_made_up_for_by_that_frame_alone():
    reflex = ready()
    run(reflex, 4.0, decision=decide())
    assert reflex.choose(4.0, queued_ms=10.0).subnet == "middle"
    assert reflex.current is not None
    assert reflex.current.subnet == "large"
    assert reflex.choose(4.03).subnet == "large"
    assert reflex.choose(4.06, queued_ms=100.0).subnet == "small"
    assert reflex.choose(4.09, queued_ms=1.0).subnet == "large"


def test_it_keeps_the_accuracy_floor_until_too_many_frames_are_late():
    reflex = ready()
    decision = decide(min_accuracy=0.95)
    run(reflex, 4.0, decision=decision)
    burst = run(reflex, 0.1, 4.0, slowdown=2.0, decision=decision)
    assert set(burst) == {"large"}
    load = run(reflex, 2.0, 4.1, slowdown=2.0, decision=decision)
    late = load.index("middle") + len(burst)
    assert late == math.floor(PATIENCE * 0.05 * ReflexConfig().window) + 1
    assert set(load[load.index("middle") :]) == {"middle"}


def test_a_floor_above_what_was_decided_holds_nothing_back():
    reflex = ready()
    decision = decide(min_accuracy=0.99)
    run(reflex, 4.0, decision=decision)
    assert "middle" in run(reflex, 0.2, 4.0, slowdown=2.0, decision=decision)


def test_a_floor_heard_before_the_manager_counts_at_once_and_a_decision_replaces_it():
    reflex = ready()
    run(reflex, 4.0, decision=decide())
    reflex.on_target(25.0, 0.95, min_accuracy=0.95)
    assert set(run(reflex, 0.1, 4.0, slowdown=2.0)) == {"large"}
    assert "middle" in run(reflex, 0.2, 4.1, slowdown=2.0, decision=decide())


@pytest.mark.parametrize("floor", [math.nan, 0.0, -0.5, 1.5, math.inf])
def test_a_floor_that_is_none_or_impossible_holds_nothing_back(floor):
    reflex = ready()
    run(reflex, 4.0, decision=decide(min_accuracy=floor))
    assert "middle" in run(reflex, 0.2, 4.0, slowdown=2.0, decision=decide(min_accuracy=floor))


def test_a_slower_clock_moves_down_with_the_next_frame():
    reflex = ready()
    run(reflex, 4.0, decision=decide())
    reflex.set_clock("cpu0", 1000.0)
    assert reflex.expected_ms(("large", "")) == 32.0
    assert reflex.choose(4.0).subnet == "middle"


def test_frames_that_may_have_run_at_another_clock_are_taken_back():
    """A clock falls between two reports: the frames since the last one were slow, the machine is not."""
    reflex = ready()
    reflex.set_clock("cpu0", 2000.0)
    run(reflex, 4.0)
    reflex.set_clock("cpu0", 2000.0)
    run(reflex, 0.1, 4.0, slowdown=1.5)
    assert reflex.slowdown.tail(0.95) == 1.5
    reflex.set_clock("cpu0", 1333.3)
    assert reflex.slowdown.tail(0.95) == 1.0


def test_a_frame_across_a_change_of_clocks_says_nothing():
    reflex = ready()
    reflex.set_clock("cpu0", 2000.0)
    run(reflex, 4.0)
    for _ in range(3):
        reflex.set_clock("cpu0", 1000.0)
        name = reflex.choose(4.0).subnet
        reflex.set_clock("cpu0", 2000.0)
        reflex.update((name, ""), LATENCY_MS[name] * 1.9, 3.0)
    assert reflex.slowdown.tail(0.95) == 1.0


def test_a_co_runner_that_comes_amid_a_frame_costs_two_frames_at_most():
    for partly in (1.0, 1.01, 1.2, 1.6):
        reflex = ready()
        run(reflex, 4.0, decision=decide())
        names = run(reflex, 0.2, 4.0, slowdown=lambda i, p=partly: p if i == 0 else 1.6, decision=decide())
        late = [name == "large" for name in names]  # 3 + 1.6 * 16 ms of 25 ms
        assert not any(late[3:])


def test_waiting_behind_a_surprisingly_slow_frame_is_not_held_against_smaller_sub_networks():
    reflex = ready()
    run(reflex, 4.0, decision=decide())
    for _ in range(2):
        name = reflex.choose(4.0).subnet
        reflex.update((name, ""), LATENCY_MS[name] * 2.0, 18.0, queued_ms=15.0)
    assert reflex.choose(4.1).subnet == "middle"


def test_a_tighter_target_binds_with_the_next_frame_and_a_wider_one_too():
    reflex = ready()
    run(reflex, 4.0, decision=decide())
    reflex.on_decision(decide("middle", target_ms=12.0, sequence=2), 4.0)
    assert reflex.choose(4.0).subnet == "middle"
    reflex.on_decision(decide("large", target_ms=25.0, sequence=3), 4.1)
    assert reflex.choose(4.1).subnet == "large"


def test_runs_the_smallest_where_nothing_fits():
    assert run(ready(), 1.0, slowdown=50.0, decision=decide())[-1] == "small"


def test_alone_and_without_a_target_it_keeps_up_with_the_camera():
    reflex = ready(keep_up=0.9)
    assert reflex.choose(0.0).subnet == "small"
    reflex.set_period(33.3)
    assert reflex.choose(0.1).subnet == "large"
    assert math.isnan(reflex.target_latency_ms(0.1))


def test_after_the_lease_it_keeps_the_last_target_on_its_own_front():
    reflex = ready()
    run(reflex, 4.0, decision=decide("small", target_ms=25.0))
    assert reflex.decision(7.0) is None
    assert reflex.target_latency_ms(7.0) == 25.0
    assert reflex.choose(7.0).subnet == "large"


def test_a_default_target_counts_before_any_decision():
    reflex = ready(default_latency_ms=12.0)
    run(reflex, 2.0, overhead_ms=1.0)
    assert reflex.current.subnet == "middle"


def test_refuses_a_decision_that_names_an_unknown_sub_network_whole():
    reflex = ready()
    reflex.on_decision(decide("middle"), 0.0)
    for wrong in (
        decide("huge"),
        decide(element="gpu"),
        decide(alternatives=(SubnetAlternative("huge"),)),
        decide(validity_ms=math.nan),
        decide(percentile=1.0),
        decide(target_ms=-1.0),
    ):
        with pytest.raises(RefusedMessage, match=r"huge|gpu|validity|percentile|target"):
            reflex.on_decision(wrong, 0.1)
    assert reflex.decision(0.1) == decide("middle")


def test_a_pin_holds_until_its_time_and_refuses_unknown_names():
    reflex = ready()
    reflex.on_decision(decide(), 0.0)
    with pytest.raises(RefusedMessage, match="huge"):
        reflex.pin("huge", 5.0)
    reflex.pin("small", 1.0)
    assert reflex.choose(0.5).subnet == "small"
    assert reflex.choose(1.5).subnet != "small" or reflex.choose(2.5).subnet != "small"


def test_refuses_points_that_contradict_themselves():
    with pytest.raises(RefusedMessage, match="latency_ms"):
        Reflex().set_points([OperatingPoint("p", latency_ms=0.0)])
    with pytest.raises(RefusedMessage, match="each sub-network once per placement"):
        Reflex().set_points([POINTS[0], POINTS[0]])


@given(
    st.lists(st.tuples(st.floats(0.2, 10.0), st.floats(0.0, 50.0)), min_size=1, max_size=120),
    st.sampled_from(list(LATENCY_MS)),
)
def test_whatever_is_measured_it_stays_on_the_ladder_and_moves_up_at_most_once_per_dwell(frames, decided):
    reflex = ready(dwell_s=1.0)
    ladder = list(LATENCY_MS)
    ups = []
    previous = None
    for index, (slowdown, overhead_ms) in enumerate(frames):
        now_s = index * PERIOD_S
        reflex.on_decision(decide(decided), now_s)
        name = reflex.choose(now_s).subnet
        assert ladder.index(name) <= ladder.index(decided)
        if previous is not None and ladder.index(name) > ladder.index(previous):
            ups.append(now_s)
        reflex.update((name, ""), LATENCY_MS[name] * slowdown, overhead_ms)
        previous = name
    assert all(later - earlier >= 1.0 - 1e-9 for earlier, later in zip(ups, ups[1:], strict=False))


# Several placements


def test_an_announced_clock_counts_at_once_and_keeps_what_was_learnt():
    reflex = ready()
    reflex.set_clock("cpu0", 2000.0)
    run(reflex, 4.0, slowdown=1.2, decision=decide())
    reflex.announce_clock("cpu0", 1000.0)
    assert reflex.expected_ms(("large", "")) == 32.0
    assert reflex.slowdown.median() == pytest.approx(1.2)


def test_a_reading_from_before_an_announcement_does_not_undo_it_but_a_second_one_does():
    reflex = ready()
    reflex.set_clock("cpu0", 2000.0)
    reflex.announce_clock("cpu0", 1000.0)
    reflex.set_clock("cpu0", 2000.0)
    assert reflex.expected_ms(("large", "")) == 32.0
    reflex.set_clock("cpu0", 2000.0)
    assert reflex.expected_ms(("large", "")) == 16.0


def test_a_reading_of_a_third_clock_counts_after_an_announcement():
    reflex = ready()
    reflex.set_clock("cpu0", 2000.0)
    reflex.announce_clock("cpu0", 1000.0)
    reflex.set_clock("cpu0", 1600.0)
    assert reflex.expected_ms(("large", "")) == pytest.approx(20.0)


def test_it_calls_the_manager_once_where_nothing_left_fits_and_again_where_it_gets_worse():
    reflex = ready()
    decision = decide(min_accuracy=0.95)
    run(reflex, 4.0, decision=decision)
    calls = reflex.calls
    run(reflex, 0.3, 4.0, slowdown=2.0, decision=decision)
    assert reflex.calls == calls + 1
    run(reflex, 0.3, 4.3, slowdown=3.0, decision=decision)
    assert reflex.calls == calls + 2


def test_a_camera_too_fast_for_a_point_moves_down_though_each_frame_would_be_in_time():
    """Every frame that finds the worker busy and is replaced by a newer one is lost."""
    reflex = ready()
    reflex.set_period(33.3)
    run(reflex, 4.0, decision=decide(target_ms=60.0))
    calls = reflex.calls
    reflex.set_period(10.0)
    assert run(reflex, 0.2, 4.0, decision=decide(target_ms=60.0))[0] == "middle"
    assert reflex.calls == calls + 1
    reflex.set_period(33.3)
    assert run(reflex, 2.0, 4.2, decision=decide(target_ms=60.0))[-1] == "large"


def test_it_calls_the_manager_for_a_leap_that_still_fits():
    """Another application on the element may not fit any more."""
    reflex = ready()
    run(reflex, 4.0, decision=decide(target_ms=60.0))
    calls = reflex.calls
    assert set(run(reflex, 0.5, 4.0, slowdown=1.4, decision=decide(target_ms=60.0))) == {"large"}
    assert reflex.calls == calls + 1
    run(reflex, 5.0, 4.5, decision=decide(target_ms=60.0))
    run(reflex, 0.5, 9.5, slowdown=1.4, decision=decide(target_ms=60.0))
    assert reflex.calls == calls + 2


def test_a_clock_that_the_frame_does_not_run_on_says_nothing_about_it():
    reflex = ready()
    reflex.set_clock("gpu", 300.0)
    reflex.set_clock("cpu0", 2000.0)
    run(reflex, 2.0, decision=decide())
    reflex.choose(2.0)
    reflex.set_clock("gpu", 600.0)
    samples = len(reflex.slowdown)
    reflex.update(("large", ""), 16.0, 3.0)
    assert len(reflex.slowdown) == min(samples + 1, 128)
    reflex.choose(2.1)
    reflex.set_clock("cpu0", 1000.0)
    samples = len(reflex.slowdown)
    reflex.update(("large", ""), 16.0, 3.0)
    assert len(reflex.slowdown) == samples


def test_one_slow_frame_calls_nobody():
    reflex = ready()
    decision = decide(min_accuracy=0.95)
    run(reflex, 4.0, decision=decision)
    calls = reflex.calls
    run(reflex, 1.0, 4.0, slowdown=lambda frame: 3.0 if frame == 5 else 1.0, decision=decision)
    assert reflex.calls == calls


def test_a_clock_that_nobody_can_set_takes_no_frame_back():
    reflex = ready()
    reflex.set_clock("cpu0", 2000.0, settable=False)
    run(reflex, 0.2, decision=decide())
    counted = len(reflex.slowdown)
    reflex.set_clock("cpu0", 1000.0, settable=False)
    assert len(reflex.slowdown) == counted > 0
    assert reflex.expected_ms(("large", "")) == 32.0


def test_a_clock_that_is_still_not_read_is_no_change():
    reflex = ready()
    reflex.set_clock("cpu0", math.nan)
    run(reflex, 0.2, decision=decide())
    counted = len(reflex.slowdown)
    reflex.set_clock("cpu0", float("nan"))
    assert len(reflex.slowdown) == counted > 0
