"""Board files (`config/boards/*.yaml`, schema `dynofa/board/1`): tables and models of one kind of board."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from dynofa_ros.board.fields import Fields
from dynofa_ros.board.governors import GOVERNORS, make_governor
from dynofa_ros.board.networks import NetworkTable, read_networks
from dynofa_ros.errors import ConfigError, RefusedMessage
from dynofa_ros.manager.models.board_models import BoardModels
from dynofa_ros.manager.models.power_model import BoardPowerModel, DomainPower, ElementPower
from dynofa_ros.manager.models.thermal_model import ThermalModel
from dynofa_ros.paths import share_dir
from dynofa_ros.plain_yaml import load_plain_yaml

SCHEMA = "dynofa/board/1"


@dataclass(frozen=True)
class DomainSpec:
    """One clock domain: its table [MHz, rising] and the delay until a new clock takes effect [ms].

    `governor` is the kernel's own where nobody interferes.
    """

    name: str
    available_mhz: tuple[float, ...]
    writable: bool
    actuation_ms: float
    actuation_p95_ms: float
    governor: str = "performance"


@dataclass(frozen=True)
class ZoneSpec:
    """One temperature sensor of the board; all follow the junction temperature of the thermal model."""

    name: str
    trip_degc: float


@dataclass(frozen=True)
class PowerMode:
    """A named power mode: highest clocks (the clock itself where a domain is not writable), cores, limit."""

    name: str
    clocks_mhz: tuple[tuple[str, float], ...] = ()
    cores: int = 0
    """CPU cores online; 0: all."""
    overcurrent_w: float = math.inf
    """Board power above which the supply throttles."""


@dataclass(frozen=True)
class MemorySpec:
    """Memory shared by all elements; see `workload.LatencyLaw`."""

    domain: str
    bytes_per_cycle: float
    contention: float


@dataclass(frozen=True)
class BoardSpec:
    """A validated board file."""

    name: str
    extrapolated: bool
    sources: tuple[str, ...]
    domains: tuple[DomainSpec, ...]
    power: BoardPowerModel
    thermal: ThermalModel
    zones: tuple[ZoneSpec, ...]
    power_modes: tuple[PowerMode, ...] = (PowerMode(""),)
    memory: MemorySpec | None = None
    networks: tuple[NetworkTable, ...] = ()

    def power_mode(self, name: str) -> PowerMode:
        """The mode called `name`; "" is the first. RefusedMessage listing them where there is none."""
        if not name:
            return self.power_modes[0]
        for mode in self.power_modes:
            if mode.name == name:
                return mode
        known = ", ".join(mode.name for mode in self.power_modes)
        raise RefusedMessage(f"power mode refused: {name!r} is unknown; known: {known}")

    def models(self) -> BoardModels:
        """What the manager knows of this kind of board."""
        return BoardModels(
            power=self.power,
            thermal=self.thermal,
            trip_degc=min((zone.trip_degc for zone in self.zones), default=math.nan),
            actuation_ms={domain.name: domain.actuation_ms for domain in self.domains},
        )


def boards_dir() -> Path:
    """Folder of the shipped board files."""
    return share_dir() / "config" / "boards"


def find_spec(name: str) -> BoardSpec:
    """The shipped board file called `name`. ConfigError naming the shipped ones where there is none."""
    files = {path.stem: path for path in boards_dir().glob("*.yaml")}
    if name not in files:
        known = ", ".join(sorted(files)) or "none"
        raise ConfigError(boards_dir(), "board", f"no board file for {name!r}; shipped: {known}")
    return load_spec(files[name])


def load_spec(path: Path) -> BoardSpec:
    """Read and validate a board file.

    Raises:
        ConfigError: cannot be read, is not YAML, or a field is missing or wrong (named with its value).

    """
    try:
        content = load_plain_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(path, "", f"cannot be read: {error}") from error
    fields = Fields.of(path, content)
    schema = fields.text("schema")
    if schema != SCHEMA:
        raise fields.error("schema", schema, f"must be {SCHEMA!r}")
    domains = tuple(_domain(item) for item in fields.items("clock_domains"))
    _unique(fields, "clock_domains", [domain.name for domain in domains])
    _check_governors(fields, domains)
    tables = {domain.name: domain.available_mhz for domain in domains}
    elements = [element.text("name") for element in fields.items("elements")]
    return BoardSpec(
        name=fields.text("name"),
        extrapolated=fields.flag("extrapolated"),
        sources=tuple(fields.texts("sources")),
        domains=domains,
        power=_power(fields, tables),
        thermal=_thermal(fields.section("thermal")),
        zones=tuple(_zone(item) for item in fields.items("zones")),
        power_modes=_power_modes(fields, tables),
        memory=_memory(fields.section("memory"), tables) if fields.has("memory") else None,
        networks=read_networks(fields, elements),
    )


def _domain(fields: Fields) -> DomainSpec:
    table = fields.numbers("available_mhz", low=1.0)
    if not table or list(table) != sorted(set(table)):
        raise fields.error("available_mhz", table, "must be a rising, non-empty list")
    median_ms = fields.number("actuation_ms", low=0.0)
    p95_ms = fields.number("actuation_p95_ms", low=median_ms) if fields.has("actuation_p95_ms") else median_ms
    governor = fields.text("governor") if fields.has("governor") else "performance"
    if governor not in GOVERNORS:
        raise fields.error("governor", governor, f"must be one of {', '.join(GOVERNORS)}")
    return DomainSpec(
        name=fields.text("name"),
        available_mhz=table,
        writable=fields.flag("writable"),
        actuation_ms=median_ms,
        actuation_p95_ms=p95_ms,
        governor=governor,
    )


def _check_governors(fields: Fields, domains: Sequence[DomainSpec]) -> None:
    """CPU domains have cpufreq's governors, the others devfreq's."""
    elements = fields.items("elements")
    cpus = {e.text("clock_domain") for e in elements if e.number("cores", low=0.0) > 0}
    for domain, item in zip(domains, fields.items("clock_domains"), strict=True):
        governor = make_governor(domain.governor, domain.available_mhz)
        if not (governor.of_cpus if domain.name in cpus else governor.of_devices):
            raise item.error("governor", domain.governor, "does not govern this kind of device")


def _power_modes(fields: Fields, tables: dict[str, tuple[float, ...]]) -> tuple[PowerMode, ...]:
    if not fields.has("power_modes"):
        return (PowerMode(""),)
    modes = tuple(_power_mode(item, tables) for item in fields.items("power_modes"))
    _unique(fields, "power_modes", [mode.name for mode in modes])
    return modes


def _power_mode(fields: Fields, tables: dict[str, tuple[float, ...]]) -> PowerMode:
    clocks = fields.section("clocks_mhz")
    unknown = sorted(set(clocks.content) - set(tables))
    if unknown:
        raise fields.error("clocks_mhz", unknown, f"must name clock domains of {', '.join(tables)}")
    return PowerMode(
        name=fields.text("name"),
        clocks_mhz=tuple((domain, clocks.number(domain, low=1.0)) for domain in clocks.content),
        cores=int(fields.number("cores", low=0.0)) if fields.has("cores") else 0,
        overcurrent_w=fields.number("overcurrent_w", low=0.1) if fields.has("overcurrent_w") else math.inf,
    )


def _memory(fields: Fields, tables: dict[str, tuple[float, ...]]) -> MemorySpec:
    _table(fields, "domain", tables)
    return MemorySpec(
        domain=fields.text("domain"),
        bytes_per_cycle=fields.number("bytes_per_cycle", low=0.1),
        contention=fields.number("contention", low=0.0, high=1.0),
    )


def _power(fields: Fields, tables: dict[str, tuple[float, ...]]) -> BoardPowerModel:
    elements = tuple(_element(item, tables) for item in fields.items("elements"))
    _unique(fields, "elements", [element.element for element in elements])
    power = fields.section("power")
    return BoardPowerModel(
        base_w=power.number("base_w", low=0.0),
        elements=elements,
        domains=tuple(_domain_power(item, tables) for item in power.items("domains")),
    )


def _element(fields: Fields, tables: dict[str, tuple[float, ...]]) -> ElementPower:
    table = _table(fields, "clock_domain", tables)
    return ElementPower(
        element=fields.text("name"),
        domain=fields.text("clock_domain"),
        cores=int(fields.number("cores", low=0.0)),
        min_mhz=table[0],
        max_mhz=table[-1],
        idle_w=fields.number("idle_w", low=0.0),
        active_w=fields.number("active_w", low=0.0),
        voltage_low=fields.number("voltage_low", low=0.1, high=1.0),
        stalled_share=fields.number("stalled_share", low=0.0, high=1.0)
        if fields.has("stalled_share")
        else 1.0,
    )


def _domain_power(fields: Fields, tables: dict[str, tuple[float, ...]]) -> DomainPower:
    table = _table(fields, "domain", tables)
    power_w = fields.numbers("power_w", low=0.0)
    if len(power_w) != len(table):
        raise fields.error("power_w", power_w, f"must have one value for each of the {len(table)} clocks")
    return DomainPower(fields.text("domain"), table, power_w)


def _table(fields: Fields, key: str, tables: dict[str, tuple[float, ...]]) -> tuple[float, ...]:
    name = fields.text(key)
    if name not in tables:
        raise fields.error(key, name, f"is not one of the clock domains {', '.join(tables)}")
    return tables[name]


def _thermal(fields: Fields) -> ThermalModel:
    return ThermalModel(
        t0_degc=fields.number("t0_degc", low=-50.0, high=150.0),
        r_degc_per_w=fields.number("r_degc_per_w", low=0.01),
        tau_fast_s=fields.number("tau_fast_s", low=0.01),
        tau_slow_s=fields.number("tau_slow_s", low=0.01),
        fast_share=fields.number("fast_share", low=0.0, high=0.99),
        ambient_degc=fields.number("ambient_degc", low=-50.0, high=100.0),
    )


def _zone(fields: Fields) -> ZoneSpec:
    return ZoneSpec(fields.text("name"), fields.number("trip_degc", low=0.0, high=200.0))


def _unique(fields: Fields, key: str, names: Sequence[str]) -> None:
    if not names or len(set(names)) != len(names):
        raise fields.error(key, list(names), "must be named, each once")
