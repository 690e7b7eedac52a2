"""From a recorded bag to a `Run`: results match frames by image stamp, targets by time of release."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynofa_ros.simulation.bag import BagMessage, BagReader
from dynofa_ros.simulation.records import NAN, Accounting, BoardSample, Decision, Event, Frame, Run

EVENTS_TOPIC = "scenario_events"
START, END = "start", "end"


def stamp_ns(stamp: Any) -> int:
    """Return a builtin_interfaces/Time in nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


@dataclass
class _Collected:
    """Messages of a bag, sorted by what they say."""

    truths: dict[tuple[str, int], str] = field(default_factory=dict)  # (application, stamp) -> label
    results: dict[tuple[str, int], Any] = field(default_factory=dict)
    last_stats: dict[str, Any] = field(default_factory=dict)
    boards: list[tuple[int, Any]] = field(default_factory=list)
    subnet_decisions: list[tuple[int, Any]] = field(default_factory=list)
    dvfs_decisions: list[tuple[int, Any]] = field(default_factory=list)
    targets: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    events: list[tuple[int, str, str, str]] = field(default_factory=list)  # ns, kind, label, application
    points: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, item: BagMessage) -> None:
        """Sort in one message; types that say nothing about a run are passed over."""
        handler = _HANDLERS.get(item.type_name)
        if handler is not None:
            handler(self, item)


def _add_truth(into: _Collected, item: BagMessage) -> None:
    message = item.message
    into.truths[(message.application, stamp_ns(message.header.stamp))] = message.label


def _add_result(into: _Collected, item: BagMessage) -> None:
    into.results[(item.message.application, stamp_ns(item.message.header.stamp))] = item.message


def _add_stats(into: _Collected, item: BagMessage) -> None:
    into.last_stats[item.message.application] = item.message


def _add_board(into: _Collected, item: BagMessage) -> None:
    into.boards.append((stamp_ns(item.message.stamp), item.message))


def _add_subnet_decision(into: _Collected, item: BagMessage) -> None:
    into.subnet_decisions.append((stamp_ns(item.message.stamp), item.message))


def _add_dvfs_decision(into: _Collected, item: BagMessage) -> None:
    into.dvfs_decisions.append((stamp_ns(item.message.stamp), item.message))


def _add_target(into: _Collected, item: BagMessage) -> None:
    message = item.message
    into.targets[message.application].append((stamp_ns(message.stamp), float(message.latency_ms)))


def _add_application(into: _Collected, item: BagMessage) -> None:
    names = dict.fromkeys(point.subnet for point in item.message.operating_points)
    into.points[item.message.name] = tuple(names)


def _add_diagnostics(into: _Collected, item: BagMessage) -> None:
    if not item.topic.endswith(EVENTS_TOPIC):
        return
    for status in item.message.status:
        values = {pair.key: pair.value for pair in status.values}
        into.events.append(
            (
                stamp_ns(item.message.header.stamp),
                values.get("kind", ""),
                status.message,
                values.get("application", ""),
            )
        )


_HANDLERS = {
    "dynofa_ros/msg/GroundTruth": _add_truth,
    "dynofa_ros/msg/Classification": _add_result,
    "dynofa_ros/msg/InferenceStats": _add_stats,
    "dynofa_ros/msg/BoardState": _add_board,
    "dynofa_ros/msg/SubnetDecision": _add_subnet_decision,
    "dynofa_ros/msg/DvfsDecision": _add_dvfs_decision,
    "dynofa_ros/msg/QosTarget": _add_target,
    "dynofa_ros/msg/Application": _add_application,
    "diagnostic_msgs/msg/DiagnosticArray": _add_diagnostics,
}


def read_run(path: Path, name: str) -> Run:
    """Return the run that a bag recorded.

    The scenario's start and end come from the events topic; without them from the first and last frame.
    """
    found = _Collected()
    with BagReader(path) as bag:
        for item in bag.messages():
            found.add(item)
    begin_ns, end_ns = _span(found)
    boards = [message for _, message in found.boards]
    return Run(
        name=name,
        duration_s=(end_ns - begin_ns) / 1e9,
        frames=_frames(found, begin_ns, end_ns),
        events=_events(found, begin_ns),
        board=tuple(board_sample((ns - begin_ns) / 1e9, message) for ns, message in found.boards),
        decisions=_decisions(found, begin_ns),
        accounting=_accounting(found),
        targets={
            app: tuple(((ns - begin_ns) / 1e9, ms) for ns, ms in items)
            for app, items in found.targets.items()
        },
        subnets=max(found.points.values(), key=len, default=()),
        switches={app: int(stats.switches_total) for app, stats in found.last_stats.items()},
        board_name=boards[-1].board if boards else "",
        simulated=any(message.simulated for message in boards),
        emulated_clocks=any(message.emulated_clocks for message in found.results.values()),
    )


