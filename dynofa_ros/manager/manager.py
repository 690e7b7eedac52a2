"""The manager: learns applications, targets and the board, and decides under leases.

Targets change decisions at once, everything else at the next step. Ages count from local receipt on a
steady clock. Where telemetry is frozen or absent nothing moves upward. A move upward is a more
accurate sub-network or a lower clock; it waits for the minimum dwell and leaves a margin, except right
after a new target, at an application's first decision and at its first measurement.
"""

from __future__ import annotations

import math
from dataclasses import replace

from dynofa_ros.board.state import BoardState
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.application import ApplicationInfo, StatsView
from dynofa_ros.manager.arbiter import arbitrate
from dynofa_ros.manager.board_view import BoardView
from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.decision import ManagerOutput
from dynofa_ros.manager.issue import Issuer
from dynofa_ros.manager.models import BoardModels
from dynofa_ros.manager.power_model import element_share
from dynofa_ros.manager.problem import ArbiterInput, ArbiterResult
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.manager.record import ApplicationRecord

__all__ = ["Manager", "ManagerConfig"]


class Manager:
    """One decision maker for all applications of a robot. Not thread safe: one caller at a time."""

    def __init__(self, config: ManagerConfig | None = None, manager_id: str = "manager") -> None:
        """`manager_id` must be unique per start: sequences of different managers do not compare."""
        self.config = config or ManagerConfig()
        self._board = BoardView()
        self._records: dict[str, ApplicationRecord] = {}
        self._dormant: dict[str, ApplicationInfo] = {}
        self._limits: dict[str, float] = {}
        self._clocks_changed_s = -math.inf
        self._issuer = Issuer(manager_id, self.config)

    def set_models(self, models: BoardModels | None) -> None:
        """Power and thermal model of the board; None: choose without (no power budget, no prediction)."""
        self._board.models = models

    def on_application(self, info: ApplicationInfo, now_s: float) -> ManagerOutput:
        """Register an application, or what changed of it, and decide.

        Raises:
            RefusedMessage: it contradicts itself; one that is registered stays as it was.

        """
        info.validated()
        record = self._records.get(info.name)
        if record is None or record.info.operating_points != info.operating_points:
            renewed = ApplicationRecord(info, now_s)
            if record is not None:
                renewed.target, renewed.target_until_s = record.target, record.target_until_s
            self._records[info.name] = renewed
        else:
            record.info, record.seen_s = info, now_s
        self._dormant.pop(info.name, None)
        return self.step(now_s)

    def on_target(self, target: QosTarget, now_s: float) -> ManagerOutput:
        """Take a target and decide at once.

        Raises:
            RefusedMessage: invalid, or of an application that has not presented itself; counted in the
                status, and the last valid target stays.

        """
        try:
            target = target.validated()
            record = self._known(target.application)
        except RefusedMessage as error:
            self._issuer.refused(str(error))
            raise
        record.free |= record.target is None or replace(record.target, lifetime_s=0) != replace(
            target, lifetime_s=0
        )
        record.target, record.target_until_s = target, now_s + target.lifetime_s
        return self.step(now_s)

    def on_stats(self, stats: StatsView, now_s: float) -> None:
        """Take an application's measurements; of an unknown application they are ignored."""
        if stats.application not in self._records and stats.application in self._dormant:
            info = self._dormant.pop(stats.application)
            self._records[info.name] = ApplicationRecord(info, now_s)
        record = self._records.get(stats.application)
        if record is not None:
            record.seen_s = now_s
            record.free |= record.measured.take(stats, now_s)
            record.watch_reflex(now_s)

    def on_board_state(self, state: BoardState, now_s: float) -> ManagerOutput | None:
        """Take a board state; decides at once where caps, tables or throttling changed, else returns None."""
        return self.step(now_s) if self._board.take(state, now_s) else None

    def step(self, now_s: float) -> ManagerOutput:
        """Forget what is stale, decide, and return what is new or due for renewal."""
        self._forget(now_s)
        records = list(self._records.values())
        caution = self._board.caution(now_s, self.config)
        if not records:
            return self._issuer.idle(caution)
        problem = self._problem(
            records, now_s, bool(caution), self._holds_clocks(records, now_s, bool(caution))
        )
        result = arbitrate(problem)
        if result.board_violations and problem.clocks:
            problem = self._problem(records, now_s, bool(caution), hold=False)
            result = arbitrate(problem)
        output = self._issuer.issue(records, problem, result, self._board, caution, now_s)
        self._commit(records, result, now_s)
        return output

    def _forget(self, now_s: float) -> None:
        for name, record in list(self._records.items()):
            if now_s - record.seen_s > self.config.application_timeout_s:
                self._dormant[name] = self._records.pop(name).info
            elif now_s > record.target_until_s:
                record.target, record.target_until_s, record.free = None, math.inf, True
        if not self._records:
            self._limits.clear()

    def _holds_clocks(self, records: list[ApplicationRecord], now_s: float, caution: bool) -> bool:
        free = any(record.free for record in records)
        return caution or (not free and now_s - self._clocks_changed_s < self.config.dwell_s)

    def _problem(
        self, records: list[ApplicationRecord], now_s: float, caution: bool, hold: bool
    ) -> ArbiterInput:
        used = {point.clock_domain for record in records for point in record.points}
        tables = self._board.clock_tables(used, self._limits, hold)
        models = self._board.models
        return ArbiterInput(
            applications=tuple(record.as_input(now_s, self.config, caution) for record in records),
            clocks=tables,
            elements=self._board.elements(self._own_busy(records)),
            power=models.power if models else None,
            other_clocks=self._board.other_clocks({table.domain for table in tables}),
            heat=self._board.heat(self.config),
            busy_limit=self.config.busy_limit,
            incumbent=self._incumbent(records, [table.domain for table in tables]),
            inertia=self.config.inertia_w,
        )

    def _own_busy(self, records: list[ApplicationRecord]) -> dict[str, float]:
        """Share of each element that the applications themselves were measured to use."""
        cores = {e.name: e.cores for e in self._board.state.elements} if self._board.state else {}
        total: dict[str, float] = {}
        for record in records:
            if record.chosen is not None and not math.isnan(record.measured.busy):
                point = record.points[record.chosen]
                share = record.measured.busy * element_share(point, cores.get(point.element, 0))
                total[point.element] = total.get(point.element, 0.0) + share
        return total

    def _incumbent(
        self, records: list[ApplicationRecord], domains: list[str]
    ) -> tuple[tuple[int, ...], tuple[float, ...]] | None:
        choices = [record.chosen for record in records if record.chosen is not None and not record.free]
        if len(choices) != len(records) or any(domain not in self._limits for domain in domains):
            return None
        return tuple(choices), tuple(self._limits[domain] for domain in domains)

    def _commit(self, records: list[ApplicationRecord], result: ArbiterResult, now_s: float) -> None:
        for record, choice in zip(records, result.choices, strict=True):
            if record.chosen != choice:
                record.chosen, record.changed_s = choice, now_s
            record.free = False
        if dict(result.clocks) != self._limits:
            self._limits = dict(result.clocks)
            self._clocks_changed_s = now_s

    def _known(self, application: str) -> ApplicationRecord:
        record = self._records.get(application)
        if record is None:
            known = ", ".join(self._records) or "none yet"
            raise RefusedMessage(
                f"qos_target refused: application = {application!r} is unknown; known: {known}. "
                "It is accepted once that perception node is active"
            )
        return record
