"""The HTML report."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from dynofa_ros.simulation.report import Check, ReportContext, render
from dynofa_ros.simulation.svg import Plot, nice_ceiling, nice_ticks, text_rows
from run_samples import make_run

VOID = {"meta", "link", "br", "img"}


class Balance(HTMLParser):
    """Checks that every element that is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.text = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page(*runs):
    context = ReportContext(
        "A <title>", "Introduction", (Check("on time", "99 %", True),), {"Machine": "test processor, 2 cores"}
    )
    return render(runs, context)


def test_the_report_is_well_formed_and_self_contained():
    html = page(make_run("managed"), make_run("unmanaged", late=True))
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert not re.search(r"https?://|<script|<link|@import|url\(", html)


def test_the_report_names_machine_board_and_emulation_on_every_plot():
    html = page(make_run("managed"), make_run("unmanaged"))
    assert "test processor, 2 cores" in html
    plots = html.count('role="img"')
    assert plots >= 10
    assert html.count("simulated board, emulated clocks") == plots


def test_every_frame_is_drawn_with_its_numbers():
    html = page(make_run())
    assert len(re.findall(r"<title>[\d.]+ s: [\d.]+ ms of", html)) == 60


def test_figures_of_all_tables_are_there():
    html = page(make_run("managed"), make_run("unmanaged", late=True))
    for text in (
        "never",
        "0 ms",
        "42.0 J",
        "cpu0 capped at 600 MHz",
        "lost in transport",
        "the clock is capped",
    ):
        assert text in html
    assert "the same again" not in html
    assert "&lt;most&gt;" in html


def test_a_run_without_board_labels_or_results_still_makes_a_report():
    bare = [dataclasses.replace(f, subnet="", label="", latency_ms=float("nan")) for f in make_run().frames]
    run = dataclasses.replace(
        make_run(), frames=tuple(bare), board=(), decisions=(), events=(), simulated=False
    )
    html = page(dataclasses.replace(run, emulated_clocks=False))
    assert "simulated board" not in html
    assert "Board power" not in html
    parser = Balance()
    parser.feed(html)


def test_nan_and_outliers_never_reach_the_drawing():
    run = make_run()
    far = dataclasses.replace(run.frames[3], latency_ms=1e9)
    html = page(dataclasses.replace(run, frames=(*run.frames[:3], far, *run.frames[4:])))
    assert not re.search(r'(?:d|cx|cy)="[^"]*(?:nan|inf)', html)


@pytest.mark.parametrize(("low", "high"), [(0, 7), (0, 1728), (41.2, 43.9), (0, 0.03), (5, 5)])
def test_ticks_are_inside_and_not_too_many(low, high):
    ticks = nice_ticks(low, high)
    assert 1 <= len(ticks) <= 12
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)


@pytest.mark.parametrize("value", [0.013, 1.0, 17.0, 99.0, 1728.0])
def test_a_nice_ceiling_is_above_and_near(value):
    assert value * 0.998 <= nice_ceiling(value) <= 2.1 * value


def test_event_labels_never_overlap():
    items = [(10.0 * i, f"label number {i}") for i in range(12)]
    placed = text_rows(items, 400.0)
    boxes = [(x, x + 5.9 * len(text), row) for (x, row), (_, text) in zip(placed, items, strict=True)]
    for i, (left, right, row) in enumerate(boxes):
        assert right <= 400.0
        assert all(other[2] != row or other[0] >= right or other[1] <= left for other in boxes[i + 1 :])


def test_missing_values_interrupt_a_line():
    plot = Plot((0.0, 4.0), (0.0, 1.0), "u")
    plot.line([(0, 0.1), (1, 0.2), (2, float("nan")), (3, 0.3), (4, 0.4)], "series")
    assert len(plot.elements) == 2
