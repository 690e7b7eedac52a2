"""What power allows: the budget, the temperature limit, and the least excess where they cannot be kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dynofa_ros.manager.arbiter.choice import TOLERANCE, Choices, Question
from dynofa_ros.manager.arbiter.tables import BoolArray
from dynofa_ros.manager.models.power_model import FloatArray


@dataclass(frozen=True)
class Reach:
    """Power is the same for all choices behind terms 1 to 3: below `most_w`, or as little above as can be.

    Both terms grow with power alone, so the least power over all settings settles them.
    """

    question: Question
    limit_w: float
    """Power at which budget and temperature limit are just kept."""
    most_w: float
    """Power that keeps budget and temperature limit, or exceeds them as little as possible."""
    within: BoolArray
    """Settings at which it can be kept."""
    least_w: FloatArray | None
    """Least power of each application, shape (applications, settings); None where nothing limits power."""

    @classmethod
    def of(cls, question: Question) -> Reach:
        """Evaluate budget and heat."""
        limit_w = question.limit_w
        if limit_w == math.inf:
            everywhere = np.ones(question.layout.settings.count, dtype=bool)
            return cls(question, math.inf, math.inf, everywhere, None)
        least_w = question.least_power_w
        total_w = question.background_w + least_w.sum(axis=0)
        most_w = max(limit_w, float(total_w.min()))
        return cls(question, limit_w, most_w, total_w <= most_w + TOLERANCE, least_w)

    def allowed(self, choices: Choices) -> BoolArray:
        """Whether power can still be kept, open applications taking the least."""
        if self.least_w is None:
            return np.ones(len(choices), dtype=bool)
        total_w = self.question.background_w[choices.setting]
        for a in choices.apps:
            if a in choices.open_apps:
                total_w = total_w + self.least_w[a][choices.setting]
            else:
                total_w = total_w + self.question.tables.power_w[choices.entry[a]]
        return np.asarray(total_w <= self.most_w + TOLERANCE)

    def thrifty(self) -> Choices:
        """The choice of least power, which is always allowed."""
        question = self.question
        total_w = question.background_w + question.least_power_w.sum(axis=0)
        setting = np.array([int(total_w.argmin())])
        entries = []
        for a in range(len(question.problem.applications)):
            options = question.layout.entries(question.points_of(a), setting)
            entries.append(options[[question.tables.power_w[options].argmin()]])
        return Choices(question, setting, np.stack(entries))
