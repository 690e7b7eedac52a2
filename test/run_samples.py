"""Made-up runs for tests of summary and report."""

from __future__ import annotations

from dynofa_ros.simulation.records import Accounting, BoardSample, Decision, Event, Frame, Run

NAMES = ("small", "middle", "large")


def make_run(name="managed", seconds=6.0, late=False):
    events = (Event(0.0, "qos", "front: 20 ms", "front"), Event(3.0, "cap", "cpu0 capped at 600 MHz"))
    frames = tuple(
        Frame(
            "front", i * 100_000_000, i * 0.1, 20.0, 25.0 if late and i > 30 else 10.0 + i % 5, 8.0,
            NAMES[i % 3], "3", "3" if i % 10 else "5", 1.5,
        )
        for i in range(int(seconds * 10))
    )  # fmt: skip
    board = tuple(
        BoardSample(
            0.2 * i, 7.0, {"cpu0": 1728.0 if i < 15 else 600.0}, {"cpu0": 1728.0}, {"cpu": 45.0 + 0.01 * i}
        )
        for i in range(int(seconds * 5))
    )
    decisions = (
        Decision(0.1, "front", "large", 15.0, 20.0, True, "the <most> accurate that fits"),
        Decision(0.2, "front", "large", 15.0, 20.0, True, "the same again"),
        Decision(3.1, "front", "small", 12.0, 20.0, False, "the clock is capped"),
    )
    account = Accounting("front", len(frames), len(frames), len(frames), {}, len(frames))
    targets = {"front": ((0.0, 20.0),)}
    return Run(
        name, seconds, frames, events, board, decisions, (account,), targets, NAMES, {"front": 59},
        "jetson_orin_nano_super", True, True,
    )  # fmt: skip
