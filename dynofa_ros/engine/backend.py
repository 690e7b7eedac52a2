"""The interface between a sub-network and what computes it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from dynofa_ros.engine.artefacts import ArtefactCache
from dynofa_ros.errors import DynofaError
from dynofa_ros.supernet.network_source import NetworkSource

Image = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]


class BackendUnavailable(DynofaError):
    """A back end or a precision that this machine lacks; the message says what to install or choose."""


class CompiledNetwork(Protocol):
    """One resident sub-network. One thread at a time may infer with it."""

    @property
    def resolution(self) -> int:
        """Side of the square input [px]."""

    @property
    def input(self) -> Image:
        """Buffer that `infer_input` reads, uint8 (1, r, r, 3) RGB. It stays the same; write into it."""

    def infer_input(self) -> Logits:
        """Logits, float32 (n_classes,), of what `input` holds. The caller owns the result."""

    def infer(self, image: Image) -> Logits:
        """Logits, float32 (n_classes,), of an RGB image, uint8 (1, r, r, 3). The caller owns the result."""


class Backend(Protocol):
    """Compiles sub-networks for one element with one precision."""

    name: str
    element: str
    precision: str

    def version(self) -> str:
        """Library and version, e.g. "openvino 2026.4.1"."""

    def compile(
        self, source: NetworkSource, threads: int, cache: ArtefactCache | None = None
    ) -> CompiledNetwork:
        """Make a sub-network resident with `threads` CPU threads; `cache` keeps what was compiled.

        Raises:
            BackendUnavailable: this sub-network cannot run with this back end and precision.
            ConfigError: the family's files cannot be used.
            RuntimeError, MemoryError: the library failed.
        """


class BufferedNetwork:
    """What all compiled networks share: the input buffer, and the copy into it."""

    def __init__(self, resolution: int, buffer: Image | None = None) -> None:
        self._resolution = resolution
        shape = (1, resolution, resolution, 3)
        self._input: Image = np.zeros(shape, np.uint8) if buffer is None else buffer

    @property
    def resolution(self) -> int:
        """Side of the square input [px]."""
        return self._resolution

    @property
    def input(self) -> Image:
        """Buffer that `infer_input` reads, uint8 (1, r, r, 3) RGB."""
        return self._input

    def infer_input(self) -> Logits:
        """Logits, float32 (n_classes,), of what `input` holds."""
        raise NotImplementedError

    def infer(self, image: Image) -> Logits:
        """Logits, float32 (n_classes,), of an RGB image, uint8 (1, r, r, 3).

        Raises:
            ValueError: an image of another shape.
        """
        if image.shape != self._input.shape:
            raise ValueError(f"image {image.shape}: this sub-network reads {self._input.shape}")
        np.copyto(self._input, image)
        return self.infer_input()
