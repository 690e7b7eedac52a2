"""The profile: measured latency of every operating point of one family on one machine.

File format `dynofa/profile/2`, JSON, one file for all placements:

    {schema, fingerprint: {cpu, gpu, ..., libraries: {name: version}},
     points: [{subnet, placement, latency_ms, latency_p95_ms, latency_p99_ms, n, preempted, energy_mj,
               sweep}]}

`energy_mj` is null where the machine shows no power; `sweep`, see `profile_sweep`, is absent where only the
clocks that were found were measured.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from dynofa_ros.engine.fingerprint import Fingerprint
from dynofa_ros.engine.placement import Placement
from dynofa_ros.engine.profile_fields import positive, require
from dynofa_ros.engine.profile_sweep import ClockSweep, read_sweep, written
from dynofa_ros.engine.refinement import refined_ms
from dynofa_ros.errors import ConfigError, DynofaError
from dynofa_ros.manager.operating_point import PointKey

SCHEMA = "dynofa/profile/2"
MAX_FILE_BYTES = 1 << 24


@dataclass(frozen=True)
class PointTiming:
    """Median and tails of `n` inferences of one operating point [ms], and energy above idle [mJ].

    `preempted` inferences were disturbed by other programs while measuring. `sweep`: the median at other
    clocks, these values being those at its highest; None: the clocks were left as they were found.
    """

    latency_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    n: int
    preempted: int = 0
    energy_mj: float = math.nan
    sweep: ClockSweep | None = None


@dataclass(frozen=True)
class Profile:
    """Timings by operating point, and what they hold for."""

    fingerprint: Fingerprint
    points: Mapping[PointKey, PointTiming]

    @property
    def disturbed(self) -> tuple[PointKey, ...]:
        """Points whose inferences were mostly preempted: measure again on an idle machine."""
        return tuple(key for key, timing in self.points.items() if timing.preempted > timing.n)

    def only(self, keys: Iterable[PointKey]) -> Profile:
        """The profile of `keys` alone, those that it has."""
        return replace(self, points={key: self.points[key] for key in keys if key in self.points})

    def of_libraries(self, libraries: Mapping[str, str]) -> Profile:
        """Without the points of back ends that have another version here than when they were measured."""
        then = self.fingerprint.libraries
        changed = {name for name in then.keys() & libraries.keys() if then[name] != libraries[name]}
        return self.only(key for key in self.points if Placement.parse(key[1]).backend not in changed)

    def merged(self, newer: Profile) -> Profile:
        """Both, `newer` where both have a point or a library."""
        libraries = {**self.fingerprint.libraries, **newer.fingerprint.libraries}
        return Profile(replace(newer.fingerprint, libraries=libraries), {**self.points, **newer.points})

    def refined(self, least_median_ms: Mapping[PointKey, float]) -> Profile:
        """Lowered by what a running node measured, see `refinement`; unknown points are ignored."""
        points = dict(self.points)
        for key in points.keys() & least_median_ms.keys():
            latency_ms = refined_ms(points[key].latency_ms, least_median_ms[key])
            points[key] = replace(points[key], latency_ms=latency_ms)
        return replace(self, points=points)

    def save(self, path: Path) -> None:
        """Write atomically: a reader sees the old file or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        points = [
            {"subnet": subnet, "placement": placement, **_written(timing)}
            for (subnet, placement), timing in self.points.items()
        ]
        document = {"schema": SCHEMA, "fingerprint": asdict(self.fingerprint), "points": points}
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps(document, indent=1, allow_nan=False) + "\n")
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
            ConfigError: unreadable, malformed, of an older version, or measured for another machine; then
                the message shows both fingerprints and their differences.
        """
        document = _read_json(path)
        schema = document.get("schema")
        require(schema == SCHEMA, path, "schema", schema, f"is not {SCHEMA!r}. {_again(expected)}")
        fingerprint = _fingerprint(path, document.get("fingerprint"))
        check_fingerprint(path, fingerprint, expected)
        return cls(fingerprint, _points(path, document.get("points")))


def check_fingerprint(path: Path, found: Fingerprint, expected: Fingerprint) -> None:
    """Raise ConfigError with both fingerprints where the profile in `path` does not hold here."""
    differences = found.differences(expected)
    if differences:
        raise ConfigError(
            path,
            "fingerprint",
            f"profile is of ({found}), here runs ({expected}); profile / here: "
            f"{'; '.join(differences)}. {_again(expected)}",
        )


def _again(expected: Fingerprint) -> str:
    return f"Measure here with: dynofa profile {expected.family}"


def _written(timing: PointTiming) -> dict[str, Any]:
    """Values as JSON has them: null for NaN."""
    values = asdict(replace(timing, sweep=None))
    del values["sweep"]
    values = {name: None if math.isnan(value) else value for name, value in values.items()}
    return values if timing.sweep is None else {**values, "sweep": written(timing.sweep)}


def _read_json(path: Path) -> dict[str, Any]:
    """The file's top-level object."""
    try:
        n_bytes = path.stat().st_size
        if n_bytes > MAX_FILE_BYTES:
            raise ConfigError(path, "", f"{n_bytes} bytes: a profile has at most {MAX_FILE_BYTES}")
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        raise ConfigError(path, "", f"cannot be read as a profile: {error}") from error
    require(isinstance(document, dict), path, "", document, "must be a JSON object")
    return dict(document)


