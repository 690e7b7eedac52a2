"""Turns results into decisions with rising sequence numbers and leases, and into the status."""

from __future__ import annotations

import math

from dynofa_ros.manager.board_view import BoardView
from dynofa_ros.manager.config import ManagerConfig
from dynofa_ros.manager.decision import (
    ApplicationStatus,
    ClockLimit,
    DvfsDecision,
    ManagerOutput,
    ManagerStatus,
    SubnetAlternative,
    SubnetDecision,
)
from dynofa_ros.manager.explain import Explanation, explain
from dynofa_ros.manager.operating_point import OperatingPoint, pareto_front
from dynofa_ros.manager.problem import ArbiterApplication, ArbiterInput, ArbiterResult
from dynofa_ros.manager.record import ApplicationRecord
from dynofa_ros.manager.tables import Settings


class Issuer:
    """Numbers decisions, renews each before its lease runs out, and counts refusals."""

    def __init__(self, manager_id: str, config: ManagerConfig) -> None:
        self._id, self._config = manager_id, config
        self._sequence = 0
        self._dvfs: DvfsDecision | None = None
        self._dvfs_s = -math.inf
        self._refused, self._last_refusal = 0, ""

    def refused(self, reason: str) -> None:
        """Count a refused target."""
        self._refused += 1
        self._last_refusal = reason

    def idle(self, caution: str) -> ManagerOutput:
        """Nothing to manage: no decisions, so that leases run out and the board restores itself."""
        self._dvfs = None
        text = "waiting for applications" + (f"; {caution}" if caution else "")
        return ManagerOutput((), None, self._status((), (), math.nan, (), text))

    def issue(
        self,
        records: list[ApplicationRecord],
        problem: ArbiterInput,
        result: ArbiterResult,
        board: BoardView,
        caution: str,
        now_s: float,
    ) -> ManagerOutput:
        """Decisions that are new or due, and the status."""
        blocks = [
            record.upward_block(now_s, self._config) or ("telemetry" if caution else "") for record in records
        ]
        targets = [record.target_or_default(self._config) for record in records]
        reasons = [
            explain(problem, result, i, target, block)
            for i, (target, block) in enumerate(zip(targets, blocks, strict=True))
        ]
        decisions = [
            self._decide(record, problem, result, i, reasons[i], now_s) for i, record in enumerate(records)
        ]
        limits = tuple(ClockLimit(d, board.lowest_mhz(d), mhz) for d, mhz in result.clocks.items())
        dvfs = self._decide_clocks(limits, result, now_s)
        statuses = tuple(self._application(result, r, i, reasons[i]) for i, r in enumerate(records))
        text = _summary(
            result, statuses, caution, math.isfinite(problem.max_power_w) and board.models is None
        )
        status = self._status(statuses, limits, result.power_w, result.board_violations, text)
        return ManagerOutput(tuple(d for d in decisions if d is not None), dvfs, status)

    def _decide(
        self,
        record: ApplicationRecord,
        problem: ArbiterInput,
        result: ArbiterResult,
        index: int,
        why: Explanation,
        now_s: float,
    ) -> SubnetDecision | None:
        point = record.points[result.choices[index]]
        target = record.target_or_default(self._config)
        last = record.issued
        decision = SubnetDecision(
            application=record.info.name,
            manager_id=self._id,
            sequence=self._sequence + 1,
            validity_ms=self._config.validity_ms,
            subnet=point.subnet,
            placement=point.placement,
            element=point.element,
            threads=point.threads,
            target_latency_ms=target.latency_ms,
            percentile=target.percentile,
            predicted_latency_ms=result.latency_ms[index],
            predicted_energy_mj=result.energy_mj[index],
            predicted_accuracy=point.accuracy,
            feasible=result.feasible,
            alternatives=_alternatives(problem, result, index),
            reason=why.reason,
        )
        if last is not None and _same(last, decision) and not self._due(record.issued_s, now_s):
            return None
        record.issued, record.issued_s = decision, now_s
        self._sequence += 1
        return decision

    def _decide_clocks(
        self, limits: tuple[ClockLimit, ...], result: ArbiterResult, now_s: float
    ) -> DvfsDecision | None:
        if not limits:
            self._dvfs = None
            return None
        if self._dvfs is not None and self._dvfs.limits == limits and not self._due(self._dvfs_s, now_s):
            return None
        self._sequence += 1
        clocks = ", ".join(f"{limit.domain} up to {limit.max_mhz:.0f} MHz" for limit in limits)
        what = "least power that meets every target" if result.feasible else "the closest to every target"
        self._dvfs_s = now_s
        self._dvfs = DvfsDecision(
            self._id, self._sequence, self._config.validity_ms, limits, result.power_w, f"{clocks}: {what}"
        )
        return self._dvfs

    def _due(self, issued_s: float, now_s: float) -> bool:
        return now_s - issued_s >= self._config.validity_ms / 3e3

    def _application(
        self,
        result: ArbiterResult,
        record: ApplicationRecord,
        index: int,
        why: Explanation,
    ) -> ApplicationStatus:
        point = record.points[result.choices[index]]
        return ApplicationStatus(
            application=record.info.name,
            subnet=point.subnet,
            placement=point.placement,
            element=point.element,
            target=record.target_or_default(self._config),
            feasible=not result.violations[index] and not result.board_violations,
            binding_constraint=why.binding,
            slowdown_tail=record.measured.slowdown_tail,
            overhead_ms=record.measured.overhead_ms,
            predicted_latency_ms=result.latency_ms[index],
            predicted_accuracy=point.accuracy,
            reason=why.reason,
        )

    def _status(
        self,
        statuses: tuple[ApplicationStatus, ...],
        clocks: tuple[ClockLimit, ...],
        power_w: float,
        board_violations: tuple[str, ...],
        text: str,
    ) -> ManagerStatus:
        failing = [f"{s.application}:{s.binding_constraint}" for s in statuses if not s.feasible]
        return ManagerStatus(
            manager_id=self._id,
            feasible=not failing,
            binding_constraint=(*board_violations, *failing, "")[0],
            applications=statuses,
            clocks=clocks,
            predicted_power_w=power_w,
            decisions_total=self._sequence,
            refused_targets_total=self._refused,
            last_refusal=self._last_refusal,
            status=text,
        )


