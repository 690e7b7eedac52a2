"""The interface between a sub-network and what computes it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dynofa_ros.errors import DynofaError
from dynofa_ros.supernet.extraction import StaticNetwork
from dynofa_ros.supernet.family import InputSpec

Logits = npt.NDArray[np.float32]


class BackendUnavailable(DynofaError):
    """A back end or a precision that this machine lacks; the message says what to install or choose."""


class CompiledNetwork(Protocol):
    """One resident sub-network. One thread at a time may infer with it."""

    @property
    def resolution(self) -> int:
        """Side of the square input [px]."""

    def infer(self, image: npt.NDArray[np.uint8]) -> Logits:
        """Logits, float32 (n_classes,), of an RGB image, uint8 (1, r, r, 3). The caller owns the result."""


class Backend(Protocol):
    """Compiles sub-networks for one element."""

    name: str
    element: str
    precision: str

    def version(self) -> str:
        """Library and version, e.g. "openvino 2026.4.1"."""

    def compile(
        self, network: StaticNetwork, input_spec: InputSpec, threads: int, cache_dir: Path | None = None
    ) -> CompiledNetwork:
        """Make `network` resident with `threads` CPU threads; `cache_dir` keeps compiled artefacts."""
