"""The layout of the figures: every entry is what its point says at its clocks, and what stays is kept."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dynofa_ros.manager.arbiter.choice import Question
from dynofa_ros.manager.arbiter.layout import Layout
from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterElement, ArbiterInput, ClockTable
from dynofa_ros.manager.models.power_model import BoardPowerModel, DomainPower, ElementPower
from dynofa_ros.manager.operating_point import OperatingPoint

MEMORY = {"memory_mhz": (204.0, 665.6, 2133.0), "fixed_ms": (3.0, 2.0, 1.0)}
ON_CPU = {"element": "cpu", "clock_domain": "cpu0"}
ON_GPU = {"element": "gpu", "clock_domain": "gpu", "memory_domain": "emc", **MEMORY}
POINTS = (
    OperatingPoint(
        "a", threads=2, accuracy=0.7, latency_ms=9.0, clocked_fraction=0.8, reference_mhz=1500.0, **ON_CPU
    ),
    OperatingPoint("b", threads=4, latency_ms=12.0, clocked_fraction=0.9, **ON_CPU),
    OperatingPoint(
        "c", latency_ms=5.0, reference_mhz=1000.0, clocked_ms=(4.0,) * 3, floor_ms=(6.0, 5.5, 0.0), **ON_GPU
    ),
    OperatingPoint(
        "d", latency_ms=9.0, reference_mhz=900.0, clocked_ms=(8.5, 8.0, 8.0), floor_ms=(0.0,) * 3, **ON_GPU
    ),
    OperatingPoint("e", element="dla0", accuracy=0.6, latency_ms=7.0),
)
POWER = BoardPowerModel(
    3.0,
    (
        ElementPower("cpu", "cpu0", 4, 300.0, 1500.0, 0.5, 4.0, voltage_low=0.6),
        ElementPower("gpu", "gpu", 0, 100.0, 1000.0, 0.4, 6.0, voltage_low=0.7, stalled_share=0.4),
    ),
    (DomainPower("emc", (204.0, 2133.0), (0.5, 2.0)),),
)
CLOCKS = (
    ClockTable("cpu0", (300.0, 900.0, 1500.0), 1500.0),
    ClockTable("emc", (204.0, 665.0, 2133.0), 2133.0),
    ClockTable("gpu", (250.0, 1000.0), 1000.0),
)
ELEMENTS = (ArbiterElement("cpu", 4, 0.2), ArbiterElement("gpu"), ArbiterElement("dla0"))


def asked(*points, **fields):
    apps = tuple(ArbiterApplication(f"app{i}", held) for i, held in enumerate(points))
    return ArbiterInput(apps, CLOCKS, ELEMENTS, power=POWER, **fields)


@pytest.mark.parametrize("held", [CLOCKS, CLOCKS[:1], ()])
def test_an_entry_is_what_its_point_says_at_its_clocks(held):
    other = {"cpu0": 800.0, "emc": 2133.0} if held == () else {"emc": 665.6}
    problem = replace(asked(POINTS, POINTS[2:]), clocks=held, other_clocks=other)
    layout = Layout.of(problem)
    full = {table.domain: table.full_mhz for table in held}
    flat = [*POINTS, *POINTS[2:]]
    for setting in range(layout.settings.count):
        clocks = {**other, **{name: float(mhz[setting]) for name, mhz in layout.settings.mhz.items()}}
        for number, point in enumerate(flat):
            entry = layout.entries(np.array(number), np.array(setting))
            full_mhz = full.get(point.clock_domain, math.nan)
            time_ms = point.time_ms(clocks, full_mhz)
            share = POWER.share(point)
            active_w = share * float(POWER.active_w(point.element, clocks))
            assert layout.point[entry] == number
            assert layout.time_ms[entry] == pytest.approx(time_ms)
            assert layout.share[entry] == share
            loaded = float(POWER.loaded_ms(point, clocks, full_mhz)) / time_ms
            assert layout.active_w[entry] == pytest.approx(active_w * loaded)
            mhz = clocks[point.clock_domain] if point.clock_domain in full else math.inf
            assert layout.mhz[entry] == mhz


def test_it_is_kept_while_only_what_it_does_not_depend_on_changes():
    problem = asked(POINTS[:2], other_clocks={"vic": 115.0})
    corrected = replace(problem, power=replace(POWER, base_w=4.0), other_clocks={"vic": 600.0})
    assert Layout.of(corrected) is Layout.of(problem)
    difference_w = Question.of(corrected).background_w - Question.of(problem).background_w
    assert difference_w == pytest.approx(1.0)


def test_it_is_laid_out_anew_for_clocks_that_its_points_depend_on():
    problem = replace(asked(POINTS), clocks=CLOCKS[:1])
    layouts = [
        Layout.of(replace(problem, other_clocks={"emc": 2133.0, "gpu": mhz})) for mhz in (250.0, 1000.0)
    ]
    slow, fast = (layout.time_ms[layout.entries_at((3,), 0)[0]] for layout in layouts)
    assert slow > 2.0 * fast


def test_background_counts_what_others_keep_busy():
    problem = asked(POINTS[:2])
    together, alone = Question.of(problem), Question.of(replace(problem, elements=()))
    clocks = {"cpu0": 900.0, "emc": 665.0, "gpu": 1000.0}
    setting = together.layout.settings.index_of(tuple(clocks.values()))
    busy_w = 0.2 * float(POWER.active_w("cpu", clocks))
    assert together.background_w[setting] - alone.background_w[setting] == pytest.approx(busy_w)
    assert together.background_w[setting] == pytest.approx(POWER.power_w(clocks, {"cpu": 0.2}))
