"""Base of the baselines: who is there, what it wants, how far the clocks are capped from outside."""

from __future__ import annotations

from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.board.state import BoardState
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.simulation.world.policy import Policy, SimApplication


def writable_tables(spec: BoardSpec) -> dict[str, tuple[float, ...]]:
    """The table of each clock domain that can be set [MHz, rising]."""
    return {domain.name: domain.available_mhz for domain in spec.domains if domain.writable}


class RosterPolicy(Policy):
    """Keeps the roster; subclasses override `retarget`, `forget` and `recap`."""

    def __init__(self) -> None:
        self.apps: dict[str, SimApplication] = {}
        self.targets: dict[str, QosTarget] = {}
        self.caps: dict[str, float] = {}
        """Highest clock that others allow, per domain that is capped [MHz]."""
        self._fixed: dict[str, float] = {}
        self._has_reading = False

    def on_join(self, app: SimApplication) -> None:
        """Add it, with its first target."""
        if app.name in self.apps:
            self.on_leave(app.name)
        self.apps[app.name], self.targets[app.name] = app, app.target
        self.retarget(app, app.target)

    def on_leave(self, name: str) -> None:
        """Forget it."""
        if self.apps.pop(name, None) is not None:
            del self.targets[name]
            self.forget(name)

    def on_target(self, name: str, target: QosTarget) -> None:
        """Take a new target; one for an application that is not there is ignored."""
        if name in self.apps:
            self.targets[name] = target
            self.retarget(self.apps[name], target)

    def on_board_state(self, state: BoardState) -> None:
        """Note the caps, and the clocks that nobody here can set."""
        caps = {d.name: d.cap_mhz for d in state.clock_domains if d.cap_mhz == d.cap_mhz}
        fixed = {d.name: d.current_mhz for d in state.clock_domains if not d.writable}
        if (caps, fixed) != (self.caps, self._fixed):
            self.caps, self._fixed = caps, fixed
            self.recap()
        if not self._has_reading:
            self._has_reading = True
            self.resize()

    def retarget(self, app: SimApplication, target: QosTarget) -> None:
        """`app` has joined or its target is new."""

    def forget(self, name: str) -> None:
        """An application has left."""

    def recap(self) -> None:
        """Caps changed, or a clock that cannot be set (the memory's, by a power mode)."""

    def resize(self) -> None:
        """The first reading is there, and with it the caps that hold from the start."""

    def full_clocks(self) -> dict[str, float]:
        """Every domain that can be set as high as its cap allows, the others as they are [MHz]."""
        tables = writable_tables(self.world.spec)
        highest = {name: self.below_cap(name, table)[-1] for name, table in tables.items()}
        return {**self.world.clocks(), **highest}

    def below_cap(self, domain: str, table: tuple[float, ...]) -> tuple[float, ...]:
        """The clocks of `table` that the cap allows; at least the lowest."""
        cap_mhz = self.caps.get(domain)
        if cap_mhz is None:
            return table
        return tuple(mhz for mhz in table if mhz <= cap_mhz * 1.0001) or table[:1]
