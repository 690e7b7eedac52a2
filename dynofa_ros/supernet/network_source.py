"""One sub-network of a family as back ends ask for it: identified cheaply, extracted only when needed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dynofa_ros import __version__

from .extraction import StaticNetwork
from .quantization import Quantization

if TYPE_CHECKING:
    from .family import Family, InputSpec


@dataclass(frozen=True, eq=False)
class NetworkSource:
    """Member `name` of `family`; nothing is read or extracted until `network` or `quantization` is called."""

    family: Family
    name: str

    @property
    def resolution(self) -> int:
        """Side of the square input [px]."""
        return self.family.member(self.name).spec.resolution

    @property
    def n_classes(self) -> int:
        """Number of logits."""
        return self.family.space.n_classes

    @property
    def input_spec(self) -> InputSpec:
        """Normalisation of the image."""
        return self.family.input_spec

    @cached_property
    def content_sha256(self) -> str:
        """Hash of all that determines the network: weights, space, spec, normalisation and this version.

        Two sources with equal hashes give equal networks, whatever their families are called.
        """
        family = self.family
        content = (
            __version__,
            family.weights_id,
            family.space,
            family.member(self.name).spec,
            family.input_spec,
        )
        return hashlib.sha256(repr(content).encode()).hexdigest()

    @property
    def quantization_sha256(self) -> str:
        """Hash of the family's quantization file; empty without one."""
        return self.family.quantization_sha256 or ""

    def network(self) -> StaticNetwork:
        """The extracted network. Raises ConfigError when weights are missing or do not fit."""
        return self.family.network(self.name)

    def quantization(self) -> Quantization | None:
        """What calibration for int8 found for this sub-network; None without a calibration.

        Raises ConfigError when the quantization file cannot be used.
        """
        return self.family.quantization(self.name)
