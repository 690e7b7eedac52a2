"""Metrics of a run."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.simulation import metrics
from dynofa_ros.simulation.records import Accounting, BoardSample, Event, Frame


def frame(t_s, latency_ms=5.0, target_ms=10.0, subnet="s", label="3", predicted="3"):
    inferred = not math.isnan(latency_ms)
    return Frame(
        "front", int(t_s * 1e9), t_s, target_ms, latency_ms, 1.0, subnet if inferred else "", label, predicted
    )


def frames(verdicts, period_s=0.1):
    """Frames that are on time (True) or late (False)."""
    return [frame(index * period_s, 5.0 if good else 15.0) for index, good in enumerate(verdicts)]


unhurried = settings(deadline=None)
verdict_lists = st.lists(st.booleans(), max_size=60)


def test_a_frame_without_result_is_a_miss_but_has_no_latency():
    lost = frame(0.0, latency_ms=math.nan)
    assert metrics.miss_rate([lost, frame(0.1)]) == 0.5
    assert metrics.latency_percentiles([lost])["p50"] is None


def test_without_a_target_every_result_is_on_time():
    assert frame(0.0, latency_ms=1e6, target_ms=math.nan).on_time


def test_a_latency_equal_to_the_target_is_on_time():
    assert frame(0.0, latency_ms=10.0, target_ms=10.0).on_time


@unhurried
@given(verdict_lists)
def test_on_time_and_miss_rate_add_up(verdicts):
    record = frames(verdicts)
    if not verdicts:
        assert metrics.miss_rate(record) is None
        return
    assert metrics.miss_rate(record) + metrics.on_time_rate(record) == pytest.approx(1.0)
    assert metrics.miss_rate(record) == verdicts.count(False) / len(verdicts)


@unhurried
@given(verdict_lists, st.lists(st.floats(0.0, 6.0), max_size=5), st.floats(0.0, 2.0))
def test_outside_guard_keeps_exactly_the_frames_far_from_events(verdicts, times, guard_s):
    record = frames(verdicts)
    kept = metrics.outside_guard(record, [Event(t, "qos", "") for t in times], guard_s)
    assert kept == [f for f in record if all(not 0.0 <= f.t_s - t < guard_s for t in times)]


@unhurried
@given(verdict_lists)
def test_longest_burst_is_the_longest_run_of_misses(verdicts):
    text = "".join("." if good else "x" for good in verdicts)
    assert metrics.longest_miss_burst(frames(verdicts)) == max(map(len, text.split(".")), default=0)


def test_misses_that_follow_misses_are_told():
    assert metrics.miss_given_miss(frames([True, False, False, True])) == 0.5
    assert metrics.miss_given_miss(frames([True, True])) is None


def test_recovery_is_zero_if_nothing_misses_within_a_second():
    assert metrics.recovery_ms(frames([True] * 15 + [False] * 5), 0.0) == 0.0


def test_recovery_counts_to_the_release_of_the_first_of_ten_on_time_frames():
    record = frames([True] * 5 + [False] * 3 + [True] * 4 + [False] + [True] * 10)
    assert metrics.recovery_ms(record, 0.5) == pytest.approx(800.0)


def test_recovery_is_none_if_ten_in_a_row_never_come():
    assert metrics.recovery_ms(frames([False] + [True] * 9), 0.0) is None


@unhurried
@given(verdict_lists, st.floats(0.0, 3.0))
def test_recovery_agrees_with_its_definition(verdicts, event_s):
    record = [f for f in frames(verdicts) if f.t_s >= event_s]
    found = metrics.recovery_ms(frames(verdicts), event_s)
    if all(f.on_time for f in record if f.t_s < event_s + 1.0):
        assert found == 0.0
        return
    starts = [i for i in range(len(record) - 9) if all(f.on_time for f in record[i : i + 10])]
    expected = 1000.0 * (record[starts[0]].t_s - event_s) if starts else None
    assert found == (pytest.approx(expected) if expected is not None else None)


def test_accuracy_ignores_frames_without_label_or_result():
    record = [frame(0.0), frame(0.1, predicted="7"), frame(0.2, label=""), frame(0.3, math.nan)]
    assert metrics.accuracy(record) == 0.5
    assert metrics.accuracy([frame(0.0, label="")]) is None


def test_on_time_accuracy_counts_misses_as_wrong():
    record = [frame(0.0), frame(0.1, 15.0), frame(0.2, math.nan), frame(0.3)]
    assert metrics.on_time_accuracy(record) == 0.5


def test_rolling_accuracy_forgets_what_is_older_than_the_window():
    record = [frame(0.1 * i, predicted="7" if i < 10 else "3") for i in range(50)]
    points = dict(metrics.rolling_accuracy(record, window_s=1.0))
    assert points[record[9].t_s] == 0.0
    assert points[record[49].t_s] == 1.0


@unhurried
@given(st.floats(0.5, 20.0), st.integers(1, 30))
def test_energy_of_constant_power_is_power_times_time(power_w, n):
    samples = [BoardSample(0.37 * i, power_w) for i in range(n)]
    assert metrics.energy_j(samples, 5.0) == pytest.approx(5.0 * power_w)


def test_energy_integrates_a_ramp_and_skips_missing_samples():
    samples = [BoardSample(0.0, 0.0), BoardSample(1.0, math.nan), BoardSample(2.0, 4.0)]
    assert metrics.energy_j(samples, 2.0) == pytest.approx(4.0)
    assert metrics.energy_j([BoardSample(0.0)], 2.0) is None


def test_clock_changes_count_every_domain():
    samples = [
        BoardSample(i, 1.0, {"cpu0": mhz, "gpu": 500.0}) for i, mhz in enumerate((1000, 1000, 600, 1000))
    ]
    assert metrics.clock_changes(samples) == 2


def test_switches_skip_frames_without_result():
    record = [frame(0, subnet="a"), frame(1, math.nan), frame(2, subnet="a"), frame(3, subnet="b")]
    assert metrics.switches(record) == 1
    assert metrics.frames_per_subnet(record) == {"a": 2, "b": 1}


@unhurried
@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(-3, 3))
def test_an_account_is_complete_only_if_every_frame_has_a_fate(lost, inferred, dropped, error):
    received = inferred + dropped
    account = Accounting(
        "front", lost + received, received + error, inferred, {"replaced_by_newer": dropped}, inferred
    )
    assert account.in_flight == error
    assert account.complete == (error == 0)


def test_an_account_with_more_received_than_sent_is_not_complete():
    assert not Accounting("front", 4, 5, 5, {}, 5).complete


def test_an_account_that_lacks_results_in_the_record_is_not_complete():
    assert not Accounting("front", 5, 5, 5, {}, 4).complete