def _fingerprint(path: Path, value: object) -> Fingerprint:
    """The file's fingerprint, all fields present and of the right type."""
    if not isinstance(value, dict):
        raise ConfigError(path, "fingerprint", f"{value!r:.200} must be an object")
    kinds = {"cores": int, "libraries": dict}
    for field in fields(Fingerprint):
        kind = kinds.get(field.name, str)
        found = value.get(field.name)
        where = f"fingerprint.{field.name}"
        require(isinstance(found, kind), path, where, found, f"must be {kind.__name__}")
    libraries = value["libraries"]
    texts = all(isinstance(version, str) for version in libraries.values())
    require(texts, path, "fingerprint.libraries", libraries, "must map names to versions")
    return Fingerprint(**{field.name: value[field.name] for field in fields(Fingerprint)})


def _points(path: Path, value: object) -> dict[PointKey, PointTiming]:
    """The file's timings, all finite and positive, each point once."""
    if not isinstance(value, list) or not value:
        raise ConfigError(path, "points", f"{value!r:.200} must be a list of at least one operating point")
    points: dict[PointKey, PointTiming] = {}
    for index, item in enumerate(value):
        where = f"points[{index}]"
        require(isinstance(item, dict), path, where, item, "must be an object")
        key = _key(path, where, item)
        require(key not in points, path, where, key, "appears twice")
        points[key] = _timing(path, where, item)
    return points


def _key(path: Path, where: str, item: dict[str, Any]) -> PointKey:
    subnet, placement = item.get("subnet"), item.get("placement")
    if not isinstance(subnet, str) or not subnet:
        raise ConfigError(path, f"{where}.subnet", f"{subnet!r:.200} must be a name")
    try:
        return (subnet, str(Placement.parse(str(placement))))
    except DynofaError as error:
        raise ConfigError(path, f"{where}.placement", str(error)) from error


def _timing(path: Path, where: str, item: dict[str, Any]) -> PointTiming:
    names = ("latency_ms", "latency_p95_ms", "latency_p99_ms", "n")
    latency_ms, p95_ms, p99_ms, n = (positive(path, where, name, item) for name in names)
    preempted = item.get("preempted")
    if not isinstance(preempted, int) or preempted < 0:
        raise ConfigError(path, f"{where}.preempted", f"{preempted!r} must be a whole number >= 0")
    unknown = item.get("energy_mj") is None
    energy_mj = math.nan if unknown else positive(path, where, "energy_mj", item)
    sweep = read_sweep(path, f"{where}.sweep", item.get("sweep"))
    return PointTiming(latency_ms, p95_ms, p99_ms, int(n), preempted, energy_mj, sweep)
