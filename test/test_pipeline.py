"""The perception core with real sub-networks: every frame accounted for, every switch exact."""

from __future__ import annotations

import dataclasses
import itertools
import math
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.engine.compressed import CompressedFrame
from dynofa_ros.engine.emulation import ClockEmulation
from dynofa_ros.engine.pipeline import PerceptionCore
from dynofa_ros.engine.preprocess import prepare
from dynofa_ros.engine.results import FrameDrop, FrameResult, top_scores
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import SubnetAlternative, SubnetDecision
from dynofa_ros.manager.operating_point import OperatingPoint
from engine_samples import FP32, noise_frame, on, small_bank, small_family

LATENCY_MS = {"small": 1.0, "middle": 2.0, "large": 4.0}
GOOD = noise_frame()
BAD_FRAMES = {
    "zero_size": dataclasses.replace(GOOD, width=0),
    "invalid_encoding": dataclasses.replace(GOOD, encoding="\x1b[31mbgr"),
    "short_step": dataclasses.replace(GOOD, step=3),
    "truncated_data": dataclasses.replace(GOOD, data=GOOD.data[:-1]),
    "corrupt_compressed": CompressedFrame("jpeg", np.frombuffer(b"\xff\xd8\xff\xe0 no picture", np.uint8)),
}


