"""The live view of the demonstration."""

from __future__ import annotations

import io
import math
import threading

from rich.console import Console

from dynofa_ros.demo.live_state import BoardView, LiveState, Result
from dynofa_ros.demo.live_view import headless_line, sparkline, view


def filled_state():
    live = LiveState()
    live.update("front", target_ms=12.0, received=40, inferred=39, slowdown=1.25, reason="fits 12.0 ms")
    for stamp in range(40):
        live.add_label("front", stamp, "3")
        latency_ms = 30.0 if stamp % 10 == 9 else 8.0
        live.add_result("front", stamp, Result(latency_ms, 12.0, "d3e4", None), "3" if stamp % 2 else "5")
    live.set_board(BoardView("jetson_orin_nano_super", True, 6.5, 48.5, {"cpu0": (960.0, 1728.0)}))
    live.say("event    front: 12.0 ms")
    return live


def drawn(snapshot, width=110):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(view(snapshot, "dynofa demo", 4.2, 30.0, "co-runner in 3 s"))
    return console.file.getvalue()


def test_the_view_shows_everything_that_it_promises():
    text = drawn(filled_state().snapshot())
    for part in ("front", "12.0 ms", "d3e4", "50 %", "90 %", "960 MHz", "6.50 W", "48.5 °C", "39/40", "1.25"):
        assert part in text
    for part in ("simulated, emulated clocks", "fits 12.0 ms", "event    front", "next: co-runner in 3 s"):
        assert part in text


def test_the_view_bears_having_nothing_to_show():
    assert "no board yet" in drawn(LiveState().snapshot())
    assert "–" in headless_line(LiveState().snapshot(), 0.0)


def test_one_line_says_emulated_clocks():
    line = headless_line(filled_state().snapshot(), 4.2)
    assert line.startswith("  4.2 s | front: 30.0 of 12.0 ms")
    assert "emulated clocks" in line


def test_late_results_are_red_and_higher():
    text = sparkline([Result(5.0, 10.0, "a", None), Result(30.0, 10.0, "a", None)])
    assert [span.style for span in text.spans] == ["green", "red"]
    assert text.plain[0] < text.plain[1]


def test_a_result_without_label_counts_for_time_only():
    live = LiveState()
    live.add_result("front", 1, Result(5.0, math.nan, "a", None), "3")
    app = live.snapshot().applications["front"]
    assert app.on_time == 1.0
    assert math.isnan(app.accuracy)


def test_values_may_come_from_several_threads():
    live = LiveState()

    def feed(name):
        for stamp in range(200):
            live.add_label(name, stamp, "1")
            live.add_result(name, stamp, Result(1.0, 2.0, "a", None), "1")

    threads = [threading.Thread(target=feed, args=(name,)) for name in ("front", "rear")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert live.results_total == {"front": 200, "rear": 200}
    assert all(app.accuracy == 1.0 for app in live.snapshot().applications.values())


def test_the_log_starts_anew_and_tells_the_time_once_the_scenario_has_begun():
    live = LiveState()
    live.say("before")
    live.begin()
    live.say("after")
    (line,) = live.snapshot().log
    assert line.split()[1:] == ["s", "after"]
