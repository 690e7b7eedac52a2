"""Whether what a scenario tells can happen: names that exist, at the time when they do."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.errors import ConfigError, RefusedMessage
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.simulation.scenarios.changes import (
    CameraChange,
    Cap,
    Cores,
    CoRunner,
    Join,
    Leave,
    PowerBudget,
    PowerMode,
    QosChange,
    ScenarioApplication,
    ScenarioEvent,
)
from dynofa_ros.simulation.scenarios.files import family_file
from dynofa_ros.simulation.scenarios.lined_yaml import Section
from dynofa_ros.simulation.scenarios.targets import target_with


class Check:
    """Plays the events in order and refuses the first one that cannot happen then."""

    def __init__(self, spec: BoardSpec, file: Path) -> None:
        self._spec, self._file = spec, file
        self._present: dict[str, ScenarioApplication] = {}
        self._seen: dict[str, ScenarioApplication] = {}
        self._targets: dict[str, QosTarget] = {}
        self._budget_w = math.nan
        self._elements = {element.element: element for element in spec.power.elements}
        self._domains = {domain.name: domain for domain in spec.domains}

    def play(
        self,
        applications: list[tuple[ScenarioApplication, Section]],
        events: list[tuple[ScenarioEvent, Section]],
    ) -> None:
        """Applications there from the start, then events by time, each with its place in the file."""
        for application, section in applications:
            self._join(application, section)
        for event, section in events:
            self._event(event, section)

    def _event(self, event: ScenarioEvent, section: Section) -> None:
        change = event.change
        inner = _inner(section, event.kind)
        if isinstance(change, CoRunner):
            self._one_of(inner, "element", change.element, list(self._elements))
        elif isinstance(change, Cap):
            self._cap(change, inner)
        elif isinstance(change, Cores):
            self._cores(change, section)
        elif isinstance(change, PowerMode):
            require_mode(section, "power_mode", change.name, self._spec)
        elif isinstance(change, PowerBudget):
            self._budget(event, change, section)
        elif isinstance(change, Join):
            self._join(change.application, inner)
        elif isinstance(change, Leave):
            self._leave(change, inner)
        elif isinstance(change, QosChange | CameraChange):
            self._one_of(inner, "application", change.application, list(self._present))
            self._change(event, change, inner)

    def _cap(self, change: Cap, section: Section) -> None:
        self._one_of(section, "domain", change.domain, list(self._domains))
        lowest = self._domains[change.domain].available_mhz[0]
        if change.mhz < lowest:
            raise section.refusal("mhz", f"must be at least the lowest clock, {lowest:g} MHz")

    def _cores(self, change: Cores, section: Section) -> None:
        most = max((element.cores for element in self._elements.values()), default=0)
        if change.count > most:
            raise section.refusal("cores", f"must be at most the board's {most}")

    def _budget(self, event: ScenarioEvent, change: PowerBudget, section: Section) -> None:
        if event.ramp_s > 0.0 and (math.isnan(self._budget_w) or math.isnan(change.power_w)):
            raise section.refusal("ramp_s", "needs a budget before and after: set one first")
        self._budget_w = change.power_w

    def _join(self, application: ScenarioApplication, section: Section) -> None:
        if application.name in self._present:
            raise section.refusal("name", "is already there: use another name, or let it leave first")
        try:
            family_file(application.family, self._file)
        except ConfigError as error:
            raise section.refusal("family", f"cannot be used: {error}") from error
        self._placements(application, section)
        before = self._seen.setdefault(application.name, application)
        for key in ("family", "placements"):
            if getattr(application, key) != getattr(before, key):
                rule = f"must be {getattr(before, key)!r} as before, or the application needs another name"
                raise section.refusal(key, rule)
        self._present[application.name] = application
        self._targets[application.name] = application.qos

    def _placements(self, application: ScenarioApplication, section: Section) -> None:
        offered = list(dict.fromkeys(table.placement for table in self._spec.networks if table.families))
        if not any(application.runs_on(placement) for placement in offered):
            rule = f"matches nothing that the board runs; available: {', '.join(offered) or 'none'}"
            raise section.refusal("placements", rule)

    def _leave(self, change: Leave, section: Section) -> None:
        self._one_of(section, "application", change.application, list(self._present))
        del self._present[change.application]

    def _change(self, event: ScenarioEvent, change: QosChange | CameraChange, section: Section) -> None:
        name = change.application
        if isinstance(change, CameraChange):
            self._camera(name, change, section)
            return
        before = self._targets[name]
        try:
            self._targets[name] = target_with(before, dict(change.fields))
        except RefusedMessage as error:
            raise section.complaint("", str(error)) from error
        for field, value in change.fields:
            if event.ramp_s > 0.0 and (math.isnan(value) or math.isnan(getattr(before, field))):
                raise section.refusal(field, "cannot be ramped from or to null: remove ramp_s")

    def _camera(self, name: str, change: CameraChange, section: Section) -> None:
        before = self._present[name]
        period_ms = before.period_ms if math.isnan(change.period_ms) else change.period_ms
        jitter_ms = before.jitter_ms if math.isnan(change.jitter_ms) else change.jitter_ms
        if jitter_ms >= period_ms / 2.0:
            rule = f"jitter_ms {jitter_ms:g} must be less than half of period_ms {period_ms:g}: change one"
            raise section.complaint("", rule)
        self._present[name] = replace(before, period_ms=period_ms, jitter_ms=jitter_ms)

    @staticmethod
    def _one_of(section: Section, key: str, value: str, known: list[str]) -> None:
        if value not in known:
            raise section.refusal(key, f"must be one of {', '.join(known) or 'none: there is none then'}")


def _inner(section: Section, kind: str) -> Section:
    """The mapping of the kind, or the event itself where the kind has a plain value."""
    value = section.data[kind]
    return section.section(kind, tuple(value)) if isinstance(value, dict) else section


def require_mode(section: Section, key: str, mode: str, spec: BoardSpec) -> None:
    """Refuse a power mode that the board does not have."""
    known = [entry.name for entry in spec.power_modes]
    if mode not in known:
        raise section.refusal(key, f"must be one of the board's power modes {', '.join(known) or '(none)'}")
