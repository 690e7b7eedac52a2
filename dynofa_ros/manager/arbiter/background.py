"""Board power at every clock setting without the applications, and what changing the clocks costs."""

from __future__ import annotations

import math

import numpy as np

from dynofa_ros.manager.arbiter.problem import ArbiterInput
from dynofa_ros.manager.arbiter.remembered import Remembered
from dynofa_ros.manager.arbiter.settings import Settings, clocks_of
from dynofa_ros.manager.models.power_model import FloatArray


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
    clocks = clocks_of(problem, settings.mhz)
    total = np.array(np.broadcast_to(power.idle_w(clocks), (settings.count,)))
    for element, share in busy:
        total = total + share * power.active_w(element, clocks)
    return total


_BACKGROUNDS: Remembered[FloatArray] = Remembered(64)


def change_w(problem: ArbiterInput, settings: Settings, background_w: FloatArray) -> FloatArray:
    """change_ms / horizon * power without the applications, for every domain that changes [W]."""
    total = np.zeros(settings.count)
    for table in problem.clocks:
        share = table.change_ms / (1e3 * problem.horizon_s)
        if share > 0.0 and not math.isnan(table.current_mhz):
            changed = np.abs(settings.mhz[table.domain] - table.current_mhz) > 1e-3
            total = total + changed * share * background_w
    return total
