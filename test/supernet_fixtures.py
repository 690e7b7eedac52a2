"""What the tests of the supernet share; importing it needs neither torch nor ofa."""

from __future__ import annotations

import numpy as np
import pytest

from dynofa_ros.supernet.random_weights import random_tensors
from dynofa_ros.supernet.space import OfaMbv3Space
from dynofa_ros.supernet.subnet_spec import SubnetSpec


def need_ofa() -> None:
    """Skip the test where torch or ofa is absent."""
    pytest.importorskip("torch", reason="torch is not installed")
    from dynofa_ros.supernet.ofa_torch import allow_torchvision_without_operators

    allow_torchvision_without_operators()
    pytest.importorskip("ofa.imagenet_classification.elastic_nn.networks", reason="ofa is not installed")


def random_spec(space: OfaMbv3Space, seed: int, name: str = "random") -> SubnetSpec:
    rng = np.random.default_rng(seed)

    def several(choices: tuple[int, ...], count: int) -> tuple[int, ...]:
        return tuple(int(value) for value in rng.choice(choices, count))

    return SubnetSpec(
        name,
        several(space.resolutions, 1)[0],
        several(space.depths, 5),
        several(space.kernel_sizes, 20),
        several(space.expand_ratios, 20),
    )


def lively_tensors(space: OfaMbv3Space, seed: int) -> dict[str, np.ndarray]:
    """Random tensors in which nothing is neutral: kernel matrices, batch norm and biases count."""
    rng = np.random.default_rng(seed)
    tensors = random_tensors(space, seed)
    for name, tensor in tensors.items():
        if name.endswith("_matrix"):
            noise = 0.1 * rng.standard_normal(tensor.shape)
        elif tensor.ndim == 1:
            noise = 0.2 * rng.uniform(-1, 1, tensor.shape)
        else:
            continue
        tensors[name] = (tensor + noise).astype(np.float32)
    return tensors
