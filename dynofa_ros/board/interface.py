"""What every board back end offers. Time is an argument: seconds of a steady clock that never goes back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from dynofa_ros.board.state import BoardState, ClockDomain
from dynofa_ros.manager.decision import ClockLimit


class Board(Protocol):
    """A machine whose clocks, power and temperatures can be read and perhaps limited."""

    @property
    def name(self) -> str:
        """Name for `BoardState.board`, e.g. "linux" or "jetson_orin_nano_super"."""

    @property
    def simulated(self) -> bool:
        """True: every value comes from a model."""

    def read(self, now_s: float) -> BoardState:
        """A fresh reading. Never raises because a sensor is missing: that value is NaN.

        Also lets a lease that ran out take effect (see `apply`).
        """

    def clock_domains(self) -> tuple[ClockDomain, ...]:
        """The domains as of the last reading (of construction before the first)."""

    def apply(
        self, limits: Sequence[ClockLimit], now_s: float, validity_s: float = math.inf
    ) -> tuple[ClockLimit, ...]:
        """Set clock limits for `validity_s` and return those in force afterwards, one per domain named.

        A lease: without a newer `apply`, `read` restores the original setting once it runs out.

        Raises:
            RefusedMessage: unknown domain, both ends NaN, infinite, not positive, or minimum above
                maximum; nothing changes then. A domain that cannot be written is no error: its
                limits are returned as they are.

        """

    def restore(self) -> None:
        """Put the original limits back at once. Safe to call twice."""
