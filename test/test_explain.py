"""Reasons are sentences that name the constraint that binds, with its values."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dynofa_ros.manager.arbiter.arbiter import arbitrate
from dynofa_ros.manager.arbiter.problem import (
    ArbiterApplication,
    ArbiterElement,
    ArbiterInput,
    ClockTable,
    HeatLimit,
)
from dynofa_ros.manager.explain import explain
from dynofa_ros.manager.models.power_model import BoardPowerModel, DomainPower, ElementPower
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective, QosTarget

SHOWN_BY_ECHO = 128
"""Characters of a string that `ros2 topic echo` shows."""
POWER = BoardPowerModel(base_w=3.0, elements=(ElementPower("cpu", "cpu0", 4, 500.0, 2000.0, 1.0, 8.0, 0.7),))
CPU = ClockTable("cpu0", (500.0, 1000.0, 2000.0), full_mhz=2000.0)


def point(name, latency_ms, accuracy, placement=""):
    return OperatingPoint(
        name, placement, threads=2, macs=latency_ms * 1e6, accuracy=accuracy, latency_ms=latency_ms,
        clock_domain="cpu0", clocked_fraction=0.9, reference_mhz=2000.0,
    )  # fmt: skip


POINTS = (point("small", 4.0, 0.90), point("middle", 8.0, 0.94), point("large", 16.0, 0.97))


def app(name="front", **fields):
    return ArbiterApplication(name, **{"points": POINTS, "period_ms": 33.3, "latency_ms": 30.0, **fields})


def explained(*apps, index=0, block="", **fields):
    """Binding constraint and reason of application `index`."""
    fields = {"clocks": (CPU,), "elements": (ArbiterElement("cpu", 4),), "power": POWER, **fields}
    problem = ArbiterInput(tuple(apps), **fields)
    asked = apps[index]
    target = QosTarget(asked.name, asked.latency_ms, objective=asked.objective)
    why = explain(problem, arbitrate(problem), index, target, block)
    return why.binding, why.reason


def test_a_reason_is_a_sentence_with_clock_latency_target_percentile_and_accuracy():
    binding, reason = explained(app(percentile=0.99))
    text = "front runs large at 2000 MHz in 16.0 of 30 ms at p99, 97.0 % accurate"
    assert (binding, reason) == ("", f"{text}; no better one is resident")


def test_without_target_clock_control_or_accuracy_it_does_not_speak_of_them():
    points = tuple(replace(p, accuracy=math.nan) for p in POINTS)
    binding, reason = explained(app(points=points, latency_ms=math.nan), clocks=())
    assert (binding, reason) == ("", "front runs large in 16.0 ms at p95; no better one is resident")


def frugal(name="front", **fields):
    return app(name, **{"objective": Objective.MIN_ENERGY, **fields})


@pytest.mark.parametrize(
    ("fields", "binding", "words"),
    [
        (
            {"latency_ms": 100.0},
            "",
            "small at 500 MHz in 14.8 of 100 ms at p95, 90.0 % accurate; least power that",
        ),
        (
            {"latency_ms": 14.0},
            "latency",
            "small at 1000 MHz in 7.6 of 14 ms at p95, 90.0 % accurate; least power: ",
        ),
        ({"latency_ms": 14.0}, "latency", "; least power: 500 MHz would need 14.8 ms"),
        (
            {"latency_ms": math.nan, "period_ms": 16.0},
            "keep_up",
            "; least power: 500 MHz is too slow for a frame every 16.0 ms",
        ),
        (
            {"latency_ms": 100.0, "period_ms": 100.0, "min_accuracy": 0.93},
            "min_accuracy",
            "; least power: small is below its floor of 93 %",
        ),
        (
            {"latency_ms": 15.0, "margin": 0.1, "current": 0},
            "margin",
            "; 500 MHz at 14.8 ms leaves too little margin",
        ),
    ],
    ids=["nothing", "what runs", "latency", "keep_up", "floor", "margin"],
)
def test_with_the_least_energy_it_says_what_keeps_the_next_cheaper_choice_away(fields, binding, words):
    board = {"clocks": (replace(CPU, current_mhz=1000.0),)}
    found, reason = explained(frugal(**fields), **board)
    assert found == binding
    assert words in reason


def test_another_clock_than_the_points_own_is_called_a_lower_clock():
    only = replace(CPU, available_mhz=(500.0,))
    emc = ClockTable("emc", (200.0, 3200.0), full_mhz=3200.0)
    power = replace(POWER, domains=(DomainPower("emc", (200.0, 3200.0), (0.2, 2.0)),))
    slow = replace(
        POINTS[0], memory_domain="emc", memory_mhz=emc.available_mhz, clocked_ms=(3.6, 3.6),
        fixed_ms=(30.0, 0.4), floor_ms=(0.0, 0.0),
    )  # fmt: skip
    found, reason = explained(frugal(points=(slow,), latency_ms=16.0), clocks=(only, emc), power=power)
    assert (found, reason.endswith("; least power: a lower clock would need 44.4 ms")) == ("latency", True)


def test_a_better_point_that_is_not_allowed_now_is_named_where_something_gives_way():
    below = app(min_accuracy=0.95, forbidden=frozenset({2}))
    found, reason = explained(below, block="dwell")
    assert found == "min_accuracy"
    assert reason.endswith("; below its floor of 95 %: large at 16.0 ms waits for the dwell")
    _, reason = explained(replace(below, latency_ms=12.0), block="dwell")
    assert reason.endswith(": nothing does better")


@pytest.mark.parametrize(
    ("fields", "board", "binding", "words"),
    [
        ({"latency_ms": 15.0}, {}, "latency", "large would need 16.0 ms"),
        ({"max_power_w": 4.5}, {}, "power_budget", "within 4.5 W"),
        ({}, {"heat": HeatLimit(60.0, 5.0, 85.0)}, "temperature", "at the clocks that heat allows"),
        (
            {"latency_ms": math.nan, "period_ms": 15.0},
            {},
            "keep_up",
            "large is too slow for a frame every 15.0 ms",
        ),
    ],
    ids=["latency", "power", "heat", "keep_up"],
)
def test_it_says_what_keeps_the_next_more_accurate_one_away(fields, board, binding, words):
    found, reason = explained(app(**fields), **board)
    assert found == binding
    assert words in reason


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("dwell", "; large at 16.0 ms waits for the dwell"),
        ("telemetry", "; large at 16.0 ms is held back by telemetry"),
    ],
)
def test_it_says_why_a_move_that_is_possible_is_not_made(block, words):
    found, reason = explained(app(forbidden=frozenset({2})), block=block)
    assert found == block
    assert reason.endswith(words)


def test_a_move_without_margin_is_said_to_lack_it():
    found, reason = explained(app(latency_ms=16.5, current=1, margin=0.1))
    assert (found, reason.endswith("; large at 16.0 ms leaves too little margin")) == (
        "margin",
        True,
    )


def test_an_element_that_two_applications_would_fill_is_named():
    wide = tuple(replace(p, threads=4) for p in POINTS)
    found, reason = explained(app(points=wide), app("rear", points=wide[2:]))
    assert found == "busy:cpu"
    assert reason.endswith("; with large cpu is too busy")


def test_another_application_is_named_where_its_target_stands_against_it():
    element = ArbiterElement("cpu", 2, exclusive=True)
    front = app(objective=Objective.MAX_ACCURACY, latency_ms=60.0, period_ms=100.0)
    rear = app("rear", points=POINTS[:1], latency_ms=12.0, period_ms=110.0, priority=3)
    found, reason = explained(front, rear, elements=(element,))
    assert found == "rear:latency"
    assert reason.endswith("rear is too slow")


@pytest.mark.parametrize(
    ("fields", "board", "binding", "words"),
    [
        ({"latency_ms": 3.0}, {}, "latency", "too slow"),
        ({"min_accuracy": 0.99}, {}, "min_accuracy", "below its floor of 99 %"),
        ({"period_ms": 2.0}, {}, "keep_up", "too slow for a frame every 2.0 ms"),
        ({"max_power_w": 2.5}, {}, "power_budget", "the board needs more than 2.5 W"),
        ({}, {"heat": HeatLimit(90.0, 5.0, 85.0)}, "temperature", "the board gets too hot"),
    ],
    ids=["latency", "floor", "keep_up", "power", "heat"],
)
def test_what_gives_way_is_said_with_its_limit(fields, board, binding, words):
    found, reason = explained(app(**fields), **board)
    assert found == binding
    assert f"; {words}" in reason
    assert reason.endswith(": nothing does better")


def test_the_sentence_is_shown_whole_by_topic_echo_with_ordinary_names():
    points = tuple(
        replace(p, subnet=f"m{i}13_r160", placement="cpu/native/fp32/2") for i, p in enumerate(POINTS)
    )
    points += (replace(points[-1], placement="cpu/openvino/int8/2", latency_ms=17.0, accuracy=0.971),)
    _, next_smaller = explained(app(points=points, latency_ms=12.5))
    assert next_smaller.endswith("; m213_r160 (cpu/native/fp32/2) would need 16.0 ms")
    _, same_elsewhere = explained(app(points=points[2:], latency_ms=16.5))
    assert same_elsewhere.endswith("; cpu/openvino/int8/2 would need 17.0 ms")
    assert len(next_smaller) <= SHOWN_BY_ECHO
