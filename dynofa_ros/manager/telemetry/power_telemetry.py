"""Measured board power beside the model's: what the model misses, and whether the sensor can be believed.

    bias <- bias + (1 - exp(-dt / 5 s)) * (measured - P(clocks, loads) - bias)

What the board draws beyond the model (fan, carrier board, camera) is constant for a decision, so it is added
to the model's base power, in steps of 0.4 W that round up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from dynofa_ros.board.state import ClockDomain, Element
from dynofa_ros.manager.models.power_model import BoardPowerModel
from dynofa_ros.manager.telemetry.sticky import Sticky

LOWEST_W, HIGHEST_W = 0.1, 2000.0
TAU_S = 5.0
STEP_W = 0.4
STUCK_W = 0.6
"""A reading that does not move at all while the model moves by this much is stuck."""
STUCK_S = 1.5
LARGEST_SAVING = 0.2
"""A bias below zero counts up to this share of the model's power."""


class PowerTelemetry:
    """Follows one board's power sensor."""

    def __init__(self, model: BoardPowerModel) -> None:
        self.trouble = ""
        self.power_w = math.nan
        """Measured, or the model's where the sensor cannot be believed; NaN before the first state."""
        self.model = model
        """The model with the bias in its base power."""
        self._plain = model
        self._bias_w = 0.0
        self._step = Sticky(0.0, STEP_W)
        self._now_s = math.nan
        self._reading_w = math.nan
        self._reading_s, self._reading_model_w = -math.inf, math.nan

    def take(
        self,
        measured_w: float,
        domains: Iterable[ClockDomain],
        elements: Iterable[Element],
        own_busy: Mapping[str, float],
        now_s: float,
    ) -> None:
        """Take a reading; `own_busy` stands in for loads that are not measured."""
        clocks = {domain.name: domain.current_mhz for domain in domains}
        loads = {e.name: _load(e.load, own_busy.get(e.name, 0.0)) for e in elements}
        model_w = self._plain.power_w(clocks, loads)
        self._judge(measured_w, model_w, now_s)
        if self.trouble:
            self.power_w = model_w + max(self._bias_w, 0.0)
        else:
            self.power_w = measured_w
            self._learn(measured_w - model_w, model_w, now_s)
        self._now_s = now_s

    def _judge(self, measured_w: float, model_w: float, now_s: float) -> None:
        if not LOWEST_W <= measured_w <= HIGHEST_W:
            self.trouble = "no power is read"
        elif measured_w != self._reading_w:
            self._reading_w, self._reading_s, self._reading_model_w = measured_w, now_s, model_w
            self.trouble = ""
        elif now_s - self._reading_s > STUCK_S and abs(model_w - self._reading_model_w) > STUCK_W:
            self.trouble = f"the power is stuck at {measured_w:.2f} W"

    def _learn(self, difference_w: float, model_w: float, now_s: float) -> None:
        first = math.isnan(self._now_s)
        share = 1.0 if first else 1.0 - math.exp(-max(now_s - self._now_s, 0.0) / TAU_S)
        self._bias_w += share * (difference_w - self._bias_w)
        bias_w = self._step.follow(max(self._bias_w, -LARGEST_SAVING * model_w))
        base_w = max(self._plain.base_w + bias_w, 0.0)
        if base_w != self.model.base_w:
            self.model = replace(self._plain, base_w=base_w)


def _load(measured: float, otherwise: float) -> float:
    return min(max(measured, 0.0), 1.0) if math.isfinite(measured) else otherwise
