"""A StaticNetwork as the table of steps and the packed weights that src/network/ runs.

Tensors are float32 in blocks of 16 channels, (ceil(channels / 16), side, side, 16), channels beyond the last
zero; vectors are padded likewise. Weights of a product are (ceil(out / 16), in, 16), those of a depthwise
convolution (ceil(channels / 16), k * k, 16).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dynofa_ros.errors import DynofaError
from dynofa_ros.supernet.extraction import StaticBlock, StaticConv, StaticNetwork, StaticSE
from dynofa_ros.supernet.family import InputSpec

FloatArray = npt.NDArray[np.float32]

LANES = 16
NONE = -1
MAX_BANDS = 8
"""Parts in which sums over an image may come."""
NORMALISATION = 48
"""Means and factors of three channels, repeated up to a multiple of LANES."""

STEM, FRONT, DENSE, GATE, POINTWISE = range(5)
ACTIVATIONS = {"none": 0, "relu": 1, "h_swish": 2}
STEP_FIELDS = (
    *("kind", "input", "output", "residual", "sums_in", "sums_out"),
    *("in_channels", "out_channels", "in_side", "out_side", "kernel", "stride"),
    *("activation", "activation2", "weight", "bias", "weight2", "bias2"),
)
"""`DynofaNetworkStep` of src/network/program.h: 64-bit integers."""
_TENSORS = ("input", "output", "residual")
_VECTORS = ("sums_in", "sums_out")
_OPTIONAL = (*_TENSORS, *_VECTORS, "weight", "bias", "weight2", "bias2")
_HEAD = struct.Struct("<4q")


@dataclass(frozen=True, eq=False)
class Program:
    """Steps, (n, len(STEP_FIELDS)) int64, their weights, and the activations they need [floats].

    `output` is where the `n_outputs` logits lie among the activations.
    """

    steps: npt.NDArray[np.int64]
    weights: FloatArray
    activations: int
    output: int
    n_outputs: int

    def to_bytes(self) -> bytes:
        """For an artefact; `from_bytes` reads it."""
        head = _HEAD.pack(len(self.steps), self.activations, self.output, self.n_outputs)
        return head + self.steps.tobytes() + self.weights.tobytes()

    @classmethod
    def from_bytes(cls, data: npt.NDArray[np.uint8]) -> Program:
        """The program that `to_bytes` wrote; its arrays lie in `data`.

        Raises:
            ValueError, struct.error: it is none.
        """
        n_steps, activations, output, n_outputs = _HEAD.unpack_from(data.data)
        end = _HEAD.size + n_steps * len(STEP_FIELDS) * 8
        steps = data[_HEAD.size : end].view(np.int64).reshape(n_steps, len(STEP_FIELDS))
        return cls(steps, data[end:].view(np.float32), activations, output, n_outputs)


def compile_program(network: StaticNetwork, input_spec: InputSpec) -> Program:
    """The steps of `network`: uint8 NHWC RGB in, (x / 255 - mean) / std, logits out.

    Raises:
        DynofaError: a first layer other than 3x3 on three channels with stride 2.
    """
    builder = ProgramBuilder()
    stem = network.stem
    if stem.weight.shape[1:] != (3, 3, 3) or stem.stride != 2 or stem.padding != 1:
        raise DynofaError(f"native: first layer {stem.weight.shape} with stride {stem.stride} is not known")
    x = builder.stem(network, input_spec)
    for block in network.blocks:
        x = builder.block(x, block)
    vector = builder.pointwise(x, network.final_expand, sums=True).sums
    vector = builder.dense(vector, x.side, network.feature_mix.weight, network.feature_mix.bias, "h_swish")
    vector = builder.dense(vector, 1, network.classifier.weight, network.classifier.bias, "none")
    return builder.program(vector, network.n_classes)


@dataclass(frozen=True)
class Tensor:
    """A tensor in one of the builder's regions.

    `sums` is where the sums of each channel over the image lie among the vectors, NONE without.
    """

    region: int
    channels: int
    side: int
    sums: int = NONE


class ProgramBuilder:
    """Collects steps and weights. Tensors take turns in three regions of the activations.

    Blocks read from one of the first two regions and write to the other, by way of the third.
    """

    def __init__(self) -> None:
        self._steps: list[dict[str, int]] = []
        self._weights: list[FloatArray] = []
        self._n_weights = 0
        self._sizes = [0, 0, 0]
        self._n_vectors = 0
        self._current = 0

    def stem(self, network: StaticNetwork, input_spec: InputSpec) -> Tensor:
        """The image, normalised, through the first layer."""
        layer, side = network.stem, network.resolution
        mean = np.array(input_spec.mean, np.float32) * 255.0
        factor = 1.0 / (np.array(input_spec.std, np.float32) * 255.0)
        normalisation = np.concatenate([np.resize(mean, NORMALISATION), np.resize(factor, NORMALISATION)])
        result = self.tensor(self._current, layer.weight.shape[0], _out_side(side, 2))
        self._add(
            kind=STEM,
            output=result.region,
            in_channels=3,
            out_channels=result.channels,
            in_side=side,
            out_side=result.side,
            activation=ACTIVATIONS[layer.activation],
            weight=self._store(pack_product(layer.weight.transpose(0, 2, 3, 1).reshape(-1, 27))),
            bias=self._store(_padded(layer.bias)),
            weight2=self._store(normalisation.astype(np.float32)),
        )
        return result

    def block(self, x: Tensor, block: StaticBlock) -> Tensor:
        """Inverted residual: expand, depthwise, squeeze-and-excitation, project, shortcut."""
        y = self.front(x, block.expand, block.depthwise, sums=block.se is not None)
        if block.se is not None:
            self.squeeze_excite(y, block.se)
        return self.pointwise(y, block.project, x if block.residual else None)

    def front(self, x: Tensor, expand: StaticConv | None, depthwise: StaticConv, sums: bool) -> Tensor:
        """Expansion and depthwise convolution in one; with `sums` also each channel's sum."""
        channels, kernel = depthwise.weight.shape[0], depthwise.weight.shape[2]
        result = self.tensor(2, channels, _out_side(x.side, depthwise.stride), sums)
        weight = bias = NONE
        if expand is not None:
            weight, bias = self._store(pack_product(_matrix(expand))), self._store(_padded(expand.bias))
        self._add(
            kind=FRONT,
            input=x.region,
            output=result.region,
            sums_out=result.sums,
            in_channels=x.channels,
            out_channels=channels,
            in_side=x.side,
            out_side=result.side,
            kernel=kernel,
            stride=depthwise.stride,
            activation=ACTIVATIONS[expand.activation if expand is not None else "none"],
            activation2=ACTIVATIONS[depthwise.activation],
            weight=weight,
            bias=bias,
            weight2=self._store(pack_depthwise(depthwise.weight)),
            bias2=self._store(_padded(depthwise.bias)),
        )
        return result

    def squeeze_excite(self, x: Tensor, layer: StaticSE) -> None:
        """Scale each channel of `x`, in place, by what the means of all channels suggest."""
        reduced = self.dense(x.sums, x.side, layer.reduce_weight, layer.reduce_bias, "relu")
        self._add(
            kind=GATE,
            output=x.region,
            sums_in=reduced,
            in_channels=layer.reduce_weight.shape[0],
            out_channels=x.channels,
            in_side=1,
            out_side=x.side,
            weight=self._store(pack_product(layer.expand_weight.reshape(x.channels, -1))),
            bias=self._store(_padded(layer.expand_bias)),
        )

    def pointwise(
        self, x: Tensor, layer: StaticConv, residual: Tensor | None = None, sums: bool = False
    ) -> Tensor:
        """1x1 convolution, activation, shortcut."""
        self._current = 1 - self._current
        result = self.tensor(self._current, layer.weight.shape[0], x.side, sums)
        self._add(
            kind=POINTWISE,
            input=x.region,
            output=result.region,
            residual=NONE if residual is None else residual.region,
            sums_out=result.sums,
            in_channels=x.channels,
            out_channels=result.channels,
            in_side=x.side,
            out_side=x.side,
            activation=ACTIVATIONS[layer.activation],
            weight=self._store(pack_product(_matrix(layer))),
            bias=self._store(_padded(layer.bias)),
        )
        return result

    def dense(self, sums: int, side: int, weight: FloatArray, bias: FloatArray, activation: str) -> int:
        """activation(weight @ (vector / side^2) + bias); where the result lies."""
        matrix = weight.reshape(weight.shape[0], -1)
        result = self._vector(weight.shape[0])
        self._add(
            kind=DENSE,
            sums_in=sums,
            sums_out=result,
            in_channels=matrix.shape[1],
            out_channels=matrix.shape[0],
            in_side=side,
            out_side=1,
            activation=ACTIVATIONS[activation],
            weight=self._store(pack_product(matrix)),
            bias=self._store(_padded(bias)),
        )
        return result

    def program(self, vector: int, n_outputs: int) -> Program:
        """Everything collected, with `vector` as the result."""
        starts = np.concatenate([[0], np.cumsum(self._sizes)])
        for step in self._steps:
            for name in _TENSORS:
                if step[name] != NONE:
                    step[name] = int(starts[step[name]])
            for name in _VECTORS:
                if step[name] != NONE:
                    step[name] += int(starts[-1])
        table = np.array([[step[name] for name in STEP_FIELDS] for step in self._steps], np.int64)
        return Program(
            table.reshape(-1, len(STEP_FIELDS)),
            np.concatenate(self._weights),
            int(starts[-1]) + self._n_vectors,
            int(starts[-1]) + vector,
            n_outputs,
        )

    def tensor(self, region: int, channels: int, side: int, sums: bool = False) -> Tensor:
        """Room for a tensor, and for its sums."""
        self._sizes[region] = max(self._sizes[region], _round_up(channels) * side * side)
        return Tensor(region, channels, side, self._vector(channels) if sums else NONE)

    def _vector(self, channels: int) -> int:
        start = self._n_vectors
        self._n_vectors += MAX_BANDS * _round_up(channels)
        return start

    def _store(self, weights: FloatArray) -> int:
        """Where packed weights lie."""
        start = self._n_weights
        self._weights.append(weights.ravel())
        self._n_weights += weights.size
        return start

    def _add(self, **fields: int) -> None:
        defaults = {name: NONE if name in _OPTIONAL else 0 for name in STEP_FIELDS}
        self._steps.append({**defaults, **fields})


