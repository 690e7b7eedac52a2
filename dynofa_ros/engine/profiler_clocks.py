"""The clocks that a profile is swept over: set on a board, read back, and put back when it is done.

Every setting pins all domains that are swept: one at a level, the others at their highest. Levels are spaced
evenly in the logarithm of the clock, from LOWEST of the highest clock allowed on: lower ones take long to
measure, and there k / f is nearly all of the time anyway.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from dynofa_ros.board.interface import Board
from dynofa_ros.board.state import BoardState, ClockDomain
from dynofa_ros.engine.emulation import ClockEmulation
from dynofa_ros.errors import DynofaError
from dynofa_ros.manager.decision import ClockLimit

LEVELS, MEMORY_LEVELS = 4, 3
LOWEST = 0.2
"""Lowest level as a share of the highest clock [1]."""
MEMORY = "emc"
"""The domain of memory, as every board back end names it."""
EMULATED_ELEMENT = "cpu"
"""Clocks of a simulated board stretch inference on the processor alone, as in the perception node."""
AGREES = 0.02
"""Share by which a clock that is read may differ from the one that was set."""
EFFECT_S, LOOK_EVERY_S = 1.0, 0.005
"""How long a clock may take to change, and how often it is looked at meanwhile [s]."""

Log = Callable[[str], None]


@dataclass(frozen=True)
class ClockSetting:
    """One element's clock and that of memory [MHz]; NaN: memory is not set."""

    element: str
    clock_mhz: float
    memory_mhz: float = math.nan


def clock_levels(domain: ClockDomain, count: int) -> tuple[float, ...]:
    """At most `count` rising clocks of `domain` [MHz], of its table where it has one; it may show none."""
    highest_mhz = max(domain.available_mhz, default=domain.max_mhz)
    top_mhz = min((mhz for mhz in (domain.cap_mhz, highest_mhz) if mhz > 0.0), default=0.0)
    least_mhz = LOWEST * top_mhz
    table = [mhz for mhz in domain.available_mhz if least_mhz <= mhz <= top_mhz * (1.0 + AGREES)]
    if top_mhz == 0.0 or (domain.available_mhz and not table):
        return ()
    if not table:
        low_mhz = domain.min_mhz if domain.min_mhz > least_mhz else least_mhz
        return tuple(sorted({float(mhz) for mhz in np.geomspace(low_mhz, top_mhz, count)}))
    wanted = np.geomspace(table[0], table[-1], count)
    return tuple(sorted({min(table, key=lambda mhz: abs(math.log(mhz / near))) for near in wanted}))


