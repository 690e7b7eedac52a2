"""Recovery after a load arrives: which applications count, and what noise alone does."""

from dataclasses import replace

import pytest

from dynofa_ros.simulation.compare.recovery import late_until_recovered, quiet_frames, recovery_frames
from dynofa_ros.simulation.scenarios.scenario import load_scenario
from dynofa_ros.simulation.world.policy import FrameOutcome
from dynofa_ros.simulation.world.simulator import simulate
from oracle_worlds import scenario_text

LATE, GOOD = 0.03, 0.01


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("recovery") / "two.yaml"
    path.write_text(scenario_text("two", 9), encoding="utf-8")
    return simulate(load_scenario(path), "powersave", 1)


def frames(lasting_s, element, start_s=0.0, period_s=0.1):
    """Frames with a target of 20 ms that take so long, one after the other."""
    return [
        FrameOutcome(
            "front",
            index,
            at_s := start_s + period_s * index,
            20.0,
            start_s=at_s,
            end_s=at_s + taken_s,
            element=element,
        )
        for index, taken_s in enumerate(lasting_s)
    ]


def test_late_frames_count_until_ten_in_a_row_are_on_time():
    assert late_until_recovered(frames([LATE] * 3 + [GOOD] * 12, "gpu"), 0.0) == 3
    assert late_until_recovered(frames([LATE, GOOD, LATE] + [GOOD] * 10, "gpu"), 0.0) == 3
    assert late_until_recovered(frames([LATE] * 15, "gpu"), 0.0) is None
    assert late_until_recovered(frames([GOOD] * 11 + [LATE] * 15, "gpu"), 0.0) == 0


def test_only_applications_on_the_loaded_element_recover_from_a_load(record):
    quick, slow = frames([GOOD] * 70, "gpu", 2.0), frames([LATE] * 4 + [GOOD] * 66, "cpu", 2.0)
    record.frames.update(front=quick, rear=slow)
    assert list(recovery_frames(record)) == [{"t_s": 2.0, "load": "gpu", "frames": 0}]
    record.frames.update(front=slow, rear=frames([LATE] * 2 + [GOOD] * 68, "gpu", 2.0))
    assert [arrival["frames"] for arrival in recovery_frames(record)] == [2]


def test_an_application_that_comes_to_the_loaded_element_or_runs_nothing_counts_too(record):
    away = frames([LATE] * 3, "cpu", 2.0) + frames([LATE] * 2 + [GOOD] * 20, "gpu", 2.3)
    record.frames.update(front=away, rear=frames([GOOD] * 70, "cpu", 2.0))
    assert [arrival["frames"] for arrival in recovery_frames(record)] == [5]
    record.frames["front"] = [FrameOutcome("front", i, 2.0 + 0.1 * i, 20.0) for i in range(20)]
    assert [arrival["frames"] for arrival in recovery_frames(record)] == [None]


def test_quiet_moments_keep_away_from_events_and_count_each_application(record):
    record.frames.update(front=frames([GOOD] * 90, "gpu"), rear=frames([LATE] * 90, "cpu"))
    assert quiet_frames(record) == []  # loads come and go at 2 and 5 s of 9
    record.frames.update(front=frames([GOOD] * 130, "gpu"), rear=frames([LATE] * 130, "cpu"))
    longer = replace(record, scenario=replace(record.scenario, duration_s=13.0))
    assert quiet_frames(longer) == [0, None, 0, None]
