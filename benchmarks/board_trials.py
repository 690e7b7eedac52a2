"""Runs of the simulated board that correspond to something measured on a real one."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace

from dynofa_ros.board.options import BoardOptions
from dynofa_ros.board.simulated import SimulatedBoard
from dynofa_ros.board.spec import BoardSpec, PowerMode
from dynofa_ros.board.workload import LatencyLaw
from dynofa_ros.manager.operating_point import OperatingPoint


@dataclass(frozen=True)
class Trial:
    """What a periodic run on the GPU led to."""

    power_w: float
    core_w: float
    gpu_mhz: dict[float, float]
    """Share of the frames that ended at each clock."""
    trace: list[tuple[float, float]]
    """Time [s] and GPU clock [MHz] after each frame."""


def pinned(spec: BoardSpec, emc_mhz: float) -> BoardSpec:
    """The board with its memory clock fixed, everything else uncapped."""
    return replace(spec, power_modes=(PowerMode("pinned", (("emc", emc_mhz),)),))


def periodic(
    spec: BoardSpec,
    point: OperatingPoint,
    period_ms: float,
    seconds: float,
    mode: str = "",
    governors: str | None = None,
    fixed_part_counts: bool = False,
) -> Trial:
    """Release a network every `period_ms`; a late frame starts at once and skips what it is too late for.

    `fixed_part_counts`: count the fixed part as busy GPU time too, as the kernel does not.
    """
    board = SimulatedBoard(spec, BoardOptions(power_mode=mode, governors=governors))
    law, period_s = LatencyLaw(spec), period_ms / 1e3
    now_s, released_s, trace = 0.0, 0.0, []
    while now_s < seconds:
        now_s = max(now_s, released_s)
        board.advance_to(now_s)
        now_s = _infer(board, law, point, now_s, fixed_part_counts)
        trace.append((now_s, board.mhz("gpu")))
        released_s += period_s
        while released_s + period_s <= now_s:
            released_s += period_s
    shares = {mhz: count / len(trace) for mhz, count in sorted(Counter(mhz for _, mhz in trace).items())}
    rails = [energy_j / board.now_s for energy_j in board.rail_energy_j()]
    return Trial(rails[0], rails[1], shares, trace)


def timed_events(spec: BoardSpec, point: OperatingPoint, rate_hz: float, seconds: float) -> tuple[float, int]:
    """Wall time of the board alone [s] under frames of 5 ms, and its events: inner ones, begins and ends."""
    share = LatencyLaw(spec).clocked_share(point, {"gpu": 612.0, "emc": 3199.0})
    moments = [frame / rate_hz for frame in range(round(seconds * rate_hz))]
    counted, inner = SimulatedBoard(spec), 0
    for begin_s in moments:
        for at_s, act in ((begin_s, counted.occupy), (begin_s + 0.005, counted.vacate)):
            while counted.next_event_s() <= at_s:
                counted.advance_to(counted.next_event_s())
                inner += 1
            counted.advance_to(at_s)
            act("gpu", "network", *((1.0, share) if act == counted.occupy else ()))
    board = SimulatedBoard(spec)
    started = time.perf_counter()
    for begin_s in moments:
        board.advance_to(begin_s)
        board.occupy("gpu", "network", 1.0, share)
        board.advance_to(begin_s + 0.005)
        board.vacate("gpu", "network")
    return time.perf_counter() - started, inner + 2 * len(moments)


def _infer(board: SimulatedBoard, law: LatencyLaw, point: OperatingPoint, now_s: float, whole: bool) -> float:
    """One inference with the clocks changing under it; when it ends [s]."""
    left = 1.0
    while left > 0.0:
        time_ms, clocked = law.parts(point, board.clocks())
        board.occupy("gpu", "network", 1.0, 1.0 if whole else clocked)
        end_s = now_s + left * time_ms / 1e3
        until_s = min(end_s, board.next_event_s())
        left = 0.0 if until_s == end_s else left - (until_s - now_s) / (time_ms / 1e3)
        board.advance_to(until_s)
        now_s = until_s
    board.vacate("gpu", "network")
    return now_s
