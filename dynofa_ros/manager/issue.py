"""Turns results into decisions with rising sequence numbers and leases, and into the status."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dynofa_ros.manager.arbiter.problem import ArbiterApplication, ArbiterInput, ArbiterResult, Bound
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
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.manager.record import ApplicationRecord
from dynofa_ros.manager.telemetry.board_view import BoardView


@dataclass
class _Issued:
    """What was last said of one application."""

    decision: SubnetDecision
    issued_s: float
    why: Explanation
    problem: ArbiterInput
    block: str
    frontier: tuple[SubnetAlternative, ...]


class Issuer:
    """Numbers decisions, renews each before its lease runs out, and counts refusals."""

    def __init__(self, manager_id: str, config: ManagerConfig) -> None:
        self._id, self._config = manager_id, config
        self._sequence = 0
        self._issued: dict[str, _Issued] = {}
        self._dvfs: DvfsDecision | None = None
        self._dvfs_s = -math.inf
        self._released_s: dict[str, float] = {}
        """Domains that are given back their full range, and since when [s]."""
        self._refused_targets = self._refused_applications = 0
        self._last_refusal = ""

    def refused_target(self, reason: str) -> None:
        """Count a refused target."""
        self._refused_targets += 1
        self._last_refusal = reason

    def refused_application(self, reason: str) -> None:
        """Count a refused application."""
        self._refused_applications += 1
        self._last_refusal = reason

    def forget(self, application: str) -> None:
        """An application vanished or presented other points: its next decision is new."""
        self._issued.pop(application, None)

    def idle(self, board: BoardView, remarks: str, now_s: float) -> ManagerOutput:
        """Nothing to manage: every clock is given back, then leases run out and the board restores itself."""
        dvfs = self._decide_clocks(self._limits({}, {}, board, now_s), None, now_s)
        text = "; ".join(filter(None, ["waiting for applications", remarks]))
        return ManagerOutput((), dvfs, self._status((), (), None, board, remarks, text))

    def issue(
        self,
        records: list[ApplicationRecord],
        problem: ArbiterInput,
        result: ArbiterResult,
        board: BoardView,
        remarks: str,
        blocks: list[str],
        now_s: float,
    ) -> ManagerOutput:
        """Decisions that are new or due, and the status. `blocks`: why each may not move upward, or ""."""
        decisions = []
        for index, record in enumerate(records):
            decision = self._decide(record, problem, result, index, blocks[index], now_s)
            if decision is not None:
                decisions.append(decision)
        limits = self._limits(_pins(problem, result), result.clocks, board, now_s)
        dvfs = self._decide_clocks(limits, result, now_s)
        statuses = tuple(self._application(result, r, i) for i, r in enumerate(records))
        text = _summary(result, statuses, problem, board.models is not None, remarks)
        status = self._status(statuses, limits, result, board, remarks, text)
        return ManagerOutput(tuple(decisions), dvfs, status)

    def _decide(
        self,
        record: ApplicationRecord,
        problem: ArbiterInput,
        result: ArbiterResult,
        index: int,
        block: str,
        now_s: float,
    ) -> SubnetDecision | None:
        point = record.points[result.choices[index]]
        target = record.target_or_default(self._config)
        name = record.info.name
        last = self._issued.get(name)
        due = last is None or now_s - last.issued_s >= self._config.validity_ms / 3e3
        feasible = not result.violations[index] and not result.board_violations
        changed = last is None or _acts(last.decision) != _action(
            point, target, record.percentile(self._config), feasible
        )
        if last is not None and not due and not changed:
            return None
        same = last is not None and not changed and last.problem is problem and last.block == block
        why = last.why if last is not None and same else explain(problem, result, index, target, block)
        if last is not None and same:
            alternatives, frontier = last.decision.alternatives, last.frontier
        else:
            alternatives, frontier = _ranked(problem, result, index)
        self._sequence += 1
        decision = SubnetDecision(
            application=name,
            manager_id=self._id,
            sequence=self._sequence,
            validity_ms=self._config.validity_ms,
            subnet=point.subnet,
            placement=point.placement,
            element=point.element,
            threads=point.threads,
            target_latency_ms=target.latency_ms,
            percentile=record.percentile(self._config),
            min_accuracy=target.min_accuracy,
            predicted_latency_ms=result.latency_ms[index],
            predicted_energy_mj=result.energy_mj[index],
            predicted_accuracy=point.accuracy,
            feasible=feasible,
            alternatives=alternatives,
            reason=why.reason,
        )
        self._issued[name] = _Issued(decision, now_s, why, problem, block, frontier)
        return decision

    def _limits(
        self, pins: Mapping[str, bool], clocks: Mapping[str, float], board: BoardView, now_s: float
    ) -> tuple[ClockLimit, ...]:
        """One limit per domain in use, and the full range of those that were in use until lately."""
        limits = []
        for domain, pinned in pins.items():
            mhz = board.watch.request_mhz(domain, clocks[domain])
            limits.append(ClockLimit(domain, mhz if pinned else board.range_mhz(domain)[0], mhz))
            self._released_s.pop(domain, None)
        for limit in self._dvfs.limits if self._dvfs else ():
            if limit.domain not in pins:
                self._released_s.setdefault(limit.domain, now_s)
        for domain, since_s in list(self._released_s.items()):
            lowest_mhz, highest_mhz = board.range_mhz(domain)
            if now_s - since_s > self._config.validity_ms / 1e3 or math.isnan(highest_mhz):
                del self._released_s[domain]
            else:
                limits.append(ClockLimit(domain, lowest_mhz, highest_mhz))
        return tuple(limits)

    def _decide_clocks(
        self, limits: tuple[ClockLimit, ...], result: ArbiterResult | None, now_s: float
    ) -> DvfsDecision | None:
        if not limits:
            self._dvfs = None
            return None
        due = now_s - self._dvfs_s >= self._config.validity_ms / 3e3
        if self._dvfs is not None and self._dvfs.limits == limits and not due:
            return None
        self._sequence += 1
        self._dvfs_s = now_s
        self._dvfs = DvfsDecision(
            self._id,
            self._sequence,
            self._config.validity_ms,
            limits,
            result.power_w if result else math.nan,
            _clock_reason(limits, result),
        )
        return self._dvfs

    def _application(self, result: ArbiterResult, record: ApplicationRecord, index: int) -> ApplicationStatus:
        point, issued = record.points[result.choices[index]], self._issued[record.info.name]
        low, high = record.measured.tail_interval
        return ApplicationStatus(
            application=record.info.name,
            subnet=point.subnet,
            placement=point.placement,
            element=point.element,
            target=record.target_or_default(self._config),
            feasible=not result.violations[index] and not result.board_violations,
            binding_constraint=issued.why.binding,
            slowdown=record.measured.slowdown,
            slowdown_tail=record.measured.slowdown_tail,
            slowdown_tail_low=low,
            slowdown_tail_high=high,
            overhead_ms=record.measured.overhead_ms,
            period_ms=record.measured.period_ms,
            predicted_latency_ms=issued.decision.predicted_latency_ms,
            predicted_energy_mj=issued.decision.predicted_energy_mj,
            predicted_accuracy=point.accuracy,
            frontier=issued.frontier,
            reason=issued.why.reason,
        )

    def _status(
        self,
        statuses: tuple[ApplicationStatus, ...],
        clocks: tuple[ClockLimit, ...],
        result: ArbiterResult | None,
        board: BoardView,
        remarks: str,
        text: str,
    ) -> ManagerStatus:
        failing = [f"{s.application}:{s.binding_constraint}" for s in statuses if not s.feasible]
        board_violations = result.board_violations if result else ()
        return ManagerStatus(
            manager_id=self._id,
            dry_run=self._config.dry_run,
            feasible=not failing,
            binding_constraint=(*board_violations, *failing, "")[0],
            applications=statuses,
            clocks=clocks,
            predicted_power_w=result.power_w if result else math.nan,
            temperature_degc=board.temperature_degc(),
            predicted_temperature_degc=result.temperature_degc if result else math.nan,
            decisions_total=self._sequence,
            refused_targets_total=self._refused_targets,
            refused_applications_total=self._refused_applications,
            last_refusal=self._last_refusal,
            remarks=remarks,
            status=f"dry run, nothing obeys: {text}" if self._config.dry_run else text,
        )


def used_domains(problem: ArbiterInput, choices: tuple[int, ...]) -> frozenset[str]:
    """Clock domains that some decided point depends on."""
    points = (app.points[i] for app, i in zip(problem.applications, choices, strict=True))
    return frozenset(domain for point in points for domain in point.domains)


def _pins(problem: ArbiterInput, result: ArbiterResult) -> dict[str, bool]:
    """Domains in use, in the order of the tables; True: some application on it has a latency target.

    Inside a range the kernel's governor may settle below what the prediction assumes.
    """
    pinned: dict[str, bool] = {}
    for app, choice in zip(problem.applications, result.choices, strict=True):
        for domain in app.points[choice].domains:
            pinned[domain] = pinned.get(domain, False) or not math.isnan(app.latency_ms)
    return {domain: pinned[domain] for domain in result.clocks if domain in pinned}


def _ranked(
    problem: ArbiterInput, result: ArbiterResult, index: int
) -> tuple[tuple[SubnetAlternative, ...], tuple[SubnetAlternative, ...]]:
    """The alternatives of an application, and its frontier: what no faster point equals in merit."""
    app = problem.applications[index]
    clocks = {**problem.other_clocks, **result.clocks}
    full_mhz = {table.domain: table.full_mhz for table in problem.clocks}
    latencies_ms = [_latency_ms(app, point, clocks, full_mhz) for point in app.points]
    chosen = _alternatives(problem, result, index, latencies_ms)
    frontier = _front(latencies_ms, app.merits(), range(len(latencies_ms)))
    entries = {
        i: _alternative(problem, app, app.points[i], latencies_ms[i], clocks, full_mhz)
        for i in {*chosen, *frontier}
    }
    return tuple(entries[i] for i in chosen), tuple(entries[i] for i in frontier)


def _alternatives(
    problem: ArbiterInput, result: ArbiterResult, index: int, latencies_ms: Sequence[float]
) -> list[int]:
    """Where the reflex may go without asking, last resort first; the decided point is the last.

    Faster points of at most the decided merit: on the decided element with as many threads, each more
    accurate than the faster ones; before them those of elements that no application uses now.
    """
    app, merits = problem.applications[index], problem.applications[index].merits()
    decided = result.choices[index]
    taken = {a.points[i].element for a, i in zip(problem.applications, result.choices, strict=True)}
    faster = [
        i
        for i, latency_ms in enumerate(latencies_ms)
        if latency_ms < latencies_ms[decided] and merits[i] <= merits[decided]
    ]
    here = [i for i in faster if _same_place(app.points[i], app.points[decided])]
    away = [i for i in faster if app.points[i].element not in taken]
    return [*_front(latencies_ms, merits, away), *_front(latencies_ms, merits, here), decided]


def _same_place(a: OperatingPoint, b: OperatingPoint) -> bool:
    return (a.element, a.threads) == (b.element, b.threads)


def _front(latencies_ms: Sequence[float], merits: Sequence[float], candidates: Sequence[int]) -> list[int]:
    """Candidates that no faster one equals in merit, by rising latency and merit."""
    front: list[int] = []
    best = -math.inf
    for i in sorted(candidates, key=lambda i: (latencies_ms[i], -merits[i])):
        if merits[i] > best:
            front.append(i)
            best = merits[i]
    return front


def _latency_ms(
    app: ArbiterApplication,
    point: OperatingPoint,
    clocks: Mapping[str, float],
    full_mhz: Mapping[str, float],
) -> float:
    _, tail = app.slowdowns(point.element)
    return app.overhead_ms + tail * point.time_ms(clocks, full_mhz.get(point.clock_domain, math.nan))


def _alternative(
    problem: ArbiterInput,
    app: ArbiterApplication,
    point: OperatingPoint,
    latency_ms: float,
    clocks: Mapping[str, float],
    full_mhz: Mapping[str, float],
) -> SubnetAlternative:
    median, tail = app.slowdowns(point.element)
    highest_mhz, energy_mj = full_mhz.get(point.clock_domain, math.nan), math.nan
    if problem.power:
        energy_mj = problem.power.energy_mj(point, clocks, median, highest_mhz)
    where = (point.subnet, point.placement, point.element)
    return SubnetAlternative(*where, latency_ms, energy_mj, point.accuracy, tail)


def _action(
    point: OperatingPoint, target: QosTarget, percentile: float, feasible: bool
) -> tuple[object, ...]:
    """What a perception node acts on."""
    where = (point.subnet, point.placement, point.element, point.threads)
    return (*where, _known(target.latency_ms), percentile, _known(target.min_accuracy), feasible)


def _acts(decision: SubnetDecision) -> tuple[object, ...]:
    where = (decision.subnet, decision.placement, decision.element, decision.threads)
    limits = (_known(decision.target_latency_ms), decision.percentile, _known(decision.min_accuracy))
    return (*where, *limits, decision.feasible)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _clock_reason(limits: tuple[ClockLimit, ...], result: ArbiterResult | None) -> str:
    clocks = ", ".join(_limit_words(limit) for limit in limits)
    if result is None:
        return f"{clocks}: no application is left"
    what = "least power that meets every target" if result.feasible else "the closest to every target"
    return f"{clocks}: {what}"


def _limit_words(limit: ClockLimit) -> str:
    if limit.min_mhz == limit.max_mhz:
        return f"{limit.domain} at {limit.max_mhz:.0f} MHz"
    return f"{limit.domain} at {limit.min_mhz:.0f} to {limit.max_mhz:.0f} MHz"


def _bound_words(bound: Bound | None) -> str:
    """The first term in which a better choice may exist; accuracies, which count negatively, as they are."""
    if bound is None:
        return ""
    value, least = abs(bound.value), abs(bound.least)
    return f": {bound.term} {value:.4g} is chosen, {least:.4g} may be possible"


def _summary(
    result: ArbiterResult,
    statuses: tuple[ApplicationStatus, ...],
    problem: ArbiterInput,
    models: bool,
    remarks: str,
) -> str:
    failing = [f"{s.application}: {s.binding_constraint}" for s in statuses if not s.feasible]
    count = f"{len(statuses)} application{'s' if len(statuses) > 1 else ''}"
    parts = [
        f"{count}: not every target can be met ({', '.join(failing)})"
        if failing
        else f"{count}: every target is met"
    ]
    if not problem.clocks:
        parts.append("no clock control: sub-networks only")
    if not result.exact:
        parts.append(f"too many combinations for an exact choice in time{_bound_words(result.bound)}")
    if math.isfinite(problem.max_power_w) and not models:
        parts.append("no power model: the power budget is not checked")
    return "; ".join(filter(None, [*parts, remarks]))
