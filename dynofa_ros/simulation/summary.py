"""The figures of one run as a JSON-ready dictionary, and ros2_benchmark's keys beside them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dynofa_ros.simulation import metrics
from dynofa_ros.simulation.records import Accounting, Frame, Run

Figures = dict[str, Any]
JOIN_S = 2.0  # an application whose first frame comes within this time after an event is judged by it


def summarise(run: Run) -> Figures:
    """Return every metric of a run, overall, per application and per event. None: not measured."""
    return {
        "duration_s": run.duration_s,
        "board": run.board_name,
        "simulated_board": run.simulated,
        "emulated_clocks": run.emulated_clocks,
        **_frame_figures(run, run.frames),
        "switches": sum(metrics.switches(run.of(app)) for app in run.applications),
        "subnets_used": sorted({f.subnet for f in run.frames if f.inferred}),
        **_board_figures(run),
        "applications": {app: _application(run, app) for app in run.applications},
        "events": event_table(run),
        "accounting": {a.application: accounting_figures(a) for a in run.accounting},
    }


def _frame_figures(run: Run, frames: tuple[Frame, ...]) -> Figures:
    calm = metrics.outside_guard(frames, run.events)
    return {
        "frames_released": len(frames),
        "frames_inferred": sum(f.inferred for f in frames),
        "latency_ms": metrics.latency_percentiles(frames),
        "miss_rate": metrics.miss_rate(frames),
        "on_time_rate": metrics.on_time_rate(frames),
        "on_time_rate_outside_guard": metrics.on_time_rate(calm),
        "frames_outside_guard": len(calm),
        "guard_s": metrics.GUARD_S,
        "mean_accuracy": metrics.accuracy(frames),
        "on_time_accuracy": metrics.on_time_accuracy(frames),
    }


def _application(run: Run, application: str) -> Figures:
    frames = run.of(application)
    return {
        **_frame_figures(run, frames),
        "longest_miss_burst": metrics.longest_miss_burst(frames),
        "p_miss_given_miss": metrics.miss_given_miss(frames),
        "switches": metrics.switches(frames),
        "frames_per_subnet": metrics.frames_per_subnet(frames),
        "ros2_benchmark": ros2_benchmark(frames),
    }


def _board_figures(run: Run) -> Figures:
    energy = metrics.energy_j(run.board, run.duration_s)
    inferred = sum(f.inferred for f in run.frames)
    return {
        "energy_j": energy,
        "mean_power_w": None if energy is None else energy / run.duration_s,
        "energy_mj_per_frame": None if energy is None or not inferred else 1000.0 * energy / inferred,
        "peak_degc": metrics.peak_degc(run.board),
        "clock_changes": metrics.clock_changes(run.board),
        "throttled_samples": sum(s.throttling for s in run.board),
    }


def event_table(run: Run) -> list[Figures]:
    """Return per event its time, label and the recovery time [ms] of each application there."""
    return [
        {
            "t_s": event.t_s,
            "kind": event.kind,
            "label": event.label,
            "recovery_ms": {
                app: metrics.recovery_ms(run.of(app), event.t_s)
                for app in run.applications
                if _present(run.of(app), event.t_s)
            },
        }
        for event in run.events
    ]


def _present(frames: tuple[Frame, ...], t_s: float) -> bool:
    """Whether the application had begun by then, or was about to, and had not ended."""
    return bool(frames) and frames[0].t_s <= t_s + JOIN_S and frames[-1].t_s >= t_s


def accounting_figures(account: Accounting) -> Figures:
    """Return the whereabouts of every frame of one application."""
    return {
        "sent": account.sent,
        "received": account.received,
        "lost_in_transport": account.lost,
        "inferred": account.inferred,
        "dropped": dict(account.dropped),
        "in_flight": account.in_flight,
        "results_recorded": account.recorded_results,
        "complete": account.complete,
    }


def ros2_benchmark(frames: tuple[Frame, ...]) -> Figures:
    """Return the figures under the keys of ros2_benchmark [ms, Hz]; {} with fewer than two results."""
    done = [f for f in frames if f.inferred]
    if len(done) < 2:
        return {}
    latency = np.array([f.latency_ms for f in done])
    received = np.array([f.t_s * 1000.0 + f.latency_ms for f in done])
    jitter = np.abs(np.diff(np.diff(received))) if len(done) > 2 else np.zeros(1)
    released_s = frames[-1].t_s - frames[0].t_s
    duration = float(received[-1] - received[0])
    return {
        "RECEIVED_DURATION": duration,
        "MEAN_PLAYBACK_FRAME_RATE": (len(frames) - 1) / released_s if released_s > 0 else None,
        "MEAN_FRAME_RATE": 1000.0 * (len(done) - 1) / duration if duration > 0 else None,
        "NUM_FRAMES_SENT": len(frames),
        "NUM_MISSED_FRAMES": len(frames) - len(done),
        "FIRST_SENT_RECEIVED_LATENCY": float(latency[0]),
        "LAST_SENT_RECEIVED_LATENCY": float(latency[-1]),
        "MAX_LATENCY": float(latency.max()),
        "MIN_LATENCY": float(latency.min()),
        "MEAN_LATENCY": float(latency.mean()),
        "MAX_JITTER": float(jitter.max()),
        "MIN_JITTER": float(jitter.min()),
        "MEAN_JITTER": float(jitter.mean()),
        "STD_DEV_JITTER": float(jitter.std()),
    }


def json_ready(value: Any) -> Any:
    """Return `value` with NaN and infinity as None, numpy scalars as Python numbers, tuples as lists."""
    if isinstance(value, dict):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
