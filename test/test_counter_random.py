from __future__ import annotations

from statistics import fmean, pstdev

import pytest

from dynofa_ros.board.counter_random import normal, uniform


def test_a_draw_depends_on_seed_stream_and_index_only():
    assert uniform(1, "gpu", 5) == uniform(1, "gpu", 5)
    assert len({uniform(1, "gpu", 5), uniform(2, "gpu", 5), uniform(1, "cpu0", 5), uniform(1, "gpu", 6)}) == 4


def test_distributions():
    flat = [uniform(7, "a", index) for index in range(20_000)]
    assert 0.0 < min(flat) < max(flat) < 1.0
    assert fmean(flat) == pytest.approx(0.5, abs=0.01)
    bell = [normal(7, "a", index) for index in range(20_000)]
    assert (fmean(bell), pstdev(bell)) == (pytest.approx(0.0, abs=0.03), pytest.approx(1.0, abs=0.03))


def test_neighbouring_draws_are_unrelated():
    draws = [uniform(3, "a", index) - 0.5 for index in range(20_000)]
    correlation = fmean(a * b for a, b in zip(draws, draws[1:], strict=False)) * 12.0
    assert correlation == pytest.approx(0.0, abs=0.03)


def test_negative_and_huge_seeds_are_fine():
    assert 0.0 < uniform(-1, "a", 0) < 1.0
    assert 0.0 < uniform(1 << 80, "a", 1 << 70) < 1.0
