"""OpenVINO on the CPU: the graph is built from a StaticNetwork, without torch or a converter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as op

from dynofa_ros.engine.backend import BackendUnavailable, Logits
from dynofa_ros.supernet.extraction import StaticBlock, StaticConv, StaticNetwork, StaticSE
from dynofa_ros.supernet.family import InputSpec

Node = Any
"""openvino.Node, which has no usable annotations."""

_PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16"}
_SPATIAL_AXES = np.array([2, 3], np.int64)


class OpenVinoBackend:
    """Compiles for latency: one stream; threads are not pinned, so that several nodes can share the cores."""

    name = "openvino"
    element = "cpu"

    def __init__(self, precision: str = "fp32") -> None:
        """Check the processor.

        Raises:
            BackendUnavailable: a precision this processor does not compute natively.
        """
        self._core = ov.Core()
        offered = self._precisions()
        if precision not in offered:
            raise BackendUnavailable(
                f"precision {precision!r}: this processor offers {', '.join(offered)} with OpenVINO"
            )
        self.precision = precision

    def _precisions(self) -> list[str]:
        """fp32, and bf16 where the processor has it."""
        capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return ["fp32", "bf16"] if "BF16" in capabilities else ["fp32"]

    def version(self) -> str:
        """Library and version."""
        return f"openvino {ov.__version__.split('-')[0]}"

    def compile(
        self, network: StaticNetwork, input_spec: InputSpec, threads: int, cache_dir: Path | None = None
    ) -> OpenVinoNetwork:
        """Make `network` resident. Input mean and scale are part of the graph."""
        config: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[self.precision],
        }
        if cache_dir is not None:
            config["CACHE_DIR"] = str(cache_dir)
        compiled = self._core.compile_model(build_model(network, input_spec), "CPU", config)
        return OpenVinoNetwork(compiled, network.resolution)


class OpenVinoNetwork:
    """One infer request with its own input memory. OpenVINO releases the GIL while it infers."""

    def __init__(self, compiled: ov.CompiledModel, resolution: int) -> None:
        self._compiled = compiled
        self._resolution = resolution
        self._input = np.zeros((1, resolution, resolution, 3), np.uint8)
        self._request = compiled.create_infer_request()
        self._request.set_input_tensor(ov.Tensor(self._input, shared_memory=True))
        self._output: npt.NDArray[np.float32] = self._request.get_output_tensor().data

    @property
    def resolution(self) -> int:
        """Side of the square input [px]."""
        return self._resolution

    def infer(self, image: npt.NDArray[np.uint8]) -> Logits:
        """Logits, float32 (n_classes,), of an RGB image, uint8 (1, r, r, 3).

        Raises:
            ValueError: an image of another shape.
        """
        if image.shape != self._input.shape:
            raise ValueError(f"image {image.shape}: this sub-network reads {self._input.shape}")
        np.copyto(self._input, image)
        self._request.infer()
        logits: Logits = self._output[0].copy()
        return logits


def build_model(network: StaticNetwork, input_spec: InputSpec) -> ov.Model:
    """The network as an OpenVINO graph: uint8 NHWC RGB in, (x / 255 - mean) / std, logits out."""
    side = network.resolution
    image = op.parameter([1, side, side, 3], np.uint8, name="image")
    x = _normalise(image, input_spec)
    x = _conv(x, network.stem)
    for block in network.blocks:
        x = _block(x, block)
    x = op.reduce_mean(_conv(x, network.final_expand), _SPATIAL_AXES, keep_dims=True)
    x = _conv(x, network.feature_mix)
    x = op.reshape(x, np.array([1, -1], np.int64), special_zero=False)
    linear = network.classifier
    x = op.add(op.matmul(x, op.constant(linear.weight), False, True), op.constant(linear.bias[None]))
    return ov.Model([x], [image], network.spec.name)


def _normalise(image: Node, input_spec: InputSpec) -> Node:
    """uint8 NHWC to float NCHW, with the family's mean and standard deviation (of values 0..1)."""
    mean = np.array(input_spec.mean, np.float32).reshape(1, 3, 1, 1) * 255.0
    scale = 1.0 / (np.array(input_spec.std, np.float32).reshape(1, 3, 1, 1) * 255.0)
    x = op.transpose(image, np.array([0, 3, 1, 2], np.int64))
    x = op.convert(x, np.float32)
    return op.multiply(op.subtract(x, op.constant(mean)), op.constant(scale.astype(np.float32)))


def _conv(x: Node, layer: StaticConv) -> Node:
    """Convolution, bias, activation."""
    stride, pad = [layer.stride] * 2, [layer.padding] * 2
    if layer.groups == 1:
        x = op.convolution(x, op.constant(layer.weight), stride, pad, pad, [1, 1])
    else:
        out, per_group, *kernel = layer.weight.shape
        grouped = layer.weight.reshape(layer.groups, out // layer.groups, per_group, *kernel)
        x = op.group_convolution(x, op.constant(grouped), stride, pad, pad, [1, 1])
    return _activate(_add_bias(x, layer.bias), layer.activation)


def _add_bias(x: Node, bias: npt.NDArray[np.float32]) -> Node:
    """Add one value per channel."""
    return op.add(x, op.constant(bias.reshape(1, -1, 1, 1)))


def _activate(x: Node, activation: str) -> Node:
    """relu, h_swish or nothing."""
    if activation == "relu":
        return op.relu(x)
    return op.hswish(x) if activation == "h_swish" else x


def _squeeze_excite(x: Node, layer: StaticSE) -> Node:
    """Scale each channel by what the mean of all channels suggests."""
    y = op.reduce_mean(x, _SPATIAL_AXES, keep_dims=True)
    y = op.convolution(y, op.constant(layer.reduce_weight), [1, 1], [0, 0], [0, 0], [1, 1])
    y = op.relu(_add_bias(y, layer.reduce_bias))
    y = op.convolution(y, op.constant(layer.expand_weight), [1, 1], [0, 0], [0, 0], [1, 1])
    return op.multiply(x, op.hsigmoid(_add_bias(y, layer.expand_bias)))


def _block(x: Node, block: StaticBlock) -> Node:
    """Inverted residual: expand, depthwise, squeeze-and-excitation, project, shortcut."""
    y = x if block.expand is None else _conv(x, block.expand)
    y = _conv(y, block.depthwise)
    if block.se is not None:
        y = _squeeze_excite(y, block.se)
    y = _conv(y, block.project)
    return op.add(y, x) if block.residual else y
