"""The bank of resident sub-networks: compiled and warmed before the first frame; a switch is a lookup."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dynofa_ros.engine.backend import Backend, CompiledNetwork, Logits
from dynofa_ros.errors import DynofaError
from dynofa_ros.supernet.family import Family

WARM_UP_INFERENCES = 3


def default_threads() -> int:
    """Half the cores that this process may use, at least one: the other half serves the rest of the robot."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


class SubnetBank:
    """Resident sub-networks of one family on one placement, by rising multiply-adds.

    One thread at a time may call `infer`.
    """

    def __init__(
        self, family: Family, backend: Backend, threads: int, networks: dict[str, CompiledNetwork]
    ) -> None:
        self.family = family
        self.backend = backend
        self.threads = threads
        self.quarantined: dict[str, str] = {}
        """Sub-networks that did not compile or infer, and why. They are not offered."""
        self._networks = networks

    @classmethod
    def load(
        cls,
        family: Family,
        backend: Backend,
        threads: int = 1,
        cache_dir: Path | None = None,
        log: Callable[[str], None] = lambda _: None,
    ) -> SubnetBank:
        """Compile and warm every member of `family`. One that fails is quarantined, and `log` says so.

        Raises:
            ConfigError: the family's weights cannot be used.
            DynofaError: no member compiled.
        """
        bank = cls(family, backend, threads, {})
        for member in family.members:
            bank._add(member.spec.name, cache_dir, log)
        family.release_tensors()
        if not bank._networks:
            raise DynofaError(
                f"family {family.name}: no sub-network runs with {backend.name} {backend.precision}: "
                + "; ".join(f"{name}: {why}" for name, why in bank.quarantined.items())
            )
        return bank

    def _add(self, name: str, cache_dir: Path | None, log: Callable[[str], None]) -> None:
        """Make one sub-network resident, or quarantine it."""
        network = self.family.network(name)
        try:
            compiled = self.backend.compile(network, self.family.input_spec, self.threads, cache_dir)
            side = network.resolution
            _warm(compiled, np.zeros((1, side, side, 3), np.uint8), network.n_classes)
        except (RuntimeError, MemoryError, ValueError) as error:
            self.quarantined[name] = str(error) or type(error).__name__
            log(f"sub-network {name} is quarantined: {self.quarantined[name]}")
        else:
            self._networks[name] = compiled

    @property
    def names(self) -> tuple[str, ...]:
        """Resident sub-networks by rising multiply-adds."""
        return tuple(self._networks)

    def resolution(self, name: str) -> int:
        """Side of the square input of `name` [px]."""
        return self._networks[name].resolution

    def infer(self, name: str, image: npt.NDArray[np.uint8]) -> Logits:
        """Logits, float32 (n_classes,), of an RGB image, uint8 (1, r, r, 3), by sub-network `name`."""
        return self._networks[name].infer(image)

    def __contains__(self, name: object) -> bool:
        return name in self._networks


def _warm(network: CompiledNetwork, image: npt.NDArray[np.uint8], n_classes: int) -> None:
    """First inferences allocate; they also show whether the result has the right shape."""
    for _ in range(WARM_UP_INFERENCES):
        logits = network.infer(image)
    if logits.shape != (n_classes,):
        raise ValueError(f"logits have shape {logits.shape}, not ({n_classes},)")
