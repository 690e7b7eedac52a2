"""What a profile depends on: another processor, library, weights or placement has other latencies."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from dynofa_ros.engine.bank import SubnetBank


@dataclass(frozen=True)
class Fingerprint:
    """Everything that must be equal for a profile to hold."""

    cpu: str
    cores: int
    machine: str
    library: str
    element: str
    precision: str
    threads: int
    family: str
    weights_sha256: str
    members_sha256: str

    def differences(self, other: Fingerprint) -> list[str]:
        """Fields that differ, as "field: this value / other value"."""
        names = [field.name for field in fields(self)]
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in names]
        return [f"{name}: {mine!r} / {theirs!r}" for name, mine, theirs in pairs if mine != theirs]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits over all fields."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def __str__(self) -> str:
        placement = f"{self.library} {self.precision} x{self.threads}"
        return f"{self.cpu}, {self.cores} cores, {placement} #{self.digest}"


def machine_fingerprint(bank: SubnetBank, cpuinfo: Path = Path("/proc/cpuinfo")) -> Fingerprint:
    """The fingerprint of `bank` on this machine, with the cores that this process may use."""
    members = [repr(member.spec) for member in bank.family.members]
    return Fingerprint(
        cpu=cpu_model(cpuinfo),
        cores=len(os.sched_getaffinity(0)),
        machine=platform.machine(),
        library=bank.backend.version(),
        element=bank.backend.element,
        precision=bank.backend.precision,
        threads=bank.threads,
        family=bank.family.name,
        weights_sha256=bank.family.weights_sha256 or "random",
        members_sha256=hashlib.sha256("\n".join(members).encode()).hexdigest(),
    )


def cpu_model(cpuinfo: Path) -> str:
    """The processor's name; Arm boards state theirs in the device tree."""
    for file, marker in ((cpuinfo, "model name"), (Path("/proc/device-tree/model"), "")):
        try:
            lines = file.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith(marker):
                return line.partition(":")[2].strip() if marker else line.strip("\0 ")
    return platform.machine()
