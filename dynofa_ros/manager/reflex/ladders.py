"""The ladders of one application: the front of its resident points, and what decisions allow of them."""

from __future__ import annotations

from collections.abc import Sequence

from dynofa_ros.errors import RefusedMessage
from dynofa_ros.manager.decision import SubnetDecision
from dynofa_ros.manager.operating_point import OperatingPoint, pareto_front
from dynofa_ros.manager.reflex.ladder import Ladder

LADDERS_KEPT = 256


class Ladders:
    """Makes ladders of resident points, and remembers them: decisions are renewed all the time."""

    def __init__(self, points: Sequence[OperatingPoint]) -> None:
        self.front = Ladder(pareto_front(list(points)))
        """Where there is no decision: points that no other beats in both accuracy and latency."""
        self._points = tuple(points)
        self._by_subnet: dict[str, list[OperatingPoint]] = {}
        for point in sorted(points, key=lambda point: point.latency_ms):
            self._by_subnet.setdefault(point.subnet, []).append(point)
        self._known: dict[tuple[object, ...], Ladder] = {}
        """By what was named."""
        self._lay_out()

    def decided(self, decision: SubnetDecision) -> Ladder:
        """The alternatives below the decided point, and that point; RefusedMessage where one is unknown."""
        named = (decision.subnet, decision.placement, decision.element, decision.threads)
        others = tuple([(a.subnet, a.placement, a.element) for a in decision.alternatives])
        ladder = self._known.get((named, others))
        if ladder is None:
            if len(self._known) >= LADDERS_KEPT:
                self._known.clear()
            ladder = self._known[named, others] = self._new(named, others)
        return ladder

    def resident(self, subnet: str, placement: str, element: str = "", threads: int = 0) -> OperatingPoint:
        """The fastest point that is named so, "" and 0 name any; RefusedMessage where there is none."""
        for point in self._by_subnet.get(subnet, ()):
            if (
                placement in ("", point.placement)
                and element in ("", point.element)
                and threads in (0, point.threads)
            ):
                return point
        raise RefusedMessage(self._not_resident(subnet, placement, element, threads))

    def _lay_out(self) -> None:
        """Make the ladders of decisions that name one point, so that the first of each is ready at once."""
        for p in self._points[: LADDERS_KEPT // 4]:
            for named in ((p.subnet, p.placement, p.element, p.threads), (p.subnet, "", p.element, 0)):
                self._known[named, ()] = self._new(named, ())

    def _new(self, named: tuple[str, str, str, int], others: tuple[tuple[str, str, str], ...]) -> Ladder:
        top = self.resident(*named)
        points = [self.resident(*other) for other in others]
        below = points[: points.index(top)] if top in points else []
        return Ladder([*below, top], top)

    def _not_resident(self, subnet: str, placement: str, element: str, threads: int) -> str:
        parts = [placement, element, f"{threads} threads" if threads else ""]
        where = ", ".join(part for part in parts if part)
        known = ", ".join(f"{p.subnet} on {p.placement or p.element}" for p in self._points)
        return f"sub-network {subnet!r}{f' on {where!r}' if where else ''} is not resident; resident: {known}"
