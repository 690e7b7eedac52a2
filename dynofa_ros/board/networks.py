"""The `networks` of a board file: how long known networks take, by memory clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dynofa_ros.board.fields import Fields


@dataclass(frozen=True)
class NetworkTable:
    """One network on one placement. Row j holds for `memory_mhz[j]`; one row without memory clocks.

        T = max(k_ms_ghz[j] / f[GHz] + b_ms[j], floor_ms[j])

    `families`: sub-networks of families scale from it by multiply-adds (k always, b where `b_scales`).
    `measured` is False where any figure was estimated.
    """

    name: str
    element: str
    backend: str
    precision: str
    threads: int
    macs: float
    memory_mhz: tuple[float, ...]
    k_ms_ghz: tuple[float, ...]
    b_ms: tuple[float, ...]
    floor_ms: tuple[float, ...]
    families: bool
    b_scales: bool
    measured: bool

    @property
    def placement(self) -> str:
        """Element, back end, precision and threads as everywhere."""
        return f"{self.element}/{self.backend}/{self.precision}/{self.threads}"


def read_networks(fields: Fields, elements: Sequence[str]) -> tuple[NetworkTable, ...]:
    """The validated section; empty where the file has none."""
    if not fields.has("networks"):
        return ()
    return tuple(_network(item, elements) for item in fields.items("networks"))


def _network(fields: Fields, elements: Sequence[str]) -> NetworkTable:
    element = fields.text("element")
    if element not in elements:
        raise fields.error("element", element, f"is not one of {', '.join(elements)}")
    memory_mhz = fields.numbers("memory_mhz", low=1.0)
    if list(memory_mhz) != sorted(set(memory_mhz)):
        raise fields.error("memory_mhz", memory_mhz, "must rise, or be [] where nothing is known")
    rows = max(len(memory_mhz), 1)
    return NetworkTable(
        name=fields.text("name"),
        element=element,
        backend=fields.text("backend"),
        precision=fields.text("precision"),
        threads=int(fields.number("threads", low=1.0)),
        macs=fields.number("macs", low=1.0),
        memory_mhz=memory_mhz,
        k_ms_ghz=_rows(fields, "k_ms_ghz", rows),
        b_ms=_rows(fields, "b_ms", rows),
        floor_ms=_rows(fields, "floor_ms", rows),
        families=fields.flag("families"),
        b_scales=fields.flag("b_scales"),
        measured=fields.flag("measured"),
    )


def _rows(fields: Fields, key: str, rows: int) -> tuple[float, ...]:
    values = fields.numbers(key, low=0.0)
    if len(values) != rows:
        raise fields.error(key, values, f"must have {rows} values, one per memory clock")
    return values
