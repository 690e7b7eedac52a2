"""What calibration for int8 found, by layer: numbers that turn a StaticNetwork into its quantized graph.

The file is safetensors beside the family file; its tensors are called MEMBER/KIND/LAYER with layers as
`engine.openvino_graph` names them. Weights are not in it: they are those of the family, rounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dynofa_ros.errors import ConfigError

from .extraction import FloatArray
from .weights import load_tensors, save_tensors

KINDS = ("ranges", "biases")


@dataclass(frozen=True, eq=False)
class Quantization:
    """Calibration of one sub-network; a layer that is not named stays as it is.

    `ranges` holds, by name of a graph node, the least and the greatest value that its output keeps, (2, 1)
    or (2, channels): 256 levels between them. `biases` (out,) replace those of a layer, to make up for what
    rounding shifts; the layers that have one compute with 8-bit weights.
    """

    ranges: Mapping[str, FloatArray]
    biases: Mapping[str, FloatArray]


def save_quantizations(path: Path, quantizations: Mapping[str, Quantization]) -> str:
    """Write the calibrations of a family's members by name; returns the file's SHA-256."""
    return save_tensors(path, dict(_tensors(quantizations)))


def _tensors(quantizations: Mapping[str, Quantization]) -> Iterator[tuple[str, FloatArray]]:
    for member, quantization in quantizations.items():
        for kind in KINDS:
            for layer, tensor in getattr(quantization, kind).items():
                yield f"{member}/{kind}/{layer}", tensor


def load_quantizations(path: Path, sha256: str) -> dict[str, Quantization]:
    """Calibrations by member, from a file that `save_quantizations` wrote.

    Raises ConfigError when the file is missing, has another SHA-256, or holds something else.
    """
    found: dict[str, dict[str, dict[str, FloatArray]]] = {}
    for name, tensor in load_tensors(path, sha256).items():
        member, kind, layer = _parts(path, name)
        _check(path, name, kind, tensor)
        found.setdefault(member, {key: {} for key in KINDS})[kind][layer] = tensor
    return {member: Quantization(**parts) for member, parts in found.items()}


def _parts(path: Path, name: str) -> tuple[str, str, str]:
    member, _, rest = name.partition("/")
    kind, _, layer = rest.partition("/")
    if kind not in KINDS or not member or not layer:
        raise ConfigError(path, name, f"tensors are called MEMBER/KIND/LAYER with KIND one of {KINDS}")
    return member, kind, layer


def _check(path: Path, name: str, kind: str, tensor: FloatArray) -> None:
    """Refuse values that no calibration finds."""
    if not np.isfinite(tensor).all():
        raise ConfigError(path, name, "contains values that are not finite")
    if kind == "ranges" and not (tensor.ndim == 2 and len(tensor) == 2 and (tensor[0] < tensor[1]).all()):
        raise ConfigError(path, name, "must be (2, n) with a greater second row")
    if kind == "biases" and tensor.ndim != 1:
        raise ConfigError(path, name, "must be one-dimensional")
