"""Board power at every clock setting without the applications, and what changing the clocks costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dynofa_ros.manager.arbiter.problem import ArbiterInput
from dynofa_ros.manager.arbiter.remembered import Remembered
from dynofa_ros.manager.arbiter.settings import Settings, clocks_of
from dynofa_ros.manager.models.power_model import BoardPowerModel, FloatArray


def background_w(problem: ArbiterInput, settings: Settings) -> FloatArray:
    """Power without the applications [W], shape (settings,); zero without a model.

    Kept while the model, the clocks and what else is at work stay the same.
    """
    busy = tuple((element.name, element.background) for element in problem.elements if element.background > 0)
    key = (tuple(problem.other_clocks.items()), busy)
    objects = [problem.power, settings]
    return _BACKGROUNDS.get(objects, key, lambda: _background_w(problem, settings, busy))


def _background_w(
    problem: ArbiterInput, settings: Settings, busy: tuple[tuple[str, float], ...]
) -> FloatArray:
    power = problem.power
    if power is None:
        return np.zeros(settings.count)
    parts = _parts(problem, power, settings)
    total = np.full(settings.count, power.base_w)
    for idle_w in parts.idle_w:
        total = total + idle_w
    for element, share in busy:
        total = total + share * parts.active_w.get(element, 0.0)
    return total


@dataclass(frozen=True)
class _Parts:
    """What each part of the board draws at every setting; arrays that broadcast to shape (settings,) [W]."""

    idle_w: tuple[FloatArray, ...]
    active_w: dict[str, FloatArray]
    """By element, wholly busy."""


def _parts(problem: ArbiterInput, power: BoardPowerModel, settings: Settings) -> _Parts:
    """Kept while the clocks stay the same, whatever the base power is measured to be."""
    key = tuple(problem.other_clocks.items())

    def evaluated() -> _Parts:
        clocks = clocks_of(problem, settings.mhz)
        active_w = {element.element: power.active_w(element.element, clocks) for element in power.elements}
        return _Parts(tuple(power.idle_parts_w(clocks)), active_w)

    return _PARTS.get([power.elements, power.domains, settings], key, evaluated)


_BACKGROUNDS: Remembered[FloatArray] = Remembered(64)
_PARTS: Remembered[_Parts] = Remembered(64)
_CHANGES: Remembered[FloatArray] = Remembered(64)


def change_w(problem: ArbiterInput, settings: Settings, background_w: FloatArray) -> FloatArray:
    """change_ms / horizon * power without the applications, for every domain that changes [W].

    Kept while the clocks in force and `background_w` stay the same.
    """
    key = (tuple([(table.current_mhz, table.change_ms) for table in problem.clocks]), problem.horizon_s)
    return _CHANGES.get([settings, background_w], key, lambda: _change_w(problem, settings, background_w))


def _change_w(problem: ArbiterInput, settings: Settings, background_w: FloatArray) -> FloatArray:
    total = np.zeros(settings.count)
    for table in problem.clocks:
        share = table.change_ms / (1e3 * problem.horizon_s)
        if share > 0.0 and not math.isnan(table.current_mhz):
            changed = np.abs(settings.mhz[table.domain] - table.current_mhz) > 1e-3
            total = total + changed * share * background_w
    return total
