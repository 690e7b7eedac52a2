"""A StaticNetwork as an ONNX model, written node by node with the `onnx` package."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dynofa_ros.engine.backend import BackendUnavailable
from dynofa_ros.supernet.extraction import StaticBlock, StaticConv, StaticNetwork, StaticSE
from dynofa_ros.supernet.family import InputSpec

OPSET = 17
IR_VERSION = 8
"""Read by ONNX Runtime 1.11 and TensorRT 8.6 and later."""
INPUT, OUTPUT = "image", "logits"


def onnx_model(network: StaticNetwork, input_spec: InputSpec) -> bytes:
    """The serialised model: uint8 NHWC RGB in, (x / 255 - mean) / std, logits out.

    Raises:
        BackendUnavailable: the `onnx` package is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise BackendUnavailable(
            "writing a network for ONNX Runtime needs onnx: install it with: pip install onnx"
        ) from error
    writer = _Writer(onnx)
    content: bytes = writer.model(network, input_spec).SerializeToString()
    return content


class _Writer:
    """Collects nodes and constants; values are passed on by name."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def model(self, network: StaticNetwork, input_spec: InputSpec) -> Any:
        helper, types = self._onnx.helper, self._onnx.TensorProto
        x = self._conv(self._normalised(input_spec), network.stem, "stem")
        for index, block in enumerate(network.blocks):
            x = self._block(x, block, f"blocks.{index}")
        x = self._conv(x, network.final_expand, "final_expand")
        x = self._conv(self._node("GlobalAveragePool", [x]), network.feature_mix, "feature_mix")
        weight = self._constant(network.classifier.weight, "classifier.weight")
        bias = self._constant(network.classifier.bias, "classifier.bias")
        self._node("Gemm", [self._node("Flatten", [x]), weight, bias], OUTPUT, transB=1)
        side = network.resolution
        graph = helper.make_graph(
            self._nodes,
            network.spec.name,
            [helper.make_tensor_value_info(INPUT, types.UINT8, [1, side, side, 3])],
            [helper.make_tensor_value_info(OUTPUT, types.FLOAT, [1, network.n_classes])],
            self._constants,
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)

    def _node(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its output."""
        output = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _constant(self, array: npt.NDArray[np.float32], name: str) -> str:
        self._constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _normalised(self, input_spec: InputSpec) -> str:
        """uint8 NHWC to float NCHW, with the family's mean and standard deviation (of values 0..1)."""
        mean = np.array(input_spec.mean, np.float32) * np.float32(255)
        std = np.array(input_spec.std, np.float32) * np.float32(255)
        x = self._node("Cast", [INPUT], to=self._onnx.TensorProto.FLOAT)
        x = self._node("Sub", [x, self._constant(mean, "mean")])
        x = self._node("Mul", [x, self._constant(1 / std, "scale")])
        return self._node("Transpose", [x], perm=[0, 3, 1, 2])

    def _conv(self, x: str, layer: StaticConv, name: str) -> str:
        """Convolution, bias, activation."""
        weight = self._constant(layer.weight, f"{name}.weight")
        inputs = [x, weight, self._constant(layer.bias, f"{name}.bias")]
        stride, pads = [layer.stride] * 2, [layer.padding] * 4
        kernel = list(layer.weight.shape[2:])
        x = self._node("Conv", inputs, strides=stride, pads=pads, group=layer.groups, kernel_shape=kernel)
        if layer.activation == "none":
            return x
        return self._node("Relu" if layer.activation == "relu" else "HardSwish", [x])

    def _squeeze_excite(self, x: str, layer: StaticSE, name: str) -> str:
        """Scale each channel by what the mean of all channels suggests."""
        reduce = StaticConv(layer.reduce_weight, layer.reduce_bias, 1, 0, 1, "relu")
        expand = StaticConv(layer.expand_weight, layer.expand_bias, 1, 0, 1, "none")
        y = self._conv(self._node("GlobalAveragePool", [x]), reduce, f"{name}.reduce")
        y = self._node("HardSigmoid", [self._conv(y, expand, f"{name}.expand")], alpha=1 / 6, beta=0.5)
        return self._node("Mul", [x, y])

    def _block(self, x: str, block: StaticBlock, name: str) -> str:
        """Inverted residual: expand, depthwise, squeeze-and-excitation, project, shortcut."""
        y = x if block.expand is None else self._conv(x, block.expand, f"{name}.expand")
        y = self._conv(y, block.depthwise, f"{name}.depthwise")
        if block.se is not None:
            y = self._squeeze_excite(y, block.se, f"{name}.se")
        y = self._conv(y, block.project, f"{name}.project")
        return self._node("Add", [y, x]) if block.residual else y
