"""The supernet in torch, by the `ofa` package; needed to train and search, not to run a family."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from .extraction import FloatArray
from .space import OfaMbv3Space
from .subnet_spec import SubnetSpec

TORCHVISION_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold)",
    "qnms(Tensor dets, Tensor scores, float iou_threshold)",
    "roi_align(Tensor input)",
    "qroi_align(Tensor input)",
    "_roi_align_backward(Tensor grad)",
    "ps_roi_align(Tensor input)",
    "_ps_roi_align_backward(Tensor grad)",
    "roi_pool(Tensor input)",
    "_roi_pool_backward(Tensor grad)",
    "ps_roi_pool(Tensor input)",
    "_ps_roi_pool_backward(Tensor grad)",
    "deform_conv2d(Tensor input)",
    "_deform_conv2d_backward(Tensor grad)",
)
_libraries: list[torch.library.Library] = []


def allow_torchvision_without_operators() -> None:
    """Let `import torchvision` succeed beside a torch that its compiled operators were not built for.

    `ofa` imports torchvision's Python parts only. A torchvision that imports is left as it is.
    """
    if _libraries:
        return
    with contextlib.suppress(ImportError, RuntimeError, OSError):
        import torchvision  # noqa: F401

        return
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in TORCHVISION_OPERATORS:
        with contextlib.suppress(RuntimeError):
            library.define(f"{operator} -> Tensor")  # type: ignore[no-untyped-call]
    _libraries.append(library)


def build_supernet(space: OfaMbv3Space) -> Any:
    """`OFAMobileNetV3` of this space with random weights, as a torch module."""
    allow_torchvision_without_operators()
    from ofa.imagenet_classification.elastic_nn.networks import (
        OFAMobileNetV3,
    )

    return OFAMobileNetV3(
        n_classes=space.n_classes,
        width_mult=space.width_mult,
        dropout_rate=0.0,
        ks_list=list(space.kernel_sizes),
        expand_ratio_list=list(space.expand_ratios),
        depth_list=list(space.depths),
    )


def initialised(net: Any) -> Any:
    """He initialisation, and residual branches that start at zero: a deep network then starts to learn."""
    from ofa.utils import init_models

    init_models(net)
    for block in net.blocks:
        if block.shortcut is not None:
            norm = block.conv.point_linear.bn
            torch.nn.init.zeros_(getattr(norm, "bn", norm).weight)
    return net


def set_active(net: Any, spec: SubnetSpec) -> None:
    """Make `net` run as sub-network `spec` (its resolution is the input's)."""
    net.set_active_subnet(ks=list(spec.kernel_size), e=list(spec.expand_ratio), d=list(spec.depth))


def to_tensors(net: Any) -> dict[str, FloatArray]:
    """The supernet's tensors as float32 arrays, named as in `OfaMbv3Space.tensor_shapes`."""
    state = {name: tensor for name, tensor in net.state_dict().items() if "num_batches" not in name}
    return {name: tensor.detach().cpu().numpy().astype(np.float32) for name, tensor in state.items()}


def load_tensors_into(net: Any, tensors: Mapping[str, FloatArray]) -> None:
    """Copy arrays, named as in `OfaMbv3Space.tensor_shapes`, into the torch supernet."""
    state = net.state_dict()
    with torch.no_grad():
        for name, array in tensors.items():
            state[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))


@contextlib.contextmanager
def frozen_running_statistics(net: Any) -> Iterator[None]:
    """Batch norm normalises by the batch at hand and leaves its running statistics alone."""
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    was_training = net.training
    net.train()
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        net.train(was_training)
