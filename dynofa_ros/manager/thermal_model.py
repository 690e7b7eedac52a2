"""Junction temperature against power: one resistance, two time constants.

    Tj(t) = T0 + R * (w * x_fast(t) + (1 - w) * x_slow(t)),    dx/dt = (P - x) / tau     for both x

so that Tj -> T0 + R * P. Measured on the Orin Nano Super: R 1.36 to 1.52 degC/W, T0 39.8 to 42.7 degC,
tau slow 70 to 130 s, fast 1 to 4 s (derived from arXiv 2606.16106); w is an assumption of the board file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ThermalState:
    """Power low-passed with the fast and the slow time constant [W]."""

    fast_w: float
    slow_w: float


@dataclass(frozen=True)
class ThermalModel:
    """Parameters of the equation above; `t0_degc` holds at `ambient_degc` and moves with the ambient."""

    t0_degc: float
    r_degc_per_w: float
    tau_fast_s: float
    tau_slow_s: float
    fast_share: float
    ambient_degc: float = 25.0

    def steady(self, power_w: float) -> ThermalState:
        """State after a long time at constant power."""
        return ThermalState(power_w, power_w)

    def temperature_degc(self, state: ThermalState, ambient_degc: float | None = None) -> float:
        """Tj of a state."""
        shift = 0.0 if ambient_degc is None else ambient_degc - self.ambient_degc
        mixed_w = self.fast_share * state.fast_w + (1.0 - self.fast_share) * state.slow_w
        return self.t0_degc + shift + self.r_degc_per_w * mixed_w

    def advance(self, state: ThermalState, power_w: float, dt_s: float) -> ThermalState:
        """State `dt_s` later under constant power (exact solution, any dt >= 0)."""
        fast, slow = math.exp(-dt_s / self.tau_fast_s), math.exp(-dt_s / self.tau_slow_s)
        return ThermalState(
            power_w + (state.fast_w - power_w) * fast, power_w + (state.slow_w - power_w) * slow
        )

    def observe(self, temperature_degc: float, power_w: float) -> ThermalState:
        """State behind a measured temperature: the fast part has followed the power, the slow is the rest."""
        slow_share = self.r_degc_per_w * (1.0 - self.fast_share)
        fast_part = self.r_degc_per_w * self.fast_share * power_w
        return ThermalState(power_w, (temperature_degc - self.t0_degc - fast_part) / slow_share)

    def prediction(self, state: ThermalState, horizon_s: float) -> tuple[float, float]:
        """(a, b) with Tj(t + horizon) = a + b * P for constant power P from now on [degC, degC/W]."""
        a = self.temperature_degc(self.advance(state, 0.0, horizon_s))
        b = self.temperature_degc(self.advance(state, 1.0, horizon_s)) - a
        return a, b
