"""A Linux machine read through sysfs and /proc: laptops, virtual machines, Jetson boards. Reads only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from dynofa_ros.board.limits import check_limits
from dynofa_ros.board.proc_stat import CpuLoad
from dynofa_ros.board.state import BoardState, ClockDomain, Element, PowerRail, ThermalZone
from dynofa_ros.board.sysfs import folders, read_number
from dynofa_ros.board.sysfs_clocks import cpu_domains, devfreq_domains
from dynofa_ros.board.sysfs_sensors import board_power_w, is_throttling, power_rails, thermal_zones
from dynofa_ros.manager.decision import ClockLimit

GPU_LOADS = ("sys/devices/gpu.0/load", "sys/devices/platform/gpu.0/load")
GPU_LOAD_GLOBS = ("*gv11b*/load", "*ga10b*/load", "platform/*gv11b*/load", "platform/bus@0/*.gpu/load")


class LinuxSysfsBoard:
    """Implements `Board` by reading; `apply` checks its limits and leaves every clock as it is."""

    name = "linux"
    simulated = False

    def __init__(self, root: Path = Path("/")) -> None:
        """`root` is where /sys and /proc are looked for."""
        self._root = root
        self._cpu_load = CpuLoad(root)
        self._sequence = 0
        self._domains: tuple[ClockDomain, ...] = self._read_domains()

    def read(self, now_s: float) -> BoardState:
        """A fresh reading; what the machine does not have is missing or NaN."""
        self._sequence += 1
        self._domains = self._read_domains()
        rails, zones = power_rails(self._root), thermal_zones(self._root)
        return BoardState(
            sequence=self._sequence,
            board=self.name,
            rails=tuple(rails),
            zones=tuple(zones),
            elements=tuple(self._elements()),
            clock_domains=self._domains,
            power_w=board_power_w(rails),
            throttling=is_throttling(self._root),
            status=self._status(rails, zones),
        )

    def clock_domains(self) -> tuple[ClockDomain, ...]:
        """The domains as of the last reading; none is writable."""
        return self._domains

    def apply(
        self, limits: Sequence[ClockLimit], now_s: float, validity_s: float = math.inf
    ) -> tuple[ClockLimit, ...]:
        """Write nothing and return the limits in force; unusable limits raise as in `Board.apply`."""
        del now_s
        check_limits(limits, self._domains, validity_s)
        by_name = {domain.name: domain for domain in self._domains}
        in_force = (by_name[limit.domain] for limit in limits)
        return tuple(ClockLimit(domain.name, domain.min_mhz, domain.max_mhz) for domain in in_force)

    def restore(self) -> None:
        """Nothing was written, so there is nothing to restore."""

    def _read_domains(self) -> tuple[ClockDomain, ...]:
        return (*cpu_domains(self._root), *devfreq_domains(self._root))

    def _elements(self) -> list[Element]:
        names = [domain.name for domain in self._domains]
        cpu_domain = next((name for name in names if name.startswith("cpu")), "")
        elements = [Element("cpu", cpu_domain, self._cpu_load.cores, self._cpu_load.load())]
        gpu_load = self._gpu_load()
        if "gpu" in names or not math.isnan(gpu_load):
            elements.append(Element("gpu", "gpu" if "gpu" in names else "", 0, gpu_load))
        return elements

    def _gpu_load(self) -> float:
        """Busy share of a Jetson's GPU (the file counts per mille); NaN elsewhere."""
        paths = [self._root / path for path in GPU_LOADS]
        paths += [path for pattern in GPU_LOAD_GLOBS for path in folders(self._root / "sys/devices", pattern)]
        loads = (read_number(path, 1e-3) for path in paths)
        return next((min(max(load, 0.0), 1.0) for load in loads if not math.isnan(load)), math.nan)

    def _status(self, rails: list[PowerRail], zones: list[ThermalZone]) -> str:
        missing = [
            what
            for what, found in (("clocks", self._domains), ("power rails", rails), ("temperatures", zones))
            if not found
        ]
        text = "reads only: clocks are not written"
        return f"{text}; this machine shows no {', no '.join(missing)}" if missing else text
