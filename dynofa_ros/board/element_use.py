"""What runs on one element of the simulated board: power in use, and busy time as the kernel sees it."""

from __future__ import annotations

from dynofa_ros.manager.models.power_model import ElementPower


class ElementUse:
    """Inferences, a co-runner and a background load on one element; power tables per clock index.

        power  = idle_w[i] + use * active_w[i] + corunner_w
        use    = sum of share * (clocked + stalled_share * (1 - clocked)) + background      at most 1
        busy   = 1 - (1 - sum of share * clocked) * (1 - corunner) * (1 - background)

    clocked is the part of an inference's time that scales with the clock: the rest is no busy time of a GPU
    (nvhost_podgov settles where it really does only if it is left out). On a CPU every part is clocked.
    """

    __slots__ = (
        "_busy_since_s",
        "_cores",
        "_running",
        "active_w",
        "background",
        "busy",
        "busy_s",
        "corunner",
        "corunner_w",
        "idle_w",
        "model",
        "stalled_share",
        "use",
    )

    def __init__(self, model: ElementPower, table_mhz: tuple[float, ...]) -> None:
        self.model = model
        self.stalled_share = model.stalled_share
        self._cores = max(model.cores, 1)
        self.idle_w = tuple(model.idle_w * float(model.scale(mhz)) for mhz in table_mhz)
        self.active_w = tuple(model.active_w * float(model.scale(mhz)) for mhz in table_mhz)
        self._running: dict[str, tuple[float, float]] = {}
        self.background = self.corunner = self.corunner_w = 0.0
        self.use = self.busy = self.busy_s = self._busy_since_s = 0.0

    def occupy(self, now_s: float, activity: str, share: float, clocked: float) -> None:
        """An inference begins, or one that runs changes its shares."""
        self._running[activity] = (share * (clocked + self.stalled_share * (1.0 - clocked)), share * clocked)
        self.update(now_s)

    def host(self, now_s: float, activity: str, rate: float) -> None:
        """An inference elsewhere keeps one core busy for the share `rate`; its power counts over there."""
        self._running[activity] = (0.0, rate / self._cores)
        self.update(now_s)

    def vacate(self, now_s: float, activity: str) -> bool:
        """An inference ends; False where it does not run."""
        known = self._running.pop(activity, None) is not None
        self.update(now_s)
        return known

    def settle(self, now_s: float) -> float:
        """Busy time until `now_s` since the start [s]."""
        self.busy_s += self.busy * (now_s - self._busy_since_s)
        self._busy_since_s = now_s
        return self.busy_s

    def update(self, now_s: float) -> None:
        """Work out use and busy share after a change."""
        self.busy_s += self.busy * (now_s - self._busy_since_s)
        self._busy_since_s = now_s
        use = own = 0.0
        for power_share, busy_share in self._running.values():
            use += power_share
            own += busy_share
        use += self.background
        self.use = use if use < 1.0 else 1.0
        free = 1.0 - own if own < 1.0 else 0.0
        self.busy = 1.0 - free * (1.0 - self.corunner) * (1.0 - self.background)
