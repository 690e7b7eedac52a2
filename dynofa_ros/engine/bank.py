"""The bank of resident sub-networks: compiled and warmed before the first frame; a switch is a lookup."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dynofa_ros.engine.artefacts import ArtefactCache
from dynofa_ros.engine.backend import Backend, BackendUnavailable, CompiledNetwork, Image, Logits
from dynofa_ros.engine.backends import create_backend
from dynofa_ros.engine.candidates import candidates
from dynofa_ros.engine.memory import MEGABYTE, give_back, resident_bytes
from dynofa_ros.engine.placement import Placement
from dynofa_ros.engine.residency import Candidate, load_order
from dynofa_ros.errors import ConfigError, DynofaError
from dynofa_ros.manager.operating_point import PointKey
from dynofa_ros.supernet.family import Family
from dynofa_ros.supernet.network_source import NetworkSource

WARM_UP_INFERENCES = 3
Log = Callable[[str], None]
Progress = Callable[[int, int], None]
CreateBackend = Callable[[str, str, str], Backend]


@dataclass(frozen=True)
class LoadOptions:
    """How a bank is filled."""

    memory_budget_mb: float = math.inf
    """Memory for all resident points together [MB]."""
    latencies_ms: Mapping[PointKey, float] = field(default_factory=dict)
    """Profiled latencies [ms]; where one is missing, everything is made resident while memory lasts."""
    dominated: bool = True
    """Whether points that others beat become resident too while memory lasts."""
    members: Collection[str] | None = None
    """Sub-networks to consider; None: all of the family."""
    cache: ArtefactCache | None = None
    create: CreateBackend = create_backend
    progress: Progress = lambda _done, _total: None
    """Called with points tried and points in all."""


class SubnetBank:
    """Resident operating points of one family. One thread at a time may infer with a network."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.quarantined: dict[PointKey, str] = {}
        """Points that did not compile or infer, and why. They are not offered."""
        self.not_resident: dict[PointKey, str] = {}
        """All points that were asked for and are not resident, and why; quarantined ones included."""
        self.libraries: dict[str, str] = {}
        """Library and version by name of the back end."""
        self.placements: dict[str, Placement] = {}
        """Placements with at least one resident sub-network, by their text."""
        self._networks: dict[PointKey, CompiledNetwork] = {}

    @classmethod
    def load(
        cls,
        family: Family,
        placements: Sequence[Placement],
        options: LoadOptions | None = None,
        log: Log = lambda _: None,
    ) -> SubnetBank:
        """Compile and warm what of `family` on `placements` fits, see `residency` for the order.

        A point that fails, for want of memory or otherwise, is quarantined, and `log` says so.

        Raises:
            ConfigError: the family's files cannot be used.
            BackendUnavailable: a placement's back end cannot run here.
            DynofaError: no point became resident.
        """
        bank = cls(family)
        _Loader(bank, {str(p): p for p in placements}, options or LoadOptions(), log).run()
        family.release_tensors()
        give_back()
        if not bank._networks:
            why = "; ".join(f"{name} on {where}: {text}" for (name, where), text in bank.not_resident.items())
            raise DynofaError(f"family {family.name}: no sub-network is resident: {why or 'no placement'}")
        return bank

    @property
    def keys(self) -> tuple[PointKey, ...]:
        """Resident points, sub-networks by rising multiply-adds."""
        return tuple(self._networks)

    @property
    def names(self) -> tuple[str, ...]:
        """Resident sub-networks by rising multiply-adds."""
        return tuple(dict.fromkeys(name for name, _ in self._networks))

    def network(self, key: PointKey) -> CompiledNetwork:
        """The compiled network of a resident point."""
        return self._networks[key]

    def resolution(self, key: PointKey) -> int:
        """Side of the square input [px]."""
        return self._networks[key].resolution

    def infer(self, key: PointKey, image: Image) -> Logits:
        """Logits, float32 (n_classes,), of an RGB image, uint8 (1, r, r, 3)."""
        return self._networks[key].infer(image)

    def keep(self, keys: Iterable[PointKey], why: Mapping[PointKey, str]) -> None:
        """Release every point but `keys`; `why` names the reason of each that goes."""
        kept = set(keys)
        for key in self.keys:
            if key not in kept:
                del self._networks[key]
                self.not_resident[key] = why.get(key, "released")
        self._note_placements(self.placements)

    def _adopt(
        self, networks: Mapping[PointKey, CompiledNetwork], placements: Mapping[str, Placement]
    ) -> None:
        """Take the compiled networks, by rising multiply-adds."""
        ranks = {name: rank for rank, name in enumerate(self.family.names)}
        for key in sorted(networks, key=lambda key: ranks[key[0]]):
            self._networks[key] = networks[key]
        self._note_placements(placements)

    def _note_placements(self, known: Mapping[str, Placement]) -> None:
        used = {where for _, where in self._networks}
        self.placements = {text: placement for text, placement in known.items() if text in used}

    def __contains__(self, key: object) -> bool:
        return key in self._networks