def _alternatives(problem: ArbiterInput, result: ArbiterResult, index: int) -> tuple[SubnetAlternative, ...]:
    """The application's front at the decided clocks, by rising latency, with the decided point."""
    app = problem.applications[index]
    tables = tuple(
        type(table)(table.domain, (result.clocks[table.domain],), table.full_mhz) for table in problem.clocks
    )
    settings = Settings.of(tables)
    stretched = {point.key: float(settings.stretch(point)[0]) for point in app.points}
    decided = app.points[result.choices[index]]
    front = pareto_front(list(app.points))
    chosen = front if decided in front else [*front, decided]
    entries = [_alternative(problem, result, app, point, stretched[point.key]) for point in chosen]
    return tuple(sorted(entries, key=lambda entry: entry.predicted_latency_ms))


def _alternative(
    problem: ArbiterInput,
    result: ArbiterResult,
    app: ArbiterApplication,
    point: OperatingPoint,
    stretch: float,
) -> SubnetAlternative:
    clocks = {**problem.other_clocks, **result.clocks}
    median, tail = app.slowdowns(point.element)
    energy = problem.power.energy_mj(point, clocks, median) if problem.power else math.nan
    latency_ms = app.overhead_ms + tail * point.latency_ms * stretch
    return SubnetAlternative(point.subnet, point.placement, point.element, latency_ms, energy, point.accuracy)


def _same(a: SubnetDecision, b: SubnetDecision) -> bool:
    """Whether nothing changed that a perception node acts on."""
    targets_equal = a.target_latency_ms == b.target_latency_ms or (
        math.isnan(a.target_latency_ms) and math.isnan(b.target_latency_ms)
    )
    acts_a = (a.subnet, a.placement, a.element, a.threads, a.percentile, a.feasible)
    return targets_equal and acts_a == (b.subnet, b.placement, b.element, b.threads, b.percentile, b.feasible)


def _summary(
    result: ArbiterResult, statuses: tuple[ApplicationStatus, ...], caution: str, unchecked_budget: bool
) -> str:
    failing = [status.application for status in statuses if not status.feasible]
    count = f"{len(statuses)} application{'s' if len(statuses) > 1 else ''}"
    parts = [
        f"{count}: not every target can be met ({', '.join(failing)})"
        if failing
        else f"{count}: every target is met"
    ]
    if not result.clocks:
        parts.append("no clock control: sub-networks only")
    if not result.exact:
        parts.append("clock tables thinned: too many combinations")
    if unchecked_budget:
        parts.append("no power model: the power budget is not checked")
    return "; ".join([*parts, caution] if caution else parts)