class SweptClocks:
    """Sets clocks of a board for a profile; a context manager that restores them however it is left."""

    def __init__(
        self,
        board: Board,
        log: Log,
        emulation: ClockEmulation | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        levels: int = LEVELS,
    ) -> None:
        """`emulation` stretches inference where `board` is simulated; at most `levels` clocks per element.

        Raises:
            DynofaError: the board lets no clock of an element be set.
        """
        self._board, self._log, self._clock_s, self._wait = board, log, clock_s, wait
        self._emulation = (emulation or ClockEmulation()) if board.simulated else None
        state = board.read(clock_s())
        domains = {domain.name: domain for domain in state.clock_domains}
        self._domains = {
            element.name: domains[element.clock_domain]
            for element in state.elements
            if element.clock_domain in domains
            and domains[element.clock_domain].writable
            and len(clock_levels(domains[element.clock_domain], levels)) > 1
            and (not board.simulated or element.name == EMULATED_ELEMENT)
        }
        if not self._domains:
            raise DynofaError(_not_writable(state))
        shown = domains.get(MEMORY)
        self._memory = shown if shown is not None and shown.current_mhz > 0.0 else None
        self._levels = {name: clock_levels(domain, levels) for name, domain in self._domains.items()}
        swept = self._memory is not None and self._memory.writable
        self._memory_levels = clock_levels(self._memory, MEMORY_LEVELS) if self._memory and swept else ()

    @property
    def board(self) -> str:
        """Name of the board."""
        return self._board.name

    @property
    def emulated(self) -> bool:
        """Whether the clocks are those of a simulated board."""
        return self._emulation is not None

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements whose clock can be set."""
        return tuple(self._domains)

    @property
    def memory_domain(self) -> str:
        """The domain of memory; "" where the board shows none."""
        return "" if self._memory is None else self._memory.name

    def domain(self, element: str) -> str:
        """The domain that clocks `element`."""
        return self._domains[element].name

    def settings(self, element: str) -> tuple[ClockSetting, ...]:
        """Every level of `element` at every level of memory, the highest last."""
        return tuple(
            ClockSetting(element, mhz, memory_mhz)
            for memory_mhz in self._memory_levels or (math.nan,)
            for mhz in self._levels[element]
        )

    def __enter__(self) -> SweptClocks:
        """Try the ends of every range.

        Raises:
            DynofaError: an element's clock cannot be moved.
        """
        try:
            for element in self._domains:
                ends = self.settings(element)[0], self.settings(element)[-1]
                if not all(self.set(end) for end in ends):
                    raise DynofaError(
                        f"board {self.board}: the clock of {self.domain(element)} stayed at "
                        f"{self._read(self.domain(element)):g} MHz where {ends[0].clock_mhz:g} and "
                        f"{ends[1].clock_mhz:g} MHz were set: lift caps and power modes that hold it, or "
                        "profile without --board"
                    )
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the clocks back."""
        self._restore()

    def _restore(self) -> None:
        self._board.restore()
        if self._emulation is not None:
            self._emulation.clear()

    def set_highest(self) -> None:
        """The highest level of everything that is swept."""
        self.set(self.settings(self.elements[0])[-1])

    def set(self, setting: ClockSetting) -> bool:
        """Whether `setting` was in force, by reading back, within EFFECT_S."""
        wanted = {domain.name: self._levels[name][-1] for name, domain in self._domains.items()}
        wanted[self.domain(setting.element)] = setting.clock_mhz
        if self._memory_levels:
            wanted[self.memory_domain] = setting.memory_mhz
        limits = [ClockLimit(name, mhz, mhz) for name, mhz in wanted.items()]
        self._board.apply(limits, self._clock_s())
        end_s = self._clock_s() + EFFECT_S
        while not self.holds(setting):
            if self._clock_s() >= end_s:
                return False
            self._wait(LOOK_EVERY_S)
        self._emulate()
        return True

    def holds(self, setting: ClockSetting) -> bool:
        """Whether the clocks read now are those of `setting`."""
        read_mhz = self._read(self.domain(setting.element))
        memory = math.isnan(setting.memory_mhz) or _agree(self.memory_mhz(), setting.memory_mhz)
        return memory and _agree(read_mhz, setting.clock_mhz)

    def memory_mhz(self) -> float:
        """The clock of memory now [MHz], that of its table where it has one; NaN: not shown."""
        if self._memory is None:
            return math.nan
        read_mhz = self._read(self._memory.name)
        table = [mhz for mhz in self._memory.available_mhz if _agree(read_mhz, mhz)]
        return table[0] if table else read_mhz

    def after(self, element: str, measured_s: float) -> None:
        """What an emulated clock adds to an inference on `element` that took `measured_s` [s]."""
        if self._emulation is not None and element in self._domains:
            self._emulation.wait_out(measured_s)

    def _emulate(self) -> None:
        if self._emulation is not None:
            domain = self._domains[EMULATED_ELEMENT]
            self._emulation.set_clock(self._read(domain.name), max(domain.available_mhz))

    def _read(self, domain: str) -> float:
        state = self._board.read(self._clock_s())
        return next((d.current_mhz for d in state.clock_domains if d.name == domain), math.nan)


def _agree(read_mhz: float, set_mhz: float) -> bool:
    return abs(read_mhz / set_mhz - 1.0) <= AGREES


def _not_writable(state: BoardState) -> str:
    domains: Sequence[str] = [domain.name for domain in state.clock_domains]
    shown = f"clocks of {', '.join(domains)} cannot be set" if domains else "it shows no clocks"
    reason = f" ({state.status})" if state.status else ""
    return f"board {state.board}: {shown}{reason}, so no profile can be swept over them; leave out --board"
