"""What a profile depends on: another machine, other cores, weights or libraries have other latencies."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from dynofa_ros.engine.placement import format_cores, usable_cores
from dynofa_ros.supernet.family import Family


@dataclass(frozen=True)
class Fingerprint:
    """Everything that must be equal for a profile to hold.

    Of `libraries` (version by back end) those must be equal that both sides have: a profile may hold
    placements of back ends that are not installed any more, and lack those of new ones.
    """

    cpu: str
    gpu: str
    machine: str
    cores: int
    affinity: str
    family: str
    weights_sha256: str
    members_sha256: str
    libraries: Mapping[str, str] = field(default_factory=dict)

    def differences(self, other: Fingerprint) -> list[str]:
        """Fields that differ, as "field: this value / other value"."""
        names = [item.name for item in fields(self) if item.name != "libraries"]
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in names]
        common = self.libraries.keys() & other.libraries.keys()
        pairs += [(f"library {name}", self.libraries[name], other.libraries[name]) for name in sorted(common)]
        return [f"{name}: {mine!r} / {theirs!r}" for name, mine, theirs in pairs if mine != theirs]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits over all fields but the libraries."""
        content = {name: value for name, value in asdict(self).items() if name != "libraries"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        gpu = f", {self.gpu}" if self.gpu else ""
        libraries = ", ".join(self.libraries[name] for name in sorted(self.libraries)) or "no library"
        machine = f"{self.cpu}{gpu}, {self.cores} cores ({self.affinity})"
        return f"{machine}, {libraries}, family {self.family} #{self.digest}"


def machine_fingerprint(family: Family, libraries: Mapping[str, str], root: Path = Path("/")) -> Fingerprint:
    """The fingerprint of `family` on this machine, with the cores that this process may use.

    `root` is where /proc is looked for.
    """
    cores = usable_cores()
    members = [repr(member.spec) for member in family.members]
    return Fingerprint(
        cpu=cpu_model(root),
        gpu=gpu_model(root),
        machine=platform.machine(),
        cores=len(cores),
        affinity=format_cores(cores),
        family=family.name,
        weights_sha256=family.weights_sha256 or "random",
        members_sha256=hashlib.sha256("\n".join(members).encode()).hexdigest(),
        libraries=dict(libraries),
    )


def cpu_model(root: Path) -> str:
    """The processor's name; Arm boards state theirs in the device tree."""
    named = _after(root / "proc/cpuinfo", "model name")
    return named or _text(root / "proc/device-tree/model").strip("\0 \n") or platform.machine()


def gpu_model(root: Path) -> str:
    """Names of the NVIDIA GPUs that the driver lists; "" where there is none."""
    files = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    return ", ".join(_after(file, "Model:") for file in files)


def _after(file: Path, marker: str) -> str:
    """What follows the first colon of the first line that starts with `marker`."""
    lines = (line for line in _text(file).splitlines() if line.startswith(marker))
    return next(lines, "").partition(":")[2].strip()


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
