"""Extraction of one static sub-network from a supernet's tensors, in plain numpy.

A sub-network takes the first channels of each elastic layer (the supernet is trained with its
important channels first), and smaller depthwise kernels are the centre of the next larger ones
times a learned matrix (Cai et al., "Once for All", ICLR 2020, section 3.3). Batch normalisation is
folded into the convolutions, so that what remains are convolutions, activations and additions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .space import BATCH_NORM_EPS, Activation, BlockConfig, OfaMbv3Space
from .subnet_spec import SubnetSpec

FloatArray = npt.NDArray[np.float32]
Tensors = Mapping[str, FloatArray]
BatchNormStats = Mapping[str, tuple[FloatArray, FloatArray]]
"""Per batch-norm layer (tensor name without its last part): mean and variance of the active channels."""


@dataclass(frozen=True, eq=False)
class StaticConv:
    """Convolution with bias, then `activation`.

    `weight` is (out, in / groups, k, k) float32, `bias` (out,). `padding` pixels of zeros are added on
    each of the four sides. Activations: "none", "relu" and "h_swish" = x * clip(x + 3, 0, 6) / 6.
    """

    weight: FloatArray
    bias: FloatArray
    stride: int
    padding: int
    groups: int
    activation: Activation


@dataclass(frozen=True, eq=False)
class StaticSE:
    """Squeeze-and-excitation: x * h_sigmoid(expand(relu(reduce(mean of x over height and width)))).

    `reduce_weight` is (mid, channels, 1, 1), `expand_weight` (channels, mid, 1, 1);
    h_sigmoid(x) = clip(x + 3, 0, 6) / 6.
    """

    reduce_weight: FloatArray
    reduce_bias: FloatArray
    expand_weight: FloatArray
    expand_bias: FloatArray


@dataclass(frozen=True, eq=False)
class StaticBlock:
    """Inverted residual: expand (if any), depthwise, `se` after the depthwise activation, project.

    With `residual` the block's input is added to the projection's output.
    """

    expand: StaticConv | None
    depthwise: StaticConv
    se: StaticSE | None
    project: StaticConv
    residual: bool


@dataclass(frozen=True, eq=False)
class StaticLinear:
    """x @ weight.T + bias; `weight` is (out, in), `bias` (out,)."""

    weight: FloatArray
    bias: FloatArray


@dataclass(frozen=True, eq=False)
class StaticNetwork:
    """A sub-network with fixed shapes: image (n, 3, resolution, resolution) -> logits (n, n_classes).

    Order: `stem`, `blocks`, `final_expand` (1x1), mean over height and width, `feature_mix` (1x1 on the
    mean, with activation), `classifier`. The input is normalised by the family's mean and std before.
    """

    spec: SubnetSpec
    stem: StaticConv
    blocks: tuple[StaticBlock, ...]
    final_expand: StaticConv
    feature_mix: StaticConv
    classifier: StaticLinear

    @property
    def resolution(self) -> int:
        """Side of the square input [px]."""
        return self.spec.resolution

    @property
    def n_classes(self) -> int:
        """Number of logits."""
        return int(self.classifier.weight.shape[0])

    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(array.size for array in self._arrays())

    def _arrays(self) -> Iterator[FloatArray]:
        convs = [self.stem, self.final_expand, self.feature_mix]
        for block in self.blocks:
            convs += [conv for conv in (block.expand, block.depthwise, block.project) if conv is not None]
            if block.se is not None:
                yield from (block.se.reduce_weight, block.se.reduce_bias)
                yield from (block.se.expand_weight, block.se.expand_bias)
        for conv in convs:
            yield from (conv.weight, conv.bias)
        yield from (self.classifier.weight, self.classifier.bias)


def extract(
    space: OfaMbv3Space, tensors: Tensors, spec: SubnetSpec, batch_norm: BatchNormStats | None = None
) -> StaticNetwork:
    """Static sub-network `spec` of the supernet `tensors`.

    `batch_norm` holds the sub-network's own statistics; without it the supernet's running statistics
    are used, cut to the active channels. Raises ValueError when `spec` is not in `space`.
    """
    space.validate(spec)
    source = _Source(tensors, batch_norm)
    mix = tensors["feature_mix_layer.conv.weight"]
    return StaticNetwork(
        spec=spec,
        stem=source.conv("first_conv.conv", "first_conv.bn", 3, stride=2, activation="h_swish"),
        blocks=tuple(source.block(config, space.kernel_sizes) for config in space.blocks(spec)),
        final_expand=source.conv(
            "final_expand_layer.conv", "final_expand_layer.bn", space.widths[6], activation="h_swish"
        ),
        feature_mix=StaticConv(mix, np.zeros(mix.shape[0], np.float32), 1, 0, 1, "h_swish"),
        classifier=StaticLinear(tensors["classifier.linear.weight"], tensors["classifier.linear.bias"]),
    )


def shrink_kernel(
    weight: FloatArray, kernel_sizes: tuple[int, ...], kernel_size: int, matrices: Mapping[str, FloatArray]
) -> FloatArray:
    """Depthwise weight (c, 1, k, k) of the largest kernel -> (c, 1, kernel_size, kernel_size).

    Step by step: centre of the larger kernel, flattened, times the matrix "7to5" or "5to3".
    """
    for large, small in zip(kernel_sizes[:0:-1], kernel_sizes[-2::-1], strict=True):
        if large <= kernel_size:
            break
        margin = (large - small) // 2
        centre = weight[:, :, margin : margin + small, margin : margin + small]
        flat = centre.reshape(-1, small**2) @ matrices[f"{large}to{small}"].T
        weight = flat.reshape(-1, 1, small, small)
    return weight


class _Source:
    """Cuts layers out of the supernet's tensors."""

    def __init__(self, tensors: Tensors, batch_norm: BatchNormStats | None) -> None:
        self._tensors = tensors
        self._batch_norm = batch_norm

    def block(self, config: BlockConfig, kernel_sizes: tuple[int, ...]) -> StaticBlock:
        conv, norm = ("conv.conv", "bn.bn") if config.expands else ("conv", "bn")
        prefix, mid = config.prefix, config.mid_channels
        expand = None
        if config.expands:
            name = f"{prefix}inverted_bottleneck."
            expand = self.conv(
                name + conv, name + norm, config.in_channels, mid, activation=config.activation
            )
        name = f"{prefix}point_linear."
        return StaticBlock(
            expand=expand,
            depthwise=self._depthwise(config, kernel_sizes, conv, norm),
            se=self._squeeze_excite(config) if config.se_channels else None,
            project=self.conv(name + conv, name + norm, mid, config.out_channels),
            residual=config.residual,
        )

    def conv(
        self,
        name: str,
        norm: str,
        in_channels: int,
        out_channels: int | None = None,
        stride: int = 1,
        activation: Activation = "none",
    ) -> StaticConv:
        weight = self._tensors[f"{name}.weight"][:out_channels, :in_channels]
        weight, bias = self._fold(weight, norm)
        return StaticConv(weight, bias, stride, weight.shape[2] // 2, 1, activation)

    def _depthwise(
        self, config: BlockConfig, kernel_sizes: tuple[int, ...], conv: str, norm: str
    ) -> StaticConv:
        prefix, mid = f"{config.prefix}depth_conv.", config.mid_channels
        weight = self._tensors[f"{prefix}{conv}.weight"][:mid]
        if config.expands:
            start = f"{prefix}conv."
            matrices = {
                name[len(start) : -len("_matrix")]: tensor
                for name, tensor in self._tensors.items()
                if name.startswith(start) and name.endswith("_matrix")
            }
            weight = shrink_kernel(weight, kernel_sizes, config.kernel_size, matrices)
        weight, bias = self._fold(weight, prefix + norm)
        return StaticConv(weight, bias, config.stride, config.kernel_size // 2, mid, config.activation)

    def _squeeze_excite(self, config: BlockConfig) -> StaticSE:
        mid, se, tensors = config.mid_channels, config.se_channels, self._tensors
        prefix = f"{config.prefix}depth_conv.se.fc."
        return StaticSE(
            reduce_weight=np.ascontiguousarray(tensors[f"{prefix}reduce.weight"][:se, :mid]),
            reduce_bias=tensors[f"{prefix}reduce.bias"][:se],
            expand_weight=np.ascontiguousarray(tensors[f"{prefix}expand.weight"][:mid, :se]),
            expand_bias=tensors[f"{prefix}expand.bias"][:mid],
        )

    def _fold(self, weight: FloatArray, norm: str) -> tuple[FloatArray, FloatArray]:
        channels, tensors = weight.shape[0], self._tensors
        if self._batch_norm is not None:
            mean, variance = self._batch_norm[norm]
        else:
            mean, variance = (tensors[f"{norm}.running_{part}"][:channels] for part in ("mean", "var"))
        scale = tensors[f"{norm}.weight"][:channels] / np.sqrt(variance + BATCH_NORM_EPS)
        bias = tensors[f"{norm}.bias"][:channels] - mean * scale
        folded = np.ascontiguousarray(weight * scale[:, None, None, None], dtype=np.float32)
        return folded, np.asarray(bias, dtype=np.float32)
