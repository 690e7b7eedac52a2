"""PyTorch as the reference: a StaticNetwork by torch.nn.functional. torch is imported on first use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from dynofa_ros.engine.backend import BackendUnavailable, Logits
from dynofa_ros.supernet.extraction import StaticNetwork
from dynofa_ros.supernet.family import InputSpec


class TorchBackend:
    """Eager, fp32, on the CPU. It shows what is right, not what is fast."""

    name = "torch"
    element = "cpu"
    precision = "fp32"

    def __init__(self) -> None:
        """Check that torch is there.

        Raises:
            BackendUnavailable: torch is not installed.
        """
        try:
            import torch
        except ImportError as error:
            raise BackendUnavailable("back end torch: install it with: pip install torch") from error
        self._version = torch.__version__

    def version(self) -> str:
        """Library and version."""
        return f"torch {self._version}"

    def compile(
        self, network: StaticNetwork, input_spec: InputSpec, threads: int, cache_dir: Path | None = None
    ) -> TorchNetwork:
        """Make `network` resident. torch counts threads by process, and has no artefact to cache."""
        import torch

        del cache_dir
        torch.set_num_threads(threads)
        return TorchNetwork(network, input_spec)


class TorchNetwork:
    """A StaticNetwork evaluated layer by layer."""

    def __init__(self, network: StaticNetwork, input_spec: InputSpec) -> None:
        import torch

        from dynofa_ros.supernet.static_forward import StaticForward

        self._network = network
        self._forward = StaticForward(network, torch.device("cpu"))
        self._mean = np.array(input_spec.mean, np.float32) * 255.0
        self._std = np.array(input_spec.std, np.float32) * 255.0

    @property
    def resolution(self) -> int:
        """Side of the square input [px]."""
        return self._network.resolution

    def infer(self, image: npt.NDArray[np.uint8]) -> Logits:
        """Logits, float32 (n_classes,), of an RGB image, uint8 (1, r, r, 3)."""
        import torch

        x = (image.astype(np.float32) - self._mean) / self._std
        with torch.inference_mode():
            nchw = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
            logits: Logits = self._forward(nchw)[0].numpy().copy()
        return logits
