from __future__ import annotations

import math

import numpy as np
import pytest

from dynofa_ros.engine.results import NonFiniteLogits, comparable_age_ms, top_scores


def test_scores_are_probabilities_best_first():
    scores = top_scores(np.array([1.0, 3.0, 2.0], np.float32), ("a", "b"), 3)
    assert [(score.id, score.label) for score in scores] == [("1", "b"), ("2", "2"), ("0", "a")]
    assert sum(score.score for score in scores) == pytest.approx(1.0)
    assert scores[0].score / scores[1].score == pytest.approx(math.e)


def test_huge_logits_do_not_overflow():
    scores = top_scores(np.array([1e30, -1e30], np.float32), (), 5)
    assert [score.score for score in scores] == [1.0, 0.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_class_is_made_of_infinities(bad):
    with pytest.raises(NonFiniteLogits, match="1 of 2"):
        top_scores(np.array([0.0, bad], np.float32), (), 1)


@pytest.mark.parametrize(
    ("age_ms", "want"),
    [(3.0, 3.0), (0.0, 0.0), (-4.0, 0.0), (10_000.0, 10_000.0)],
)
def test_plausible_ages_count(age_ms, want):
    assert comparable_age_ms(age_ms) == want


@pytest.mark.parametrize("age_ms", [-5.1, -3.6e6, 10_001.0, math.nan, math.inf])
def test_stamps_of_another_clock_do_not(age_ms):
    assert math.isnan(comparable_age_ms(age_ms))
