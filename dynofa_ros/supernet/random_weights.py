"""Random tensors of the right shapes, for trying a family without its weights."""

from __future__ import annotations

import numpy as np

from .extraction import FloatArray
from .space import OfaMbv3Space


def random_tensors(space: OfaMbv3Space, seed: int) -> dict[str, FloatArray]:
    """Untrained supernet tensors (He initialisation, neutral batch norm); they know nothing."""
    rng = np.random.default_rng(seed)
    return {name: _random_tensor(name, shape, rng) for name, shape in space.tensor_shapes().items()}


def _random_tensor(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    if name.endswith("_matrix"):
        return np.eye(shape[0], dtype=np.float32)
    if len(shape) == 1:
        neutral = 1.0 if name.endswith((".weight", "running_var")) else 0.0
        return np.full(shape, neutral, np.float32)
    fan_in = int(np.prod(shape[1:]))
    return rng.normal(0.0, np.sqrt(2.0 / fan_in), shape).astype(np.float32)
