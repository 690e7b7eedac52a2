"""Batch-norm statistics of one sub-network, measured on training images.

The supernet's running statistics mix those of all sub-networks that were trained, and fit none of
them; each sub-network needs its own (Yu et al., "Slimmable Neural Networks", ICLR 2019, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .extraction import BatchNormStats, FloatArray
from .family_file import InputSpec
from .ofa_torch import frozen_running_statistics, set_active
from .subnet_spec import SubnetSpec
from .train import DIGITS_INPUT, to_input
from .train_data import ImageArray

BATCH = 128
ImageBatch = Sequence[ImageArray] | ImageArray


class _Moments:
    """Mean and variance over batches of one layer's input, as batch norm sees it."""

    def __init__(self) -> None:
        self.mean: torch.Tensor | float = 0.0
        self.variance: torch.Tensor | float = 0.0
        self.batches = 0

    def __call__(self, _module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0].float(), dim=(0, 2, 3), correction=0)
        self.batches += 1
        self.mean = self.mean + (mean - self.mean) / self.batches
        self.variance = self.variance + (variance - self.variance) / self.batches

    def result(self) -> tuple[FloatArray, FloatArray]:
        arrays = [np.asarray(torch.as_tensor(part).cpu(), np.float32) for part in (self.mean, self.variance)]
        return arrays[0], arrays[1]


def recalibrate(
    net: Any, spec: SubnetSpec, images: ImageBatch, device: torch.device, input_spec: InputSpec = DIGITS_INPUT
) -> BatchNormStats:
    """Statistics of every batch-norm layer of sub-network `spec` on square RGB `images`."""
    moments = {name: _Moments() for name, _ in _norms(net)}
    hooks = [module.register_forward_pre_hook(moments[name]) for name, module in _norms(net)]
    set_active(net, spec)
    with torch.no_grad(), frozen_running_statistics(net):
        for start in range(0, len(images), BATCH):
            net(to_input(images[start : start + BATCH], spec.resolution, device, input_spec))
    for hook in hooks:
        hook.remove()
    return {name: moment.result() for name, moment in moments.items() if moment.batches}


def _norms(net: Any) -> list[tuple[str, Any]]:
    """Batch-norm layers by tensor name; elastic ones keep theirs one level deeper."""
    norms = []
    for name, module in net.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d) and not name.endswith(".bn.bn"):
            norms.append((name, module))
        elif type(module).__name__ == "DynamicBatchNorm2d":
            norms.append((f"{name}.bn", module))
    return norms
