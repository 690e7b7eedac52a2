"""Calibration for int8 by NNCF's post-training quantization; what it finds is kept, its graph is not."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from dynofa_ros.engine.backend import BackendUnavailable
from dynofa_ros.engine.openvino_graph import LEVELS, build_model
from dynofa_ros.errors import DynofaError
from dynofa_ros.supernet.network_source import NetworkSource
from dynofa_ros.supernet.quantization import Quantization

Node = Any
FloatArray = npt.NDArray[np.float32]
_LAYERS = ("Convolution", "GroupConvolution", "MatMul")


def calibrate(source: NetworkSource, images: Iterable[npt.NDArray[np.uint8]]) -> Quantization:
    """What NNCF finds for `source` on RGB `images`, each uint8 (1, r, r, 3).

    Raises:
        BackendUnavailable: nncf is not installed.
    """
    return read_quantization(quantized_model(source, images))


def quantized_model(source: NetworkSource, images: Iterable[npt.NDArray[np.uint8]]) -> ov.Model:
    """NNCF's own quantized graph of `source`: symmetric, with fast bias correction."""
    try:
        import nncf
    except ImportError as error:
        raise BackendUnavailable("calibration needs nncf: install it with: pip install nncf") from error
    nncf.set_log_level(logging.ERROR)
    samples = list(images)
    quantized: ov.Model = nncf.quantize(
        build_model(source.network(), source.input_spec),
        nncf.Dataset(samples),
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(samples),
        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=_no_overflow_fix()),
    )
    return quantized


def _no_overflow_fix() -> Any:
    """All 8 bits for the first layer too: half of them serve processors older than VNNI."""
    from nncf.quantization.advanced_parameters import OverflowFix

    return OverflowFix.DISABLE


def read_quantization(model: ov.Model) -> Quantization:
    """The calibration in a quantized graph, by the names that `build_model` gave."""
    ranges, layers, biases = {}, set(), {}
    for node in model.get_ordered_ops():
        kind, name = node.get_type_name(), node.get_friendly_name()
        if kind == "FakeQuantize":
            ranges[_source(node, 0).get_friendly_name()] = _limits(node)
        elif kind in _LAYERS and _source(node, 1).get_type_name() == "Multiply":
            layers.add(name)
        elif kind == "Add" and name.endswith(".bias"):
            biases[name.removesuffix(".bias")] = _values(_source(node, 1)).ravel()
    return Quantization(ranges, {name: bias for name, bias in biases.items() if name in layers})


def _source(node: Node, index: int) -> Node:
    """The node that computes an input."""
    return node.input(index).get_source_output().get_node()


def _limits(node: Node) -> FloatArray:
    """Least and greatest value that a FakeQuantize keeps, (2, n)."""
    low, high, *out = (_values(_source(node, index)).ravel() for index in range(1, 5))
    if node.get_attributes()["levels"] != LEVELS or not np.array_equal([low, high], out):
        raise DynofaError(f"{node.get_friendly_name()}: NNCF chose a quantizer of a kind not known here")
    return np.stack([low, high])


def _values(node: Node) -> FloatArray:
    """Values of a constant, possibly converted."""
    while node.get_type_name() == "Convert":
        node = _source(node, 0)
    return np.asarray(node.get_data(), dtype=np.float32)
