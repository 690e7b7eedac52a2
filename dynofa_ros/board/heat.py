"""Junction temperature of the simulated board: `manager.thermal_model` integrated exactly between events."""

from __future__ import annotations

import math

from dynofa_ros.manager.models.thermal_model import ThermalModel


class Heat:
    """Low-passed powers as plain floats, and an ambient that may ramp linearly."""

    __slots__ = (
        "_fast_share",
        "_from_degc",
        "_ramp_from_s",
        "_ramp_until_s",
        "_slow_share",
        "_tau_fast_s",
        "_tau_slow_s",
        "_to_degc",
        "fast_w",
        "model",
        "peak_degc",
        "slow_w",
    )

    def __init__(self, model: ThermalModel, power_w: float) -> None:
        self.model = model
        self._fast_share, self._slow_share = model.fast_share, 1.0 - model.fast_share
        self._tau_fast_s, self._tau_slow_s = model.tau_fast_s, model.tau_slow_s
        self.fast_w = self.slow_w = power_w
        self._from_degc = self._to_degc = model.ambient_degc
        self._ramp_from_s = self._ramp_until_s = 0.0
        self.peak_degc = self.temperature_degc(0.0)

    def pass_time(self, power_w: float, passed_s: float, now_s: float) -> None:
        """Constant power for `passed_s`, up to `now_s`."""
        self.fast_w = power_w + (self.fast_w - power_w) * math.exp(-passed_s / self._tau_fast_s)
        self.slow_w = power_w + (self.slow_w - power_w) * math.exp(-passed_s / self._tau_slow_s)
        degc = self.temperature_degc(now_s)
        if degc > self.peak_degc:
            self.peak_degc = degc

    def set_ambient(self, now_s: float, ambient_degc: float, ramp_s: float) -> None:
        """Let the ambient go linearly to `ambient_degc` within `ramp_s`."""
        self._from_degc = self.ambient_degc(now_s)
        self._to_degc = ambient_degc
        self._ramp_from_s, self._ramp_until_s = now_s, now_s + ramp_s

    def ambient_degc(self, now_s: float) -> float:
        """Ambient temperature."""
        if now_s >= self._ramp_until_s:
            return self._to_degc
        place = (now_s - self._ramp_from_s) / (self._ramp_until_s - self._ramp_from_s)
        return self._from_degc + place * (self._to_degc - self._from_degc)

    def temperature_degc(self, now_s: float) -> float:
        """Junction temperature."""
        model = self.model
        mixed_w = self._fast_share * self.fast_w + self._slow_share * self.slow_w
        ambient_degc = self._to_degc if now_s >= self._ramp_until_s else self.ambient_degc(now_s)
        shift = ambient_degc - model.ambient_degc
        return model.t0_degc + shift + model.r_degc_per_w * mixed_w
