"""Short scenarios for the tests of oracle and comparison."""

from dataclasses import replace

from dynofa_ros.simulation.scenarios.scenario import load_scenario, scenario_path
from dynofa_ros.simulation.world.truth import truth_of

CORUNNER = (
    "{t: 2, corunner: {element: gpu, slowdown: 1.4, power_w: 1.0}}, "
    "{t: 5, corunner: {element: gpu, slowdown: 1.0, power_w: 0.0}}"
)
SECOND = (
    "{t: 3, join: {name: rear, family: ofa_mbv3_w12, period_ms: 50, jitter_ms: 3, "
    "qos: {latency_ms: 35, min_accuracy: 0.75, objective: min_energy}}}"
)
CAP = "{t: 3, cap: {domain: gpu, mhz: 510}}, {t: 6, cap: {domain: gpu, mhz: null}}"


def application(
    name="front", *, period_ms=33.3, latency_ms=20, objective="max_accuracy", min_accuracy=0.74, priority=1
):
    camera = f"name: {name}, family: ofa_mbv3_w12, period_ms: {period_ms}, jitter_ms: 2"
    target = f"latency_ms: {latency_ms}, percentile: 0.95, min_accuracy: {min_accuracy}"
    return f"  - {{{camera}, qos: {{{target}, objective: {objective}, priority: {priority}}}}}"


WORLDS = {
    "accuracy": ([application(latency_ms=16)], CORUNNER),
    "energy": ([application(latency_ms=13, objective="min_energy", min_accuracy=0.76)], CORUNNER),
    "cap": (
        [application(latency_ms=15)],
        "{t: 3, cap: {domain: gpu, mhz: 510}}, {t: 6, cap: {domain: gpu, mhz: null}}",
    ),
    "cpu": ([application(period_ms=100, latency_ms=80, objective="min_energy", min_accuracy=0.76)], CORUNNER),
    "two": (
        [application(latency_ms=25), application("rear", period_ms=50, latency_ms=40, priority=2)],
        CORUNNER,
    ),
    "join": ([application(latency_ms=25, objective="min_energy", min_accuracy=0.76)], SECOND),
    "budget": ([application(latency_ms=20)], "{t: 3, power_budget_w: 7.2}"),
    "mode": ([application(latency_ms=15)], "{t: 4, power_mode: 15W}"),
}

HARD = {
    "backlog": (
        [application(period_ms=10, latency_ms=34.4, min_accuracy=0.7)],
        "{t: 0.1, corunner: {element: gpu, slowdown: 3.31, power_w: 1.0}}",
    ),
    "holds": (
        [
            application(period_ms=20, latency_ms=19, objective="min_energy", min_accuracy=0.75),
            application("rear", period_ms=10, latency_ms=4.9, min_accuracy=0.76),
        ],
        "",
    ),
    "unreachable": (
        [application(period_ms=200, latency_ms=3.9, objective="min_energy", min_accuracy=0.75)],
        "",
    ),
    "no_budget": (
        [application(latency_ms=30, min_accuracy=0.76)],
        "{t: 0.4, power_budget_w: 1.0}",
    ),
    "crossing": (
        [
            application(latency_ms=26.8, min_accuracy=0.7),
            application("rear", period_ms=16.7, latency_ms=21.8, objective="min_energy", min_accuracy=0.78),
        ],
        "",
    ),
}
"""Worlds in which few labels, an eager rest of the clocks, or a plan that goes otherwise cost targets."""

SUPPLY = (
    "{t: 2, corunner: {element: gpu, slowdown: 1.3, power_w: 3.0}}, "
    "{t: 4, corunner: {element: cpu, slowdown: 1.3, power_w: 3.4}}"
)


def scenario_text(name, duration_s=8):
    applications, events = (WORLDS | HARD)[name]
    return "\n".join(
        [
            "schema: dynofa/scenario/1",
            f"name: {name}",
            "board: jetson_orin_nano_super",
            f"duration_s: {duration_s}",
            "applications:",
            *applications,
            f"events: [{events}]",
            "",
        ]
    )


def world(folder, name, seed=1, duration_s=8):
    path = folder / f"{name}.yaml"
    path.write_text(scenario_text(name, duration_s), encoding="utf-8")
    return truth_of(load_scenario(path), seed)


def at_the_current_limit(folder, seed=1):
    """Two applications, and co-runners that leave the supply no room for GPU and CPU at once."""
    cameras = [
        application(period_ms=25, latency_ms=22),
        application("rear", period_ms=40, latency_ms=40, priority=2),
    ]
    head = ["schema: dynofa/scenario/1", "name: supply", "board: jetson_orin_nano_super"]
    body = ["power_mode: 15W", "duration_s: 8", "applications:", *cameras, f"events: [{SUPPLY}]", ""]
    path = folder / "supply.yaml"
    path.write_text("\n".join([*head, *body]), encoding="utf-8")
    return truth_of(load_scenario(path), seed)


def shortened(name, share, seed=1):
    """A shipped scenario with everything happening within `share` of its time."""
    scenario = load_scenario(scenario_path(name))
    events = [replace(event, t_s=share * event.t_s, ramp_s=share * event.ramp_s) for event in scenario.events]
    shorter = replace(scenario, duration_s=share * scenario.duration_s, events=tuple(events))
    return truth_of(shorter, seed)
