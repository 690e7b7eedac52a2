"""The shipped scenarios: every frame accounted for, and policies told apart."""

from __future__ import annotations

import pytest

from dynofa_ros.simulation.scenarios.scenario import load_scenario, shipped_scenarios
from dynofa_ros.simulation.world.play import play_all

LONGEST_S = 600.0
SCENARIOS = [
    scenario for scenario in map(load_scenario, shipped_scenarios()) if scenario.duration_s <= LONGEST_S
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_it_tells_policies_apart_and_accounts_for_every_frame(scenario):
    result, _ = play_all(scenario, ["linux", "powersave", "performance"])
    policies = result["policies"]
    for scores in policies.values():
        assert scores["released"] == scores["inferred"] + scores["dropped"] + scores["unfinished"]
        assert scores["inferred"] > 0
    linux = policies.pop("linux")
    apart = [
        abs(scores["miss_rate"] - linux["miss_rate"]) > 0.01
        or abs(scores["energy_above_idle_j"] / linux["energy_above_idle_j"] - 1.0) > 0.05
        for scores in policies.values()
    ]
    assert any(apart)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_frame_passes_the_lower_bound(scenario):
    """Nothing is missed in the bound that another policy meets."""
    result, _ = play_all(scenario, ["lower_bound", "performance"])
    bound, played = result["policies"].values()
    assert bound["miss_rate"] <= played["miss_rate"] + 1e-12
