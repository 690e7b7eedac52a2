"""Keeps what a running node measured: at most every minute, and when it stops."""

from __future__ import annotations

from collections.abc import Callable

from dynofa_ros.engine.fingerprint import Fingerprint
from dynofa_ros.engine.profile_store import refine
from dynofa_ros.engine.refinement import Refinement

PERIOD_S = 60.0


class ProfileKeeper:
    """Refines the kept profile on disk; the running node keeps the operating points that it announced.

    So slow-downs, here and in the manager, refer to one profile until the next configure.
    """

    def __init__(
        self, refinement: Refinement, fingerprint: Fingerprint | None, log: Callable[[str], None]
    ) -> None:
        """`fingerprint` None: the profile is a file that somebody gave; it is never written."""
        self._refinement, self._fingerprint, self._log = refinement, fingerprint, log
        self._stored_s: float | None = None

    def tick(self, now_s: float) -> None:
        """Store if the last time is at least PERIOD_S ago; the first call starts the period."""
        if self._stored_s is None:
            self._stored_s = now_s
        elif now_s - self._stored_s >= PERIOD_S:
            self._stored_s = now_s
            self.store()

    def store(self) -> None:
        """Store what was learnt since the last time, if anything."""
        learnt = self._refinement.collect()
        if learnt and self._fingerprint is not None:
            refine(self._fingerprint, learnt, self._log)