class _Loader:
    """Fills a bank once."""

    def __init__(
        self, bank: SubnetBank, placements: Mapping[str, Placement], options: LoadOptions, log: Log
    ) -> None:
        self._bank, self._placements, self._options, self._log = bank, placements, options, log
        self._backends = {
            text: options.create(p.backend, p.element, p.precision) for text, p in placements.items()
        }
        self._networks: dict[PointKey, CompiledNetwork] = {}
        self._used_bytes = 0.0
        bank.libraries.update({b.name: b.version() for b in self._backends.values()})

    def run(self) -> None:
        """Make points resident in order, while memory lasts."""
        options = self._options
        offered, refused = candidates(
            self._bank.family, self._placements.values(), options.latencies_ms, options.members
        )
        order = load_order(offered, options.dominated)
        self._bank.not_resident.update({**refused, **order.left_out})
        for index, candidate in enumerate(order.order):
            missing = "" if index < order.always else self._no_room(candidate)
            if missing:
                self._bank.not_resident[candidate.key] = missing
                self._log(f"{candidate.subnet} on {candidate.placement} is not resident: {missing}")
            else:
                self._add(candidate, count_growth=index > 0)
            options.progress(index + 1, len(order.order))
        self._bank._adopt(self._networks, self._placements)

    def _no_room(self, candidate: Candidate) -> str:
        budget_mb = self._options.memory_budget_mb
        need_mb, used_mb = candidate.estimated_bytes / MEGABYTE, self._used_bytes / MEGABYTE
        if used_mb + need_mb <= budget_mb:
            return ""
        return f"needs about {need_mb:.0f} MB, {used_mb:.0f} of the budget of {budget_mb:.0f} MB are taken"

    def _add(self, candidate: Candidate, count_growth: bool) -> None:
        """Make one point resident, or quarantine it. The first one's growth is mostly the library's."""
        source = self._bank.family.source(candidate.subnet)
        before = resident_bytes()
        try:
            network = self._compile(source, candidate.placement)
        except ConfigError:
            raise
        except (RuntimeError, MemoryError, ValueError, BackendUnavailable) as error:
            self._quarantine(candidate.key, error)
            return
        self._networks[candidate.key] = network
        grown = resident_bytes() - before if count_growth else 0
        self._used_bytes += max(candidate.estimated_bytes, grown)

    def _compile(self, source: NetworkSource, where: str) -> CompiledNetwork:
        network = self._backends[where].compile(source, self._placements[where].threads, self._options.cache)
        _warm(network, source.n_classes)
        return network

    def _quarantine(self, key: PointKey, error: Exception) -> None:
        why = str(error) or type(error).__name__
        if isinstance(error, MemoryError):
            why = f"out of memory: {why}"
        self._bank.quarantined[key] = why
        self._bank.not_resident[key] = f"quarantined: {why}"
        self._log(f"sub-network {key[0]} on {key[1]} is quarantined: {why}")


def _warm(network: CompiledNetwork, n_classes: int) -> None:
    """First inferences allocate; they also show whether the result has the right shape."""
    network.input[...] = np.random.default_rng(0).integers(0, 256, network.input.shape, np.uint8)
    for _ in range(WARM_UP_INFERENCES):
        logits = network.infer_input()
    if logits.shape != (n_classes,):
        raise ValueError(f"logits have shape {logits.shape}, not ({n_classes},)")
