"""The manager: learns applications, targets and the board, and decides under leases.

Targets change decisions at once, everything else at the next step. Ages count from local receipt on a
steady clock. Where telemetry is frozen, contested or absent nothing moves upward. A move upward is a more
accurate sub-network or a lower clock; it waits for the minimum dwell and leaves a margin, except right
after a new target, at an application's first decision and at its first measurement. A clock that is held
gives way where a target would be missed for it.

Clocks: the domains of the decided points are pinned while an application with a latency target runs on
them, given back when the last one leaves, and never touched while none runs there.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from dynofa_ros.board.state import BoardState
from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.application import ApplicationInfo, StatsView
from dynofa_ros.manager.arbiter.arbiter import arbitrate
from dynofa_ros.manager.arbiter.headroom import with_headroom
from dynofa_ros.manager.arbiter.overheated import ThermalMargin
from dynofa_ros.manager.arbiter.problem import ArbiterInput, ArbiterResult
from dynofa_ros.manager.arbiter.released import ReleasedClocks
from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.decision import ManagerOutput, pins
from dynofa_ros.manager.issue import Issuer, used_domains
from dynofa_ros.manager.models.board_models import BoardModels
from dynofa_ros.manager.models.power_model import element_share
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.manager.record import ApplicationRecord
from dynofa_ros.manager.telemetry.board_view import BoardView, Caution
from dynofa_ros.manager.telemetry.phases import Phases

__all__ = ["Manager", "ManagerConfig"]

ANNOUNCED_S = 0.02
"""Frames that ended within it after a decision about clocks may have run at the old ones [s]."""
URGENT = 1.05
"""Factor on the slow-down that is answered before the next step [1]."""
LEAP = 1.15
"""Factor on the slow-down after which little is known of how slow it is, and on the rate of frames that is
answered before the next step [1]."""
SOLVED = 3
"""Problems whose results are remembered: up to three are posed in one step."""
LEAST_HORIZON_S = 0.2
"""The energy of a change counts over the minimum dwell, at least over so long [s]."""
REVIVED = 0.02
"""Charge by which a battery must recover before saving ends [1]."""


class Manager:
    """One decision maker for all applications of a robot. Not thread safe: one caller at a time."""

    def __init__(self, config: ManagerConfig | None = None, manager_id: str = "manager") -> None:
        """`manager_id` must be unique per start: sequences of different managers do not compare."""
        self.config = config or ManagerConfig()
        self._board = BoardView()
        self._records: dict[str, ApplicationRecord] = {}
        self._dormant: dict[str, ApplicationInfo] = {}
        self._limits: dict[str, float] = {}
        """Clocks in force of the domains in use [MHz]."""
        self._settings: dict[str, float] = {}
        """All clocks of the last choice [MHz]."""
        self._limited_s: dict[str, float] = {}
        """When the clock in force last changed, per domain [s]."""
        self._saving = False
        self._solved: deque[tuple[ArbiterInput, list[float], ArbiterResult]] = deque(maxlen=SOLVED)
        self._margin = ThermalMargin(lambda posed: ReleasedClocks.of(posed, arbitrate))
        self._phases = Phases()
        self._issuer = Issuer(manager_id, self.config)

    def set_models(self, models: BoardModels | None) -> None:
        """Power and thermal model of the board; None: choose without (no power budget, no prediction)."""
        self._board.set_models(models)

    def on_application(self, info: ApplicationInfo, now_s: float) -> ManagerOutput:
        """Register an application, or what changed of it, and decide.

        Raises:
            RefusedMessage: it contradicts itself, or another node that is alive has its name; counted in the
                status, and one that is registered stays as it was.

        """
        record = self._records.get(info.name)
        try:
            info.validated()
            self._check_node(record, info, now_s)
        except RefusedMessage as error:
            self._issuer.refused_application(str(error))
            raise
        if record is None or record.info.operating_points != info.operating_points:
            renewed = ApplicationRecord(info, now_s)
            if record is not None:
                renewed.target, renewed.target_until_s = record.target, record.target_until_s
            self._records[info.name] = renewed
            self._issuer.forget(info.name)
        else:
            record.info, record.seen_s = info, now_s
        self._dormant.pop(info.name, None)
        return self.step(now_s)

    def _check_node(self, record: ApplicationRecord | None, info: ApplicationInfo, now_s: float) -> None:
        if record is None or not record.info.node or not info.node or record.info.node == info.node:
            return
        if now_s - record.seen_s <= self.config.stats_timeout_s:
            raise RefusedMessage(
                f"application {info.name!r} of {info.node} refused: {record.info.node} has that name and is "
                "alive; give one of them another parameter `application`"
            )

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
            self._issuer.refused_target(str(error))
            raise
        record.free |= record.target is None or replace(record.target, lifetime_s=0) != replace(
            target, lifetime_s=0
        )
        record.target, record.target_until_s = target, now_s + target.lifetime_s
        return self.step(now_s)

    def knows(self, application: str) -> bool:
        """Whether that application has presented itself and is there."""
        return application in self._records

    def on_stats(self, stats: StatsView, now_s: float) -> ManagerOutput | None:
        """Take an application's measurements; of an unknown application they are ignored.

        Decides at once where it got much slower or its camera much faster, else returns None.
        """
        if stats.application not in self._records and stats.application in self._dormant:
            info = self._dormant.pop(stats.application)
            self._records[info.name] = ApplicationRecord(info, now_s)
        record = self._records.get(stats.application)
        if record is None:
            return None
        record.seen_s = now_s
        before, before_ms = record.measured.slowdown_tail, record.measured.period_ms
        settle = self._clocks_settle(record, now_s)
        record.free |= record.measured.take(stats, now_s, record.elements, settle)
        if not self.config.dry_run:
            record.watch_reflex(now_s)
        if math.isnan(before):
            before = self.config.prior_slowdown
        rise = record.measured.slowdown_tail / before
        if rise > LEAP:
            record.leapt_s = now_s
        return self.step(now_s) if rise > URGENT or LEAP * record.measured.period_ms < before_ms else None

    def _clocks_settle(self, record: ApplicationRecord, now_s: float) -> bool:
        """Whether its frames ran across a change of clocks, or at clocks that nobody has read since."""
        domains = record.points[record.chosen].domains if record.chosen is not None else ()
        for domain in domains:
            limited_s = self._limited_s.get(domain, -math.inf)
            if limited_s > now_s - ANNOUNCED_S or self._board.unread(domain, limited_s):
                return True
            if self._board.clock_moved_s.get(domain, -math.inf) > now_s - self.config.settle_s:
                return True
        return False

    def on_board_state(self, state: BoardState, now_s: float) -> ManagerOutput | None:
        """Take a board state; decides at once where caps, tables or throttling changed, else returns None."""
        own_busy = self._own_busy(self._records.values())
        return self.step(now_s) if self._board.take(state, own_busy, now_s) else None

    def on_battery(self, charge: float) -> None:
        """Take the charge, 0..1; anything else is ignored. Saving ends REVIVED above where it began."""
        if 0.0 <= charge <= 1.0:
            limit = self.config.low_battery + (REVIVED if self._saving else 0.0)
            self._saving = charge < limit and self.config.low_battery > 0.0

    def on_temperature(self, temperature_degc: float, now_s: float) -> None:
        """Take a junction temperature that does not come from the board; it counts like one of its zones."""
        self._board.take_temperature(temperature_degc, now_s)

    def step(self, now_s: float) -> ManagerOutput:
        """Forget what is stale, decide, and return what is new or due for renewal."""
        self._forget(now_s)
        records = list(self._records.values())
        for record in records:
            record.free |= record.saving != self._saving
            record.saving = self._saving
        caution = self._board.caution(now_s, self.config)
        saving = "the battery is low: least energy" if self._saving else ""
        words = [caution.reason, saving, self._board.remarks(), *self._silent(now_s), *self._contested(now_s)]
        remarks = "; ".join(filter(None, words))
        if not records:
            return self._idle(remarks, now_s)
        if len(records) > 1:
            cores = self._board.cores()
            self._phases.take((record.sharer(cores) for record in records), now_s)
        hold = set(self._limits) if caution.clocks else self._dwelling(records, now_s)
        keep = any(record.dwells(now_s, self.config) for record in records)
        problem, result = self._decide(records, now_s, caution, hold, keep)
        if keep and not result.feasible:
            problem, result = self._decide(records, now_s, caution, hold, keep=False)
        if not result.feasible and problem.clocks and hold:
            lifted = self._decide(records, now_s, caution, set(), keep=False)
            if result.board_violations or lifted[1].feasible:
                problem, result = lifted
        self._commit(records, problem, result, now_s)
        remarks = "; ".join(filter(None, [remarks, *(record.held_back(now_s) for record in records)]))
        blocks = [
            record.upward_block(now_s, self.config) or ("telemetry" if caution.reason else "")
            for record in records
        ]
        output = self._issuer.issue(records, problem, result, self._board, remarks, blocks, now_s)
        self._watch(output, now_s)
        for record in records:
            record.free = False
            record.watched = record.chosen if self._board.reads_temperature(now_s) else record.watched
        return output

    def _idle(self, remarks: str, now_s: float) -> ManagerOutput:
        self._limits, self._settings = {}, {}
        output = self._issuer.idle(self._board, remarks, now_s)
        self._board.watch.want({}, now_s)
        return output

    def _watch(self, output: ManagerOutput, now_s: float) -> None:
        self._board.watch.want({} if self.config.dry_run else pins(output.status.clocks), now_s)

    def _silent(self, now_s: float) -> list[str]:
        words = ((name, record.unmeasured(now_s, self.config)) for name, record in self._records.items())
        return [f"{what} of {name!r}: no upward moves of it" for name, what in words if what]

    def _contested(self, now_s: float) -> list[str]:
        return [
            f"statistics of {name!r} come from more than one node: no upward moves of it"
            for name, record in self._records.items()
            if record.measured.contested(now_s)
        ]

    def _decide(
        self, records: list[ApplicationRecord], now_s: float, caution: Caution, hold: set[str], keep: bool
    ) -> tuple[ArbiterInput, ArbiterResult]:
        """The choice. Where a slow-down has just leapt, with room for more if nothing gives way for it."""
        if any(record.surprised(now_s, self.config) for record in records):
            bursts = [1.0 if r.surprised(now_s, self.config) else r.measured.burst for r in records]
            wary = self._solve(self._problem(records, now_s, caution, hold, keep, wary=True), bursts)
            if wary[1].feasible:
                return wary
        bursts = [record.measured.burst for record in records]
        return self._solve(self._problem(records, now_s, caution, hold, keep), bursts)

    def _solve(self, problem: ArbiterInput, bursts: list[float]) -> tuple[ArbiterInput, ArbiterResult]:
        """The choice; one of the last ones where its inputs are the same."""
        for posed, known_bursts, result in reversed(self._solved):
            if known_bursts == bursts and posed == problem:
                return posed, result
        result = with_headroom(problem, self._margin.solve(problem), bursts, arbitrate)
        self._solved.append((problem, bursts, result))
        return problem, result

    def _forget(self, now_s: float) -> None:
        for name, record in list(self._records.items()):
            if now_s - record.seen_s > self.config.application_timeout_s:
                self._dormant[name] = self._records.pop(name).info
                self._issuer.forget(name)
                self._phases.forget(name)
            elif now_s > record.target_until_s:
                record.target, record.target_until_s, record.free = None, math.inf, True

    def _dwelling(self, records: list[ApplicationRecord], now_s: float) -> set[str]:
        """Domains whose clock, or whose load, changed within the dwell: they are not lowered yet.

        Right after a new target they may be.
        """
        if any(record.free for record in records):
            return set()
        since_s = now_s - self.config.dwell_s
        changed = {domain for domain, at_s in self._limited_s.items() if at_s > since_s}
        return changed.union(*[r.domains for r in records if r.surprised(now_s, self.config)])

    def _problem(
        self,
        records: list[ApplicationRecord],
        now_s: float,
        caution: Caution,
        hold: set[str],
        keep: bool,
        wary: bool = False,
    ) -> ArbiterInput:
        used = {domain for record in records for domain in record.domains}
        tables = self._board.clock_tables(used, self._limits, hold, self.config.actuation_ms)
        elements = self._board.elements(self._own_busy(records))
        return ArbiterInput(
            applications=tuple(
                [
                    r.as_input(
                        now_s, self.config, caution, elements, keep, self._phases.of(r.info.name, now_s), wary
                    )
                    for r in records
                ]
            ),
            clocks=tables,
            elements=elements,
            power=self._board.power(),
            other_clocks=self._board.other_clocks({table.domain for table in tables}),
            heat=self._board.heat(self.config),
            busy_limit=self.config.busy_limit,
            incumbent=self._incumbent(records, [table.domain for table in tables]),
            inertia=self.config.inertia_w,
            horizon_s=max(self.config.dwell_s, LEAST_HORIZON_S),
        )

    def _own_busy(self, records: Iterable[ApplicationRecord]) -> dict[str, float]:
        """Share of each element that the applications themselves were measured to use."""
        cores = self._board.cores()
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
        if len(choices) != len(records) or any(domain not in self._settings for domain in domains):
            return None
        return tuple(choices), tuple(self._settings[domain] for domain in domains)

    def _commit(
        self, records: list[ApplicationRecord], problem: ArbiterInput, result: ArbiterResult, now_s: float
    ) -> None:
        for record, choice in zip(records, result.choices, strict=True):
            if record.chosen != choice:
                record.chosen, record.changed_s = choice, now_s
        used = used_domains(problem, result.choices)
        limits = {domain: mhz for domain, mhz in result.clocks.items() if domain in used}
        for domain, mhz in limits.items():
            if self._limits.get(domain) != mhz:
                self._limited_s[domain] = now_s
        self._limits, self._settings = limits, dict(result.clocks)

    def _known(self, application: str) -> ApplicationRecord:
        record = self._records.get(application)
        if record is None:
            known = ", ".join(self._records) or "none yet"
            what = "has vanished" if application in self._dormant else "is unknown"
            raise RefusedMessage(
                f"qos_target refused: application = {application!r} {what}; known: {known}. "
                "It is accepted once that perception node is active"
            )
        return record