def _span(found: _Collected) -> tuple[int, int]:
    starts = [ns for ns, kind, _, _ in found.events if kind == START]
    ends = [ns for ns, kind, _, _ in found.events if kind == END]
    stamps = [stamp for _, stamp in (*found.truths, *found.results)]
    begin = starts[0] if starts else min(stamps, default=0)
    return begin, ends[-1] if ends else max(stamps, default=begin)


def _events(found: _Collected, begin_ns: int) -> tuple[Event, ...]:
    return tuple(
        Event((ns - begin_ns) / 1e9, kind, label, application)
        for ns, kind, label, application in sorted(found.events)
        if kind not in (START, END)
    )


def _frames(found: _Collected, begin_ns: int, end_ns: int) -> tuple[Frame, ...]:
    keys = sorted({*found.truths, *found.results}, key=lambda key: (key[1], key[0]))
    return tuple(_frame(found, key, begin_ns) for key in keys if begin_ns <= key[1] < end_ns)


def _frame(found: _Collected, key: tuple[str, int], begin_ns: int) -> Frame:
    application, ns = key
    target_ms = _target_at(found.targets.get(application, []), ns)
    label = found.truths.get(key, "")
    t_s = (ns - begin_ns) / 1e9
    result = found.results.get(key)
    if result is None:
        return Frame(application, ns, t_s, target_ms, label=label)
    return Frame(
        application=application,
        stamp_ns=ns,
        t_s=t_s,
        target_ms=target_ms,
        latency_ms=float(result.latency_ms),
        inference_ms=float(result.inference_ms),
        subnet=result.subnet,
        label=label,
        predicted=result.results[0].label if len(result.results) else "",
        stretch=float(result.stretch),
    )


def _target_at(targets: list[tuple[int, float]], ns: int) -> float:
    index = bisect_right([stamp for stamp, _ in targets], ns) - 1
    return targets[index][1] if index >= 0 else NAN


def board_sample(t_s: float, message: Any) -> BoardSample:
    """Return a BoardState message as plain data; the limit of a domain is the lower of own limit and cap."""
    domains = message.clock_domains
    return BoardSample(
        t_s=t_s,
        power_w=float(message.power_w),
        clocks_mhz={d.name: float(d.current_mhz) for d in domains},
        limits_mhz={d.name: _lower(float(d.max_mhz), float(d.cap_mhz)) for d in domains},
        temperatures_degc={z.name: float(z.temperature_degc) for z in message.zones},
        loads={e.name: float(e.load) for e in message.elements},
        throttling=bool(message.throttling),
    )


def _lower(limit: float, cap: float) -> float:
    known = [value for value in (limit, cap) if value == value]
    return min(known, default=NAN)


def _decisions(found: _Collected, begin_ns: int) -> tuple[Decision, ...]:
    subnets = [
        Decision(
            t_s=(ns - begin_ns) / 1e9,
            application=m.application,
            choice=m.subnet,
            predicted_latency_ms=float(m.predicted_latency_ms),
            target_ms=float(m.target_latency_ms),
            feasible=bool(m.feasible),
            reason=m.reason,
        )
        for ns, m in found.subnet_decisions
    ]
    clocks = [
        Decision((ns - begin_ns) / 1e9, "", clock_words(m.limits), NAN, NAN, True, m.reason)
        for ns, m in found.dvfs_decisions
    ]
    return tuple(sorted(subnets + clocks, key=lambda decision: decision.t_s))


def clock_words(limits: Any) -> str:
    """Return clock limits in words, e.g. "cpu0 <= 960 MHz"."""
    return ", ".join(f"{limit.domain} <= {limit.max_mhz:.0f} MHz" for limit in limits)


def _accounting(found: _Collected) -> tuple[Accounting, ...]:
    return tuple(
        Accounting(
            application=app,
            sent=sum(1 for application, _ in {*found.truths, *found.results} if application == app),
            received=int(stats.received_total),
            inferred=int(stats.inferred_total),
            dropped={drop.reason: int(drop.count) for drop in stats.drops},
            recorded_results=sum(1 for application, _ in found.results if application == app),
        )
        for app, stats in sorted(found.last_stats.items())
    )
