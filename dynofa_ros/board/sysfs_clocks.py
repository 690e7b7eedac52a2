"""Clock domains from cpufreq and devfreq."""

from __future__ import annotations

import math
import re
from pathlib import Path

from dynofa_ros.board.state import ClockDomain
from dynofa_ros.board.sysfs import folders, read_number, read_numbers, read_text

KHZ, HZ = 1e-3, 1e-6
GPU_NAME = re.compile(r"gpu|gv11b|ga10b|gp10b|gm20b|mali|panfrost")
EMC_NAME = re.compile(r"emc|dmc|actmon")


def cpu_domains(root: Path) -> list[ClockDomain]:
    """One domain per cpufreq policy, named after its first CPU: policy4 is "cpu4"."""
    return [_cpu(policy) for policy in folders(root / "sys/devices/system/cpu/cpufreq", "policy[0-9]*")]


def devfreq_domains(root: Path) -> list[ClockDomain]:
    """Devices named "gpu", "emc", or as the kernel calls them; a second one of a kind keeps that name."""
    domains: list[ClockDomain] = []
    for folder in folders(root / "sys/class/devfreq"):
        kind = _kind(folder.name)
        name = folder.name if kind in [domain.name for domain in domains] else kind
        domains.append(_device(folder, name))
    return domains


def _cpu(policy: Path) -> ClockDomain:
    hardware_min = read_number(policy / "cpuinfo_min_freq", KHZ)
    hardware_max = read_number(policy / "cpuinfo_max_freq", KHZ)
    limit = read_number(policy / "scaling_max_freq", KHZ)
    current = read_number(policy / "scaling_cur_freq", KHZ)
    return ClockDomain(
        name=policy.name.replace("policy", "cpu"),
        current_mhz=current if current > 0.0 else read_number(policy / "cpuinfo_cur_freq", KHZ),
        min_mhz=_first(read_number(policy / "scaling_min_freq", KHZ), hardware_min),
        max_mhz=_first(hardware_max, limit),
        cap_mhz=_cap(limit, hardware_max),
        available_mhz=read_numbers(policy / "scaling_available_frequencies", KHZ),
        governor=read_text(policy / "scaling_governor"),
    )


def _device(folder: Path, name: str) -> ClockDomain:
    table = read_numbers(folder / "available_frequencies", HZ)
    limit = read_number(folder / "max_freq", HZ)
    top = table[-1] if table else limit
    return ClockDomain(
        name=name,
        current_mhz=read_number(folder / "cur_freq", HZ),
        min_mhz=read_number(folder / "min_freq", HZ),
        max_mhz=top if top > 0.0 else math.nan,
        cap_mhz=_cap(limit, top),
        available_mhz=table,
        governor=read_text(folder / "governor"),
    )


def _kind(device: str) -> str:
    if GPU_NAME.search(device):
        return "gpu"
    return "emc" if EMC_NAME.search(device) else device


def _cap(limit_mhz: float, hardware_max_mhz: float) -> float:
    """A limit below the hardware's own is somebody else's: this back end sets none. 0 means no limit."""
    return limit_mhz if 0.0 < limit_mhz < hardware_max_mhz else math.nan


def _first(*values: float) -> float:
    return next((value for value in values if value > 0.0), math.nan)
