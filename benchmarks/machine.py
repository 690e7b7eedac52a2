"""The machine that figures were measured on."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dynofa_ros import __version__
from dynofa_ros.engine.fingerprint import cpu_model

CPUINFO = Path("/proc/cpuinfo")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
FLAGS = (
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "avx_vnni",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "asimddp",
    "asimdhp",
    "bf16",
    "i8mm",
    "sve",
)
PACKAGES = (
    "openvino",
    "onnxruntime",
    "onnx",
    "nncf",
    "torch",
    "torchvision",
    "ofa",
    "numpy",
    "opencv-python-headless",
    "ros-rclpy",
    "ros-fastrtps",
)


def machine_description() -> dict[str, Any]:
    """Processor, cores, memory, system and versions; what cannot be read says so."""
    flags = _cpu_flags()
    return {
        "cpu": cpu_model(Path("/")),
        "cores": len(os.sched_getaffinity(0)),
        "flags": [flag for flag in FLAGS if flag in flags],
        "virtual": "hypervisor" in flags,
        "governor": _text(GOVERNOR),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "dynofa_ros": __version__,
        "packages": _versions(),
    }


def machine_name(machine: dict[str, Any]) -> str:
    """One line: processor, cores, whether virtual."""
    kind = ", virtual machine" if machine["virtual"] else ""
    return f"{machine['cpu']}, {machine['cores']} cores{kind}"


def _cpu_flags() -> set[str]:
    """Instruction sets that the kernel reports for the first processor."""
    with suppress(OSError):
        for line in CPUINFO.read_text(errors="replace").splitlines():
            if line.partition(":")[0].strip().lower() in ("flags", "features"):
                return set(line.partition(":")[2].split())
    return set()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return "not readable"


def _versions() -> dict[str, str]:
    """Versions of the packages that are installed."""
    found = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