def pack_product(matrix: FloatArray) -> FloatArray:
    """(out, in) -> (ceil(out / 16), in, 16)."""
    rows = np.zeros((_round_up(matrix.shape[0]), matrix.shape[1]), np.float32)
    rows[: matrix.shape[0]] = matrix
    packed: FloatArray = np.ascontiguousarray(rows.reshape(-1, LANES, matrix.shape[1]).transpose(0, 2, 1))
    return packed


def pack_depthwise(weight: FloatArray) -> FloatArray:
    """(channels, 1, k, k) -> (ceil(channels / 16), k * k, 16)."""
    return pack_product(weight.reshape(weight.shape[0], -1))


def pack_tensor(x: FloatArray) -> FloatArray:
    """(channels, side, side) -> (ceil(channels / 16), side, side, 16)."""
    channels, side = x.shape[0], x.shape[1]
    return pack_product(x.reshape(channels, -1)).reshape(-1, side, side, LANES)


def unpack_tensor(blocks: FloatArray, channels: int) -> FloatArray:
    """(ceil(channels / 16), side, side, 16) -> (channels, side, side)."""
    side = blocks.shape[1]
    tensor: FloatArray = blocks.transpose(0, 3, 1, 2).reshape(-1, side, side)[:channels]
    return tensor


def _matrix(layer: StaticConv) -> FloatArray:
    return layer.weight.reshape(layer.weight.shape[:2])


def _padded(bias: FloatArray) -> FloatArray:
    return np.pad(bias, (0, _round_up(bias.size) - bias.size))


def _round_up(channels: int) -> int:
    return -(-channels // LANES) * LANES


def _out_side(side: int, stride: int) -> int:
    """Of a convolution with an odd kernel and padding that keeps the side."""
    return (side - 1) // stride + 1
