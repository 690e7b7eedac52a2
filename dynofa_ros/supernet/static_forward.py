"""A StaticNetwork evaluated layer by layer with torch: what is right, not what is fast."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from .extraction import FloatArray, StaticBlock, StaticConv, StaticNetwork, StaticSE


class StaticForward:
    """A StaticNetwork on batches, by torch, with its tensors on `device` as `dtype`."""

    def __init__(
        self, network: StaticNetwork, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self._network, self._device, self._dtype = network, device, dtype
        self._tensors: dict[int, Tensor] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (n, n_classes) of normalised images (n, 3, resolution, resolution)."""
        network = self._network
        x = self._conv(x, network.stem)
        for block in network.blocks:
            x = self._block(x, block)
        x = self._conv(x, network.final_expand).mean((2, 3), keepdim=True)
        x = self._conv(x, network.feature_mix).flatten(1)
        return functional.linear(
            x, self._tensor(network.classifier.weight), self._tensor(network.classifier.bias)
        )

    def _block(self, x: Tensor, block: StaticBlock) -> Tensor:
        y = self._conv(x, block.expand) if block.expand is not None else x
        y = self._conv(y, block.depthwise)
        if block.se is not None:
            y = self._squeeze_excite(y, block.se)
        y = self._conv(y, block.project)
        return x + y if block.residual else y

    def _conv(self, x: Tensor, conv: StaticConv) -> Tensor:
        weight, bias = self._tensor(conv.weight), self._tensor(conv.bias)
        y = functional.conv2d(x, weight, bias, conv.stride, conv.padding, groups=conv.groups)
        if conv.activation == "relu":
            return functional.relu(y, inplace=True)
        return functional.hardswish(y, inplace=True) if conv.activation == "h_swish" else y

    def _squeeze_excite(self, x: Tensor, se: StaticSE) -> Tensor:
        y = functional.conv2d(
            x.mean((2, 3), keepdim=True), self._tensor(se.reduce_weight), self._tensor(se.reduce_bias)
        )
        y = functional.conv2d(
            functional.relu(y), self._tensor(se.expand_weight), self._tensor(se.expand_bias)
        )
        return x * functional.hardsigmoid(y)

    def _tensor(self, array: FloatArray) -> Tensor:
        key = id(array)
        if key not in self._tensors:
            tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self._device, self._dtype)
            if tensor.ndim == 4 and self._device.type == "cuda":
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            self._tensors[key] = tensor
        return self._tensors[key]
