"""What other programs keep busy, and the clocks that they will get from the kernel."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dynofa_ros.board.state import ClockDomain, Element
from dynofa_ros.manager.telemetry.sticky import Sticky

STEP, NOBODY = 0.1, 0.02
"""Share in steps of which the load of others counts, and below which it does not."""
GOVERNED_LOAD = 0.7
"""Load around which the kernel's governors settle [1]."""
FEWER = 0.2
"""Fall of the load of others from which what their governor did counts no more [1]."""
SAME = 0.005
"""Relative difference of a cap and a table's clock that mean the same, as drivers round them."""


@dataclass
class _Load:
    counted: Sticky
    alone: float = 0.0


class OthersLoad:
    """Busy share of each element that is not the applications' own.

        share = load - own                           what they add: counts for power
        alone = 1 - (1 - load) / (1 - own)           how busy they would be by themselves

    The second is for elements without cores, where busy times overlap by chance; threads on cores add up.
    While a load is not read it is what it was, at first none.
    """

    def __init__(self) -> None:
        self._loads: dict[str, _Load] = {}
        self._governed: dict[str, tuple[float, float]] = {}
        """Clock and load when each domain was released last."""

    def share(self, element: Element, own: float) -> float:
        """Take a reading beside the applications' `own` busy share; the share of others in steps."""
        load = self._loads.get(element.name)
        if load is None:
            load = self._loads[element.name] = _Load(Sticky(0.0, STEP))
        if math.isfinite(element.load):
            total = min(max(element.load, 0.0), 1.0)
            measured = max(total - own, 0.0)
            load.counted.follow(measured if measured > NOBODY else -STEP)
            load.alone = 0.0 if measured <= NOBODY else measured if element.cores > 0 else _apart(total, own)
        counted = load.counted.value
        return 0.0 if math.isnan(counted) else min(max(counted, 0.0), 1.0)

    def released_mhz(
        self,
        domain: ClockDomain,
        available_mhz: Sequence[float],
        elements: Iterable[Element],
        released: bool,
    ) -> float:
        """The least clock of those available at or above what the domain's governor chooses by itself.

        NaN where no element of the domain is busy with others. Where it is `released` that is what is read
        now. While it is limited it is f alone / GOVERNED_LOAD, as governors aim at that load, or the highest
        where the load is above it, since what others would use of a higher clock is not known; and at least
        what was read when it was released last, unless others have become fewer since.
        """
        names = [e.name for e in elements if e.clock_domain == domain.name]
        alone = max((self._loads[name].alone for name in names if name in self._loads), default=0.0)
        if not domain.current_mhz > 0.0 or alone == 0.0:
            return math.nan
        if released:
            wanted_mhz = domain.current_mhz
            self._governed[domain.name] = wanted_mhz, alone
        else:
            wanted_mhz = domain.current_mhz * alone / GOVERNED_LOAD if alone <= GOVERNED_LOAD else math.inf
            seen_mhz, then = self._governed.get(domain.name, (0.0, math.inf))
            wanted_mhz = max(wanted_mhz, seen_mhz) if alone > then - FEWER else wanted_mhz
        at_least = (mhz for mhz in available_mhz if mhz >= wanted_mhz * (1.0 - SAME))
        return next(at_least, available_mhz[-1])


def _apart(total: float, own: float) -> float:
    return min(max(1.0 - (1.0 - total) / max(1.0 - own, NOBODY), 0.0), 1.0)