class Clock:
    """A clock that each look moves on by one millisecond."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1e-3
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture(scope="module")
def bank():
    return small_bank()


def points():
    return [
        OperatingPoint(
            name, str(FP32), "cpu", "openvino", "fp32", 1, macs=ms, latency_ms=ms, clock_domain="cpu0",
            clocked_fraction=0.5, reference_mhz=1000.0,
        )
        for name, ms in LATENCY_MS.items()
    ]  # fmt: skip


def core_of(bank, **options):
    return PerceptionCore("front", bank, points(), start_s=0.0, **options)


def decision(subnet, **changes):
    alternatives = tuple(SubnetAlternative(name) for name in LATENCY_MS)
    fields = {"target_latency_ms": 1000.0, "alternatives": alternatives, **changes}
    return SubnetDecision("front", "manager", 1, 1e6, subnet, **fields)


def assert_balanced(core):
    totals = core.totals()
    assert totals.received == totals.inferred + totals.dropped + totals.in_flight
    return totals


def test_a_result_carries_all_times_and_they_add_up(bank):
    core, clock = core_of(bank), Clock()
    result = core.process(GOOD, stamp_s=-0.002, received_s=0.0, now=clock, tag="header")
    assert isinstance(result, FrameResult)
    assert result.tag == "header"
    assert result.transport_ms == pytest.approx(2.0)
    stages = (result.queue_ms, result.preprocess_ms, result.inference_ms, result.postprocess_ms)
    assert result.latency_ms == pytest.approx(2.0 + sum(stages))
    assert math.isnan(result.target_latency_ms)
    assert result.deadline_met
    assert not result.emulated_clocks
    assert result.stretch == 1.0
    assert len(result.results) == 5


def test_a_stamp_of_another_clock_counts_from_receipt(bank):
    result = core_of(bank).process(GOOD, stamp_s=3600.0, received_s=0.0, now=Clock())
    assert math.isnan(result.transport_ms)
    assert result.latency_ms == pytest.approx(5.0)


@pytest.mark.parametrize("reason", list(BAD_FRAMES))
def test_a_bad_frame_is_counted_by_reason_and_the_next_good_one_works(bank, reason):
    core, clock = core_of(bank), Clock()
    drop = core.process(BAD_FRAMES[reason], 0.0, 0.0, clock, tag=5)
    assert isinstance(drop, FrameDrop)
    assert (drop.reason, drop.tag, drop.frame) == (reason, 5, 0)
    assert drop.detail.isprintable()
    assert drop.detail in core.snapshot(1.0).last_drop
    assert isinstance(core.process(GOOD, 0.0, 0.0, clock), FrameResult)
    assert core.totals().drops == ((reason, 1),)
    assert assert_balanced(core).in_flight == 0


def test_every_switch_gives_the_sub_network_s_own_result(bank):
    core, clock = core_of(bank), Clock()
    frames = [noise_frame(seed) for seed in range(4)]
    names = np.random.default_rng(1).choice(list(LATENCY_MS), 60)
    switches = 0
    for number, name in enumerate(names):
        core.pin(name, until_s=math.inf)
        frame = frames[number % 4]
        result = core.process(frame, 0.0, clock(), clock)
        image = prepare(frame, bank.resolution(on(name)))
        assert (result.subnet, result.placement) == on(name)
        assert result.results == top_scores(bank.infer(on(name), image), bank.family.labels, 5)
        switches += number > 0 and names[number - 1] != name
    assert core.totals().switches == switches > 0


def test_the_decision_is_followed_from_the_next_frame(bank):
    core, clock = core_of(bank), Clock()
    core.on_decision(decision("large"), now_s=0.0)
    assert core.process(GOOD, 0.0, 0.0, clock).subnet == "large"
    core.on_decision(decision("small", target_latency_ms=1.0), clock.now_s)
    result = core.process(GOOD, clock.now_s, clock.now_s, clock)
    assert result.subnet == "small"
    assert result.target_latency_ms == 1.0
    assert not result.deadline_met
    assert core.snapshot(clock()).deadline_misses == 1


@pytest.mark.parametrize(
    "bad",
    [
        decision("unknown"),
        decision("small", element="dla0"),
        decision("small", threads=7),
        decision("small", placement="cpu/openvino/fp32/7"),
        dataclasses.replace(decision("small"), application="rear"),
        dataclasses.replace(decision("small"), alternatives=(SubnetAlternative("unknown"),)),
    ],
)
def test_a_decision_that_cannot_be_followed_is_refused_whole(bank, bad):
    core, clock = core_of(bank), Clock()
    core.on_decision(decision("large"), 0.0)
    with pytest.raises(RefusedMessage):
        core.on_decision(bad, 0.0)
    assert core.process(GOOD, 0.0, 0.0, clock).subnet == "large"


def test_a_sub_network_pinned_by_hand_stays_for_the_stated_time(bank):
    core = core_of(bank)
    core.on_decision(decision("large"), 0.0)
    core.pin("middle", until_s=10.0)
    assert core.process(GOOD, 1.0, 1.0, lambda: 1.0).subnet == "middle"
    assert core.process(GOOD, 11.0, 11.0, lambda: 11.0).subnet == "large"
    with pytest.raises(RefusedMessage, match="giant"):
        core.pin("giant", until_s=10.0)


def test_the_next_frame_already_runs_on_a_sub_network_that_fits(bank):
    core = core_of(bank)
    core.on_decision(decision("large", target_latency_ms=12.0), 0.0)

    def slow_clock(start_s: float) -> Callable[[], float]:
        ticks = itertools.count()
        return lambda: start_s + next(ticks) * 8e-3

    times_s = (0.0, 1.0, 1.05, 1.1)
    chosen = [core.process(GOOD, now_s, now_s, slow_clock(now_s)).subnet for now_s in times_s]
    assert chosen[0] == "large"
    assert chosen[-1] == "small"
    assert "small" in core.snapshot(1.0).reflex


def test_emulated_clocks_stretch_inference_and_leave_the_slowdown_alone(bank):
    plain_clock, clock = Clock(), Clock()
    plain = core_of(bank)
    core = core_of(bank, emulation=ClockEmulation(0.5, clock.wait))
    core.set_clock("cpu0", 250.0, 1000.0)
    for one, its_clock in ((plain, plain_clock), (core, clock)):
        one.pin("small", math.inf)
        result = one.process(GOOD, 0.0, 0.0, its_clock)
    assert result.emulated_clocks
    assert result.stretch == 2.5
    assert result.inference_ms == pytest.approx(2.5 * 1.0 + 1.0)
    measured = core.snapshot(1.0)
    assert measured.emulated_clocks
    assert measured.slowdown == pytest.approx(3.5 / 2.5)
    for absurd_mhz in (math.nan, 0.0, -5.0, math.inf):
        core.set_clock("cpu0", absurd_mhz, 1000.0)
        assert core.process(GOOD, 0.0, 0.0, clock).stretch == 1.0


def test_an_announced_clock_is_emulated_before_it_is_read(bank):
    core = core_of(bank, emulation=ClockEmulation(0.5, Clock().wait))
    core.announce_clock("cpu0", 500.0)
    assert core.process(GOOD, 0.0, 0.0, Clock()).stretch == 1.0
    core.set_clock("cpu0", 1000.0, 1000.0)
    core.announce_clock("cpu0", 500.0)
    assert core.process(GOOD, 0.0, 0.0, Clock()).stretch == 1.5
    core.set_clock("cpu0", 1000.0, 1000.0)
    assert core.process(GOOD, 0.0, 0.0, Clock()).stretch == 1.5
    core.set_clock("cpu0", 1000.0, 1000.0)
    assert core.process(GOOD, 0.0, 0.0, Clock()).stretch == 1.0


def test_a_real_clock_explains_inference_times_and_stretches_nothing(bank):
    core = core_of(bank, emulation=ClockEmulation(0.5, Clock().wait))
    core.set_clock("cpu0", 500.0, 1000.0, emulated=False)
    result = core.process(GOOD, 0.0, 0.0, Clock())
    assert (result.stretch, result.emulated_clocks) == (1.0, False)
    plain = core_of(bank)
    plain.process(GOOD, 0.0, 0.0, Clock())
    assert core.snapshot(1.0).slowdown < plain.snapshot(1.0).slowdown


def test_non_finite_logits_publish_no_class(bank):
    family = small_family()
    family.tensors()["classifier.linear.bias"][3] = math.nan
    core = core_of(small_bank(family=family))
    drop = core.process(GOOD, 0.0, 0.0, Clock())
    assert isinstance(drop, FrameDrop)
    assert drop.reason == "non_finite_logits"
    assert assert_balanced(core).in_flight == 0


def test_a_failing_inference_loses_its_frame_only(bank, monkeypatch):
    core, clock = core_of(bank), Clock()

    def fail(key):
        raise RuntimeError("device lost")

    with monkeypatch.context() as patch:
        patch.setattr(bank, "network", fail)
        drop = core.process(GOOD, 0.0, 0.0, clock)
    assert drop.reason == "inference_failed"
    assert "device lost" in drop.detail
    assert isinstance(core.process(GOOD, 0.0, 0.0, clock), FrameResult)


def test_the_window_covers_what_happened_since_the_last_snapshot(bank):
    core, clock = core_of(bank), Clock()
    empty = core.snapshot(0.5)
    assert empty.frames == 0
    assert empty.busy == 0.0
    assert math.isnan(empty.latency_p95_ms)
    for received_s in (0.500, 0.533, 0.566):
        clock.now_s = received_s
        core.process(GOOD, received_s, received_s, clock)
    stats = core.snapshot(0.600)
    assert stats.frames == 3
    assert stats.window_ms == pytest.approx(100.0)
    assert stats.period_ms == pytest.approx(33.0)
    assert stats.inference_p50_ms == pytest.approx(2.0)
    assert stats.busy == pytest.approx(3 * 2.0 / 100.0)
    assert stats.latency_max_ms >= stats.latency_p95_ms >= stats.latency_p50_ms > 0.0
    assert core.snapshot(0.700).frames == 0


def test_replaced_refused_and_late_frames_are_all_counted(bank):
    core = core_of(bank)
    assert core.submit(GOOD, 0.0, 1.0, "first") is None
    drop = core.submit(GOOD, 0.1, 1.0, "second")
    assert (drop.reason, drop.tag) == ("replaced_by_newer", "first")
    assert core.totals().in_flight == 1
    assert core.refuse("idle", "nobody listens", 0.2).frame == 2
    core.close()
    assert core.submit(GOOD, 0.3, 1.0).reason == "shutdown"
    assert core.next() is None
    assert dict(core.totals().drops) == {"replaced_by_newer": 1, "idle": 1, "shutdown": 2}
    assert assert_balanced(core).in_flight == 0


def test_the_account_balances_at_any_time_between_threads(bank):
    core, clock = core_of(bank), Clock()
    outcomes: list[FrameResult | FrameDrop] = []

    def work() -> None:
        while not core.closed:
            arrival = core.next(0.05)
            if arrival is not None:
                outcomes.append(core.run(arrival, clock))

    worker = threading.Thread(target=work)
    worker.start()
    lost = 0
    for number in range(400):
        frame = BAD_FRAMES["short_step"] if number % 7 == 0 else GOOD
        lost += core.submit(frame, clock.now_s, 0.0) is not None
        assert_balanced(core)
        if number == 200:
            while not outcomes:
                worker.join(0.001)
    core.close()
    worker.join(10)
    totals = assert_balanced(core)
    assert totals.in_flight == 0
    assert totals.received == 400
    assert totals.inferred == sum(isinstance(outcome, FrameResult) for outcome in outcomes) > 0
    assert dict(totals.drops)["replaced_by_newer"] == lost > 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["good", *BAD_FRAMES]), max_size=12))
def test_any_mix_of_frames_balances(bank, kinds):
    core, clock = core_of(bank), Clock()
    for kind in kinds:
        outcome = core.process(BAD_FRAMES.get(kind, GOOD), clock.now_s, clock.now_s, clock)
        assert (kind == "good") == isinstance(outcome, FrameResult)
    totals = assert_balanced(core)
    assert totals.inferred == kinds.count("good")
    assert {reason: kinds.count(reason) for reason in kinds if reason != "good"} == dict(totals.drops)


def test_points_of_sub_networks_that_are_not_resident_are_refused(bank):
    stranger = dataclasses.replace(points()[0], subnet="giant")
    with pytest.raises(RefusedMessage, match="giant"):
        PerceptionCore("front", bank, [*points(), stranger])


def test_a_family_runs_where_torch_and_ofa_are_absent(tmp_path):
    program = """
import sys
for name in ("torch", "torchvision", "ofa", "rclpy"):
    sys.modules[name] = None
sys.path[:0] = sys.argv[1:]
from test_pipeline import GOOD, Clock, FrameResult, core_of, small_bank
core = core_of(small_bank())
assert isinstance(core.process(GOOD, 0.0, 0.0, Clock()), FrameResult)
"""
    here = Path(__file__).parent
    command = [sys.executable, "-c", program, str(here), str(here.parent)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
