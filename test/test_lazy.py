"""Attributes that are worked out once."""

from __future__ import annotations

from dataclasses import dataclass

from dynofa_ros.manager.lazy import lazy


@dataclass(frozen=True)
class Square:
    side: float
    asked: list[float]

    @lazy
    def area(self) -> float:
        """Side squared."""
        self.asked.append(self.side)
        return self.side**2


def test_it_is_worked_out_once_per_object_and_not_before_it_is_asked_for():
    asked = []
    small, large = Square(2.0, asked), Square(3.0, asked)
    assert asked == []
    assert [small.area, small.area, large.area, small.area] == [4.0, 4.0, 9.0, 4.0]
    assert asked == [2.0, 3.0]


def test_the_class_keeps_its_description():
    assert Square.area.__doc__ == "Side squared."
