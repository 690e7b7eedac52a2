"""Weight files: safetensors, checked against the sha256 that the family file names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from dynofa_ros.errors import ConfigError

from .extraction import BatchNormStats, FloatArray
from .space import OfaMbv3Space
from .subnet_spec import SubnetSpec

SUBNET_PREFIX = "subnets"


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_tensors(path: Path, sha256: str) -> dict[str, FloatArray]:
    """All tensors of a safetensors file as float32.

    Raises ConfigError when the file is missing, unreadable or has another SHA-256 than `sha256`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(path, "", f"cannot read the weights: {error.strerror}") from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        message = f"is {actual}, the family file says {sha256}; restore the file that belongs to it"
        raise ConfigError(path, "sha256", message)
    try:
        tensors = load(content)
    except Exception as error:
        raise ConfigError(path, "", f"not a readable safetensors file: {error}") from error
    return {name: np.asarray(tensor, dtype=np.float32) for name, tensor in tensors.items()}


def save_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> str:
    """Write a safetensors file at once (an interrupted write leaves the old file); returns its SHA-256."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}))
    partial.replace(path)
    return sha256_of(path)


def compact(tensors: Mapping[str, FloatArray]) -> dict[str, np.ndarray]:
    """Matrices and convolution kernels as float16, vectors (biases, batch norm) as float32."""
    return {
        name: tensor.astype(np.float16 if tensor.ndim > 1 else np.float32) for name, tensor in tensors.items()
    }


def check_shapes(path: Path, tensors: Mapping[str, FloatArray], space: OfaMbv3Space) -> None:
    """Raise ConfigError at the first tensor that is missing or has another shape than `space` asks for."""
    for name, shape in space.tensor_shapes().items():
        if name not in tensors:
            raise ConfigError(path, name, f"tensor is missing; the space asks for shape {shape}")
        actual = tuple(tensors[name].shape)
        if actual != shape:
            raise ConfigError(path, name, f"shape {actual}, but the space asks for {shape}")


def subnet_statistics(
    path: Path, tensors: Mapping[str, FloatArray], space: OfaMbv3Space, spec: SubnetSpec
) -> BatchNormStats | None:
    """Stored batch-norm statistics of a sub-network; None when the file has none for it.

    Raises ConfigError when some are missing or have another shape than the active channels.
    """
    prefix = f"{SUBNET_PREFIX}/{spec.name}/"
    if not any(name.startswith(prefix) for name in tensors):
        return None
    statistics = {}
    for norm, channels in space.batch_norms(spec).items():
        pair = [_vector(path, tensors, f"{prefix}{norm}.{part}", channels) for part in ("mean", "var")]
        statistics[norm] = (pair[0], pair[1])
    return statistics


def named_statistics(name: str, statistics: BatchNormStats) -> dict[str, FloatArray]:
    """Tensors under which `subnet_statistics` finds the statistics of sub-network `name` again."""
    tensors = {}
    for norm, (mean, variance) in statistics.items():
        tensors[f"{SUBNET_PREFIX}/{name}/{norm}.mean"] = mean
        tensors[f"{SUBNET_PREFIX}/{name}/{norm}.var"] = variance
    return tensors


def _vector(path: Path, tensors: Mapping[str, FloatArray], name: str, channels: int) -> FloatArray:
    if name not in tensors:
        raise ConfigError(path, name, f"tensor is missing; the sub-network asks for shape {(channels,)}")
    if tensors[name].shape != (channels,):
        message = f"shape {tuple(tensors[name].shape)}, but the sub-network asks for {(channels,)}"
        raise ConfigError(path, name, message)
    return tensors[name]
