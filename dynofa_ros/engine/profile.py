"""The profile: measured latency of each resident sub-network on one placement of one machine.

File format `dynofa/profile/1`, JSON:

    {schema, fingerprint: {...}, subnets: {name: {latency_ms, latency_p95_ms, n, preempted}}}
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dynofa_ros.engine.fingerprint import Fingerprint
from dynofa_ros.errors import ConfigError
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.supernet.family import Family

SCHEMA = "dynofa/profile/1"
MAX_FILE_BYTES = 1 << 24


@dataclass(frozen=True)
class SubnetTiming:
    """Median and 95th percentile of `n` inferences of one sub-network [ms].

    `preempted` inferences were disturbed by other programs while measuring.
    """

    latency_ms: float
    latency_p95_ms: float
    n: int
    preempted: int = 0


@dataclass(frozen=True)
class Profile:
    """Timings by sub-network, and what they hold for."""

    fingerprint: Fingerprint
    subnets: Mapping[str, SubnetTiming]

    @property
    def disturbed(self) -> tuple[str, ...]:
        """Sub-networks whose inferences were mostly preempted: measure again on an idle machine."""
        return tuple(name for name, timing in self.subnets.items() if timing.preempted > timing.n)

    def save(self, path: Path) -> None:
        """Write atomically: a reader sees the old file or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "schema": SCHEMA,
            "fingerprint": asdict(self.fingerprint),
            "subnets": {name: asdict(timing) for name, timing in self.subnets.items()},
        }
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps(document, indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path, expected: Fingerprint) -> Profile:
        """Read a profile that was measured for `expected`.

        Raises:
            ConfigError: unreadable, malformed, or measured for another machine or placement; then the
                message shows both fingerprints and their differences.
        """
        document = _read_json(path)
        schema = document.get("schema")
        _require(schema == SCHEMA, path, "schema", schema, f"must be {SCHEMA!r}")
        fingerprint = _fingerprint(path, document.get("fingerprint"))
        differences = fingerprint.differences(expected)
        if differences:
            raise ConfigError(
                path,
                "fingerprint",
                f"profile is of ({fingerprint}), here runs ({expected}); profile / here: "
                f"{'; '.join(differences)}. Measure here with: dynofa profile {expected.family}",
            )
        return cls(fingerprint, _timings(path, document.get("subnets")))


def _read_json(path: Path) -> dict[str, Any]:
    """The file's top-level object."""
    try:
        n_bytes = path.stat().st_size
        if n_bytes > MAX_FILE_BYTES:
            raise ConfigError(path, "", f"{n_bytes} bytes: a profile has at most {MAX_FILE_BYTES}")
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        raise ConfigError(path, "", f"cannot be read as a profile: {error}") from error
    _require(isinstance(document, dict), path, "", document, "must be a JSON object")
    return dict(document)


def _fingerprint(path: Path, value: object) -> Fingerprint:
    """The file's fingerprint, all fields present and of the right type."""
    if not isinstance(value, dict):
        raise ConfigError(path, "fingerprint", f"{value!r} must be an object")
    for field in fields(Fingerprint):
        kind = int if field.type == "int" else str
        found = value.get(field.name)
        where = f"fingerprint.{field.name}"
        _require(isinstance(found, kind), path, where, found, f"must be {kind.__name__}")
    return Fingerprint(**{field.name: value[field.name] for field in fields(Fingerprint)})


def _timings(path: Path, value: object) -> dict[str, SubnetTiming]:
    """The file's timings, all finite and positive."""
    if not isinstance(value, dict) or not value:
        raise ConfigError(path, "subnets", f"{value!r} must be an object with at least one sub-network")
    return {name: _timing(path, f"subnets.{name}", timing) for name, timing in value.items()}


def _timing(path: Path, where: str, value: object) -> SubnetTiming:
    if not isinstance(value, dict):
        raise ConfigError(path, where, f"{value!r} must be an object")
    latency_ms, p95_ms, n = (
        _positive(path, where, key, value) for key in ("latency_ms", "latency_p95_ms", "n")
    )
    preempted = value.get("preempted")
    if not isinstance(preempted, int) or preempted < 0:
        raise ConfigError(path, f"{where}.preempted", f"{preempted!r} must be a whole number >= 0")
    return SubnetTiming(latency_ms, p95_ms, int(n), preempted)


def _positive(path: Path, where: str, key: str, value: dict[str, object]) -> float:
    number = value.get(key)
    if not isinstance(number, (int, float)) or not math.isfinite(number) or number <= 0:
        raise ConfigError(path, f"{where}.{key}", f"{number!r} must be a number > 0")
    return float(number)


def _require(condition: bool, path: Path, field: str, value: object, rule: str) -> None:
    if not condition:
        raise ConfigError(path, field, f"{value!r:.200} {rule}")


def operating_points(
    family: Family,
    profile: Profile,
    clock_domain: str = "",
    clocked_fraction: float = 0.0,
    reference_mhz: float = math.nan,
) -> list[OperatingPoint]:
    """One operating point per profiled sub-network, by rising latency.

    `clock_domain` scales `clocked_fraction` of each latency from `reference_mhz` [MHz]. An accuracy is only
    attached where the family's own weights run.
    """
    fingerprint, points = profile.fingerprint, []
    for member in family.members:
        timing = profile.subnets.get(member.spec.name)
        if timing is None:
            continue
        accuracy = member.accuracy if family.has_weights else None
        points.append(
            OperatingPoint(
                subnet=member.spec.name,
                element=fingerprint.element,
                backend=fingerprint.library.split()[0],
                precision=fingerprint.precision,
                threads=fingerprint.threads,
                resolution=member.spec.resolution,
                macs=float(member.macs),
                accuracy=math.nan if accuracy is None else accuracy.value,
                accuracy_source="none" if accuracy is None else accuracy.source,
                latency_ms=timing.latency_ms,
                latency_p95_ms=timing.latency_p95_ms,
                clock_domain=clock_domain,
                clocked_fraction=clocked_fraction,
                reference_mhz=reference_mhz,
            )
        )
    return sorted(points, key=lambda point: point.latency_ms)
