"""A StaticNetwork as an OpenVINO graph, built node by node without torch or a converter."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as op

from dynofa_ros.errors import DynofaError
from dynofa_ros.supernet.extraction import StaticBlock, StaticConv, StaticNetwork, StaticSE
from dynofa_ros.supernet.family import InputSpec
from dynofa_ros.supernet.quantization import Quantization

Node = Any
"""openvino.Node, which has no usable annotations."""
FloatArray = npt.NDArray[np.float32]

LEVELS = 256
_SPATIAL_AXES = np.array([2, 3], np.int64)
_ONE, _NONE = [1, 1], [0, 0]


def build_model(
    network: StaticNetwork, input_spec: InputSpec, quantization: Quantization | None = None
) -> ov.Model:
    """The network as an OpenVINO graph: uint8 NHWC RGB in, (x / 255 - mean) / std, logits out.

    Nodes are named as in `StaticNetwork`: "stem", "blocks.3.depthwise", "blocks.3.se.reduce", "classifier".
    With `quantization` weights are 8-bit, and outputs of the nodes that it names are rounded to 256 levels.

    Raises:
        DynofaError: the calibration does not belong to this network.
    """
    return _Builder(quantization or Quantization({}, {})).model(network, input_spec)


class _Builder:
    """Makes nodes, rounds what the calibration names, and notices what was not used of it."""

    def __init__(self, quantization: Quantization) -> None:
        self._quantization = quantization
        self._ranges, self._unused = dict(quantization.ranges), set(quantization.biases)

    def model(self, network: StaticNetwork, input_spec: InputSpec) -> ov.Model:
        side = network.resolution
        image = op.parameter([1, side, side, 3], np.uint8, name="image")
        x = self._conv(self._normalise(image, input_spec), network.stem, "stem")
        for index, block in enumerate(network.blocks):
            x = self._block(x, block, f"blocks.{index}")
        x = self._conv(x, network.final_expand, "final_expand")
        x = self._out(op.reduce_mean(x, _SPATIAL_AXES, keep_dims=True), "mean")
        x = self._conv(x, network.feature_mix, "feature_mix")
        x = op.reshape(x, np.array([1, -1], np.int64), special_zero=False)
        linear = network.classifier
        x = self._out(op.matmul(x, self._weight(linear.weight, "classifier"), False, True), "classifier")
        x = self._add_bias(x, linear.bias, "classifier", (1, -1))
        self._check_all_used(network.spec.name)
        return ov.Model([x], [image], network.spec.name)

    def _check_all_used(self, name: str) -> None:
        unused = ", ".join([*self._ranges, *self._unused][:3])
        if unused:
            raise DynofaError(f"calibration of {name} names {unused}: it belongs to another network")

    def _out(self, node: Node, name: str) -> Node:
        """`node` under its name, rounded if the calibration has a range for it."""
        node.set_friendly_name(name)
        limits = self._ranges.pop(name, None)
        if limits is None:
            return node
        low, high = (self._range_constant(node, name, limit) for limit in limits)
        return op.fake_quantize(node, low, high, low, high, LEVELS)

    def _range_constant(self, node: Node, name: str, limit: FloatArray) -> Node:
        """One value, or one for each channel of `node`."""
        if limit.size == 1:
            return op.constant(limit.reshape(()))
        shape = [1] * node.get_output_partial_shape(0).rank.get_length()
        shape[1] = limit.size
        if node.get_output_shape(0)[1] != limit.size:
            raise DynofaError(f"calibration of {name} has {limit.size} channels: it is of another network")
        return op.constant(limit.reshape(shape))

    def _weight(self, weight: FloatArray, name: str) -> Node:
        """Weights as they are, or as 8-bit integers times a step per output channel if calibrated."""
        if name not in self._quantization.biases:
            return op.constant(weight)
        self._unused.discard(name)
        rounded, step = round_weights(weight)
        return op.multiply(op.convert(op.constant(rounded), np.float32), op.constant(step))

    def _add_bias(self, x: Node, bias: FloatArray, name: str, shape: tuple[int, ...]) -> Node:
        """Add one value per channel."""
        corrected = self._quantization.biases.get(name, bias)
        if corrected.shape != bias.shape:
            raise DynofaError(f"calibration of {name} has {corrected.size} outputs, the layer {bias.size}")
        return self._out(op.add(x, op.constant(corrected.reshape(shape))), f"{name}.bias")

    def _normalise(self, image: Node, input_spec: InputSpec) -> Node:
        """uint8 NHWC to float NCHW, with the family's mean and standard deviation (of values 0..1)."""
        mean = np.array(input_spec.mean, np.float32) * 255.0
        scale = 1.0 / (np.array(input_spec.std, np.float32) * 255.0)
        x = op.subtract(op.convert(image, np.float32), op.constant(mean))
        x = self._out(op.multiply(x, op.constant(scale.astype(np.float32))), "image.normalised")
        return op.transpose(x, np.array([0, 3, 1, 2], np.int64))

    def _conv(self, x: Node, layer: StaticConv, name: str) -> Node:
        """Convolution, bias, activation."""
        stride, pad, weight = [layer.stride] * 2, [layer.padding] * 2, layer.weight
        if layer.groups == 1:
            x = op.convolution(x, self._weight(weight, name), stride, pad, pad, _ONE)
        else:
            out, per_group, *kernel = weight.shape
            grouped = weight.reshape(layer.groups, out // layer.groups, per_group, *kernel)
            x = op.group_convolution(x, self._weight(grouped, name), stride, pad, pad, _ONE)
        x = self._add_bias(self._out(x, name), layer.bias, name, (1, -1, 1, 1))
        return self._activate(x, layer.activation, name)

    def _activate(self, x: Node, activation: str, name: str) -> Node:
        """relu, h_swish or nothing."""
        if activation == "none":
            return x
        return self._out(op.relu(x) if activation == "relu" else op.hswish(x), f"{name}.{activation}")

    def _squeeze_excite(self, x: Node, layer: StaticSE, name: str) -> Node:
        """Scale each channel by what the mean of all channels suggests."""
        y = self._out(op.reduce_mean(x, _SPATIAL_AXES, keep_dims=True), f"{name}.mean")
        y = self._pointwise(y, layer.reduce_weight, layer.reduce_bias, f"{name}.reduce")
        y = self._out(op.relu(y), f"{name}.reduce.relu")
        y = self._pointwise(y, layer.expand_weight, layer.expand_bias, f"{name}.expand")
        return self._out(op.multiply(x, self._out(op.hsigmoid(y), f"{name}.gate")), name)

    def _pointwise(self, x: Node, weight: FloatArray, bias: FloatArray, name: str) -> Node:
        """1x1 convolution and bias."""
        x = self._out(op.convolution(x, self._weight(weight, name), _ONE, _NONE, _NONE, _ONE), name)
        return self._add_bias(x, bias, name, (1, -1, 1, 1))

    def _block(self, x: Node, block: StaticBlock, name: str) -> Node:
        """Inverted residual: expand, depthwise, squeeze-and-excitation, project, shortcut."""
        y = x if block.expand is None else self._conv(x, block.expand, f"{name}.expand")
        y = self._conv(y, block.depthwise, f"{name}.depthwise")
        if block.se is not None:
            y = self._squeeze_excite(y, block.se, f"{name}.se")
        y = self._conv(y, block.project, f"{name}.project")
        return self._out(op.add(y, x), name) if block.residual else y


def round_weights(weight: FloatArray) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """8-bit integers, symmetric in each output channel, and the step (its shape broadcasts) of a weight.

    `weight` is (out, ...), or (groups, out per group, ...) with five dimensions.
    """
    outputs = 2 if weight.ndim == 5 else 1
    largest = np.abs(weight).max(axis=tuple(range(outputs, weight.ndim)), keepdims=True)
    largest = np.maximum(largest, np.finfo(np.float32).tiny * 254)
    rounded = np.rint((weight + largest) / (largest + largest) * np.float32(254)) - 127
    return rounded.astype(np.int8), (largest / np.float32(127)).astype(np.float32)
