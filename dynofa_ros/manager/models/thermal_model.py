"""Junction temperature against power: one resistance, two time constants.

    Tj(t) = T0 + R * (w * x_fast(t) + (1 - w) * x_slow(t)),    dx/dt = (P - x) / tau     for both x

so that Tj -> T0 + R * P. Measured on the Orin Nano Super: R 1.36 to 1.52 degC/W, T0 39.8 to 42.7 degC,
tau slow 70 to 130 s, fast 1 to 4 s (derived from arXiv 2606.16106); w is an assumption of the board file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class ThermalState(NamedTuple):
    """Power low-passed with the fast and the slow time constant [W]."""

    fast_w: float
    slow_w: float

    def towards(self, power_w: float, fast: float, slow: float) -> ThermalState:
        """Under constant power, the shares `fast` and `slow` of the difference to it being left."""
        return ThermalState(
            power_w + (self.fast_w - power_w) * fast, power_w + (self.slow_w - power_w) * slow
        )


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
        return state.towards(power_w, *self.decay(dt_s))

    def decay(self, dt_s: float) -> tuple[float, float]:
        """exp(-dt / tau), fast and slow: what is left of a difference after `dt_s` [1]."""
        return math.exp(-dt_s / self.tau_fast_s), math.exp(-dt_s / self.tau_slow_s)

    def prediction(self, state: ThermalState, horizon_s: float) -> tuple[float, float]:
        """(a, b) with Tj(t + horizon) = a + b * P for constant power P from now on [degC, degC/W]."""
        fast, slow = self.decay(horizon_s)
        a = self.temperature_degc(state.towards(0.0, fast, slow))
        mixed = self.fast_share * (1.0 - fast) + (1.0 - self.fast_share) * (1.0 - slow)
        return a, self.r_degc_per_w * mixed


START_FAST_W, START_SLOW_W, START_OFFSET_DEGC = 2.0, 3.0, 8.0
"""Standard deviations of the state before the first reading: load unknown, ambient unknown."""
POWER_ERROR_W = 0.7
OFFSET_DRIFT_DEGC = 0.3
"""Per square root of a second: ambient, fan and model error."""
SENSOR_ERROR_DEGC = 0.5
JUMP_DEGC = 15.0
"""A reading further from the prediction is no temperature ..."""
JUMP_S = 3.0
"""... unless it goes on for so long."""
STUCK_DEGC = 2.0
"""A reading that does not move at all while the model moves by this much is stuck."""
LONGEST_GAP_S = 60.0
CAUTION_SIGMA = 2.0


class ThermalObserver:
    """The state behind temperature and power telemetry over time: a Kalman filter of three states.

        x_fast <- P + (x_fast - P) exp(-dt / tau_fast),  x_slow alike with tau_slow,  offset <- offset
        Tj     =  T0 + offset + R * (w * x_fast + (1 - w) * x_slow) + sensor error

    `offset` takes what the model cannot know: ambient, airflow, another board of the same kind. Predictions
    add two standard deviations. Readings that are absent, that jump or that are stuck are left out; then
    the model goes on alone with growing uncertainty, at most that of the start, and `trouble` says so.
    """

    def __init__(self, model: ThermalModel) -> None:
        self.model = model
        self.state = ThermalState(math.nan, math.nan)
        self.offset_degc = 0.0
        self.trouble = ""
        self._variance = _start_variance()
        weight = model.fast_share
        self._h = (model.r_degc_per_w * weight, model.r_degc_per_w * (1.0 - weight), 1.0)
        self._now_s = math.nan
        self._jumped_s = math.nan
        """Since when readings are too far away; NaN: they are not."""
        self._reading_degc = math.nan
        self._free = self.state
        """The state without any correction since the reading last changed."""
        self._free_start_degc = math.nan

    @property
    def known(self) -> bool:
        """Whether there was a power reading to start from."""
        return not math.isnan(self.state.slow_w)

    def temperature_degc(self) -> float:
        """Tj as estimated [degC]; NaN before the first power reading."""
        return self.model.temperature_degc(self.state) + self.offset_degc

    def sigma_degc(self) -> float:
        """Standard deviation of `temperature_degc`."""
        return math.sqrt(max(_dot(self._h, self._ph()), 0.0))

    def prediction(self, horizon_s: float) -> tuple[float, float]:
        """(a, b) with Tj(t + horizon) <= a + b * P at two standard deviations, for constant power P."""
        a, b = self.model.prediction(self.state, horizon_s)
        return a + self.offset_degc + CAUTION_SIGMA * self.sigma_degc(), b

    def take(self, temperature_degc: float, power_w: float, now_s: float) -> None:
        """Let time pass under `power_w` and take a reading; NaN: none. Times that do not rise are ignored."""
        if not math.isfinite(power_w) or (self.known and not now_s > self._now_s):
            return
        if not self.known:
            self.state = self._free = self.model.steady(power_w)
        else:
            self._pass_time(power_w, min(now_s - self._now_s, LONGEST_GAP_S))
        self._now_s = now_s
        self._look(temperature_degc, now_s)

    def _pass_time(self, power_w: float, dt_s: float) -> None:
        fast, slow = self.model.decay(dt_s)
        self.state = self.state.towards(power_w, fast, slow)
        self._free = self._free.towards(power_w, fast, slow)
        keep = (fast, slow, 1.0)
        for share, row in zip(keep, self._variance, strict=True):
            row[:] = [value * (share * other) for value, other in zip(row, keep, strict=True)]
        self._variance[0][0] += (POWER_ERROR_W * (1.0 - fast)) ** 2
        self._variance[1][1] += (POWER_ERROR_W * (1.0 - slow)) ** 2
        drifted = min(self._variance[2][2] + OFFSET_DRIFT_DEGC**2 * dt_s, START_OFFSET_DEGC**2)
        self._variance[2][2] = max(drifted, self._variance[2][2])

    def _look(self, temperature_degc: float, now_s: float) -> None:
        if not math.isfinite(temperature_degc):
            self.trouble = "no temperature is read"
            return
        if temperature_degc != self._reading_degc:
            self._reading_degc = temperature_degc
            self._run_free()
        elif abs(self.model.temperature_degc(self._free) - self._free_start_degc) > STUCK_DEGC:
            self.trouble = f"the temperature is stuck at {temperature_degc:.1f} degC"
            return
        surprise_degc = temperature_degc - self.temperature_degc()
        jumps = abs(surprise_degc) > JUMP_DEGC and abs(surprise_degc) > 4.0 * self.sigma_degc()
        if jumps and math.isnan(self._jumped_s):
            self._jumped_s = now_s
        if jumps and now_s - self._jumped_s < JUMP_S:
            self.trouble = f"the temperature jumps to {temperature_degc:.1f} degC"
            return
        if jumps:
            self._variance = _start_variance()  # what was believed until now was wrong
        self._jumped_s, self.trouble = math.nan, ""
        self._correct(surprise_degc)
        if jumps:
            self._run_free()

    def _run_free(self) -> None:
        self._free, self._free_start_degc = self.state, self.model.temperature_degc(self.state)

    def _ph(self) -> tuple[float, float, float]:
        first, second, third = self._variance
        return _dot(first, self._h), _dot(second, self._h), _dot(third, self._h)

    def _correct(self, surprise_degc: float) -> None:
        ph = self._ph()
        spread = _dot(self._h, ph) + SENSOR_ERROR_DEGC**2
        gain = [value / spread for value in ph]
        self.state = ThermalState(
            self.state.fast_w + gain[0] * surprise_degc, self.state.slow_w + gain[1] * surprise_degc
        )
        self.offset_degc += gain[2] * surprise_degc
        for share, row in zip(gain, self._variance, strict=True):
            row[:] = [value - share * error for value, error in zip(row, ph, strict=True)]


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _start_variance() -> list[list[float]]:
    deviations = (START_FAST_W, START_SLOW_W, START_OFFSET_DEGC)
    return [[deviations[i] ** 2 if i == j else 0.0 for j in range(3)] for i in range(3)]
