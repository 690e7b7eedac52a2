"""Busy CPU cores as the kernel's governors see them: one task per activity, each on a core of its own."""

from __future__ import annotations

import math

from dynofa_ros.board.pelt import HALF_LIFE_S, PeltSignal


class BusyCores:
    """Running share and PELT utilisation of the busiest core.

    Threads of one activity run alike, so that one signal stands for them. Activities share no core: the
    scheduler wakes them on idle ones, and the boards have more cores than activities. Where the kernel keeps
    a faster utilisation beside the usual one, the higher of the two counts.
    """

    __slots__ = (
        "_busiest",
        "_busiest_since_s",
        "_busy_s",
        "_half_lives_s",
        "_rates",
        "_scaled",
        "_signals",
        "_speed",
    )

    def __init__(self) -> None:
        self._scaled = True
        self._half_lives_s: tuple[float, ...] = (HALF_LIFE_S,)
        self._signals: list[PeltSignal] = []
        self._rates: dict[str, tuple[float, tuple[PeltSignal, ...]]] = {}
        self._speed = 1.0
        self._busiest = self._busy_s = self._busiest_since_s = 0.0

    def run(self, now_s: float, task: str, rate: float) -> None:
        """From now on `task` keeps its core busy for the share `rate`."""
        known = self._rates.get(task)
        signals = known[1] if known else self._added(now_s)
        self._rates[task] = (rate, signals)
        self._busy_s += self._busiest * (now_s - self._busiest_since_s)
        self._busiest_since_s = now_s
        for signal in signals:
            signal.change(now_s, rate, self._speed)
        self._busiest = 0.0
        for each, _ in self._rates.values():
            if each > self._busiest:
                self._busiest = each

    def set_speed(self, now_s: float, speed: float) -> None:
        """The clock changed to `speed` = f / f_max."""
        self._speed = speed
        for signal in self._signals:
            signal.change(now_s, signal.rate, speed)

    def set_kernel(self, now_s: float, scaled_time: bool, fast_half_life_s: float) -> None:
        """Another kernel's frequency invariance and fast signal (0: none); utilisations begin anew."""
        half_lives_s = (HALF_LIFE_S, fast_half_life_s) if fast_half_life_s > 0.0 else (HALF_LIFE_S,)
        if (scaled_time, half_lives_s) == (self._scaled, self._half_lives_s):
            return
        self._scaled, self._half_lives_s = scaled_time, half_lives_s
        self._signals = []
        rates, self._rates = self._rates, {}
        for task, (rate, _) in rates.items():
            self.run(now_s, task, rate)

    def busy_s(self, now_s: float) -> float:
        """Busy time of the busiest core until `now_s` [s]."""
        self._busy_s += self._busiest * (now_s - self._busiest_since_s)
        self._busiest_since_s = now_s
        return self._busy_s

    def util(self, now_s: float) -> float:
        """Highest utilisation, 0..1."""
        highest = 0.0
        for signal in self._signals:
            util = signal.util if signal.seen_s == now_s else signal.settle(now_s)
            if util > highest:
                highest = util
        return highest

    def leaves_s(self, low: float, high: float) -> float:
        """Seconds until the highest utilisation leaves (low, high]; inf: never as things are."""
        if not self._signals:
            return math.inf
        up_s, down_s = math.inf, 0.0
        for signal in self._signals:
            if signal.aim >= high or signal.util >= high:
                rises_s = signal.reaches_s(high)
                if rises_s < up_s:
                    up_s = rises_s
            if signal.util > low and down_s < math.inf:
                falls_s = signal.reaches_s(low)
                if falls_s > down_s:
                    down_s = falls_s
        return up_s if up_s < down_s else down_s

    def _added(self, now_s: float) -> tuple[PeltSignal, ...]:
        signals = tuple(PeltSignal(now_s, self._scaled, half_life_s) for half_life_s in self._half_lives_s)
        self._signals.extend(signals)
        return signals
