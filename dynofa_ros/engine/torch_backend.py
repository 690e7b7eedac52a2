"""PyTorch as the reference: a StaticNetwork by torch.nn.functional. torch is imported on first use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dynofa_ros.engine.backend import BackendUnavailable, Logits
from dynofa_ros.supernet.extraction import StaticBlock, StaticConv, StaticNetwork, StaticSE
from dynofa_ros.supernet.family import InputSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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
        self._network = network
        self._mean = np.array(input_spec.mean, np.float32) * 255.0
        self._std = np.array(input_spec.std, np.float32) * 255.0
        self._tensors: dict[int, torch.Tensor] = {}

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

    def _forward(self, x: Tensor) -> Tensor:
        from torch.nn import functional

        network = self._network
        x = self._conv(x, network.stem)
        for block in network.blocks:
            x = self._block(x, block)
        x = self._conv(x, network.final_expand).mean((2, 3), keepdim=True)
        x = self._conv(x, network.feature_mix).flatten(1)
        weight, bias = network.classifier.weight, network.classifier.bias
        return functional.linear(x, self._tensor(weight), self._tensor(bias))

    def _block(self, x: Tensor, block: StaticBlock) -> Tensor:
        y = x if block.expand is None else self._conv(x, block.expand)
        y = self._conv(y, block.depthwise)
        if block.se is not None:
            y = self._squeeze_excite(y, block.se)
        y = self._conv(y, block.project)
        return y + x if block.residual else y

    def _conv(self, x: Tensor, layer: StaticConv) -> Tensor:
        from torch.nn import functional

        weight, bias = self._tensor(layer.weight), self._tensor(layer.bias)
        y = functional.conv2d(x, weight, bias, layer.stride, layer.padding, groups=layer.groups)
        if layer.activation == "relu":
            return functional.relu(y)
        return functional.hardswish(y) if layer.activation == "h_swish" else y

    def _squeeze_excite(self, x: Tensor, layer: StaticSE) -> Tensor:
        from torch.nn import functional

        y = x.mean((2, 3), keepdim=True)
        y = functional.relu(
            functional.conv2d(y, self._tensor(layer.reduce_weight), self._tensor(layer.reduce_bias))
        )
        y = functional.conv2d(y, self._tensor(layer.expand_weight), self._tensor(layer.expand_bias))
        return x * functional.hardsigmoid(y)

    def _tensor(self, array: npt.NDArray[np.float32]) -> Tensor:
        """The array as a tensor on the same memory, made once."""
        import torch

        key = id(array)
        if key not in self._tensors:
            self._tensors[key] = torch.from_numpy(np.ascontiguousarray(array))
        return self._tensors[key]
