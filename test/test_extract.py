"""From a recorded bag to a run."""

from __future__ import annotations

import pytest

from bag_samples import DemoBag, write_demo_bag
from dynofa_ros.simulation.bag import BagWriter
from dynofa_ros.simulation.extract import read_run


def test_a_run_begins_and_ends_with_its_scenario(tmp_path):
    run = read_run(write_demo_bag(tmp_path / "bag", ["small"]), "managed")
    assert run.duration_s == pytest.approx(6.0)
    assert len(run.frames) == 60
    assert all(0.0 <= frame.t_s < 6.0 for frame in run.frames)
    assert [event.kind for event in run.events] == ["qos"]


def test_results_labels_and_targets_meet_their_frames(tmp_path):
    run = read_run(write_demo_bag(tmp_path / "bag", ["small", "large"]), "managed")
    assert [frame.on_time for frame in run.frames[:4]] == [True, False, True, False]
    assert run.frames[0].correct is False
    assert run.frames[1].correct is True
    assert {frame.target_ms for frame in run.frames} == {10.0}
    assert run.simulated
    assert run.emulated_clocks


def test_warm_up_counts_in_the_accounting_but_not_in_the_figures(tmp_path):
    run = read_run(write_demo_bag(tmp_path / "bag", ["small"]), "managed")
    (account,) = run.accounting
    assert account.sent == account.received == account.inferred == 61
    assert account.complete


def test_a_frame_without_a_fate_breaks_the_account(tmp_path):
    (account,) = read_run(write_demo_bag(tmp_path / "bag", ["small"], missing=2), "managed").accounting
    assert not account.complete


def test_a_target_counts_from_its_own_time_on(tmp_path):
    with BagWriter(tmp_path / "bag") as bag:
        demo = DemoBag(bag)
        for t_s in (0.0, 1.0, 2.0):
            demo.frame(t_s, "large")
        demo.target(0.5, 20.0)
        demo.target(1.5, 5.0)
        demo.frame(2.5)
    run = read_run(tmp_path / "bag", "x")
    assert [frame.on_time for frame in run.frames] == [True, True, False]
    assert run.duration_s == pytest.approx(2.5)


def test_a_cap_lowers_the_limit_in_force(tmp_path):
    run = read_run(write_demo_bag(tmp_path / "bag", ["small"]), "managed")
    assert run.board[0].limits_mhz == {"cpu0": 1728.0}
    assert run.board[-1].limits_mhz == {"cpu0": 600.0}
    assert run.decisions[0].reason == "fits"
