"""The OFA MobileNetV3 search space: which sub-networks exist, their shapes and their cost.

Widths, strides, activations and squeeze-and-excitation follow Cai et al., "Once for All" (ICLR 2020)
as implemented by `OFAMobileNetV3` of the `ofa` package; tensor names are that package's state names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .subnet_spec import BLOCKS_PER_STAGE, N_BLOCKS, N_STAGES, SubnetSpec

Activation = Literal["none", "relu", "h_swish"]

BASE_WIDTHS = (16, 16, 24, 40, 80, 112, 160, 960, 1280)
STAGE_STRIDES = (2, 2, 2, 1, 2)
STAGE_ACTIVATIONS: tuple[Activation, ...] = ("relu", "relu", "h_swish", "h_swish", "h_swish")
STAGE_SE = (False, True, False, True, True)
CHANNEL_DIVISOR = 8
SE_REDUCTION = 4
BATCH_NORM_EPS = 1e-5


def make_divisible(value: float, divisor: int = CHANNEL_DIVISOR) -> int:
    """Nearest multiple of `divisor`, at least `divisor` and at least 90 % of `value`."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


@dataclass(frozen=True)
class BlockConfig:
    """One inverted residual block of a sub-network, in running order.

    `index` is the block's position in the supernet: 0 is the fixed first block (no expansion),
    1..20 are the elastic ones. `se_channels` is 0 without squeeze-and-excitation.
    """

    index: int
    in_channels: int
    mid_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    activation: Activation
    se_channels: int
    expands: bool

    @property
    def residual(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.in_channels == self.out_channels

    @property
    def prefix(self) -> str:
        """Prefix of this block's tensor names."""
        return f"blocks.{self.index}.conv."

    def weights(self) -> int:
        """Multiply-adds per output pixel of the depthwise and projecting convolutions."""
        return self.mid_channels * (self.kernel_size**2 + self.out_channels)


@dataclass(frozen=True)
class OfaMbv3Space:
    """The space of sub-networks of one supernet.

    `width_mult` scales all channel counts; `resolutions`, `depths`, `kernel_sizes` and
    `expand_ratios` are the values that a sub-network may choose from, in rising order.
    """

    width_mult: float
    n_classes: int
    resolutions: tuple[int, ...]
    depths: tuple[int, ...] = (2, 3, 4)
    kernel_sizes: tuple[int, ...] = (3, 5, 7)
    expand_ratios: tuple[int, ...] = (3, 4, 6)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of stem, first block, the 5 stages, final expansion and feature mix."""
        return tuple(make_divisible(width * self.width_mult) for width in BASE_WIDTHS)

    def validate(self, spec: SubnetSpec) -> None:
        """Raise ValueError naming the field and value where `spec` is not in this space."""
        choices = (
            ("resolution", (spec.resolution,), 1, self.resolutions),
            ("depth", spec.depth, N_STAGES, self.depths),
            ("kernel_size", spec.kernel_size, N_BLOCKS, self.kernel_sizes),
            ("expand_ratio", spec.expand_ratio, N_BLOCKS, self.expand_ratios),
        )
        for field, values, count, allowed in choices:
            if len(values) != count:
                raise ValueError(f"{field}: {len(values)} values where the space has {count}")
            for value in values:
                if value not in allowed:
                    raise ValueError(f"{field}: {value} is not one of {', '.join(map(str, allowed))}")

    def block(self, position: int, in_channels: int, kernel_size: int, expand_ratio: int) -> BlockConfig:
        """Elastic block at `position` (0..19) with the given choices."""
        stage, first = position // BLOCKS_PER_STAGE, position % BLOCKS_PER_STAGE == 0
        mid = make_divisible(round(in_channels * expand_ratio))
        return BlockConfig(
            index=position + 1,
            in_channels=in_channels,
            mid_channels=mid,
            out_channels=self.widths[2 + stage],
            kernel_size=kernel_size,
            stride=STAGE_STRIDES[stage] if first else 1,
            activation=STAGE_ACTIVATIONS[stage],
            se_channels=make_divisible(mid // SE_REDUCTION) if STAGE_SE[stage] else 0,
            expands=True,
        )

    def first_block(self) -> BlockConfig:
        """The fixed first block."""
        stem, width = self.widths[:2]
        return BlockConfig(0, stem, stem, width, 3, 1, "relu", 0, expands=False)

    def blocks(self, spec: SubnetSpec) -> list[BlockConfig]:
        """Blocks of a sub-network in running order, the fixed first block included."""
        configs = [self.first_block()]
        for position in spec.active_blocks():
            configs.append(
                self.block(
                    position,
                    configs[-1].out_channels,
                    spec.kernel_size[position],
                    spec.expand_ratio[position],
                )
            )
        return configs

    def largest_blocks(self) -> list[BlockConfig]:
        """All 21 blocks at their largest, as the supernet stores them."""
        configs = [self.first_block()]
        for position in range(N_BLOCKS):
            configs.append(
                self.block(position, configs[-1].out_channels, self.kernel_sizes[-1], self.expand_ratios[-1])
            )
        return configs

    def macs(self, spec: SubnetSpec) -> int:
        """Multiply-adds of one inference: convolutions, squeeze-and-excitation and classifier."""
        widths = self.widths
        side = -(-spec.resolution // 2)
        total = side**2 * 27 * widths[0]
        for config in self.blocks(spec):
            if config.expands:
                total += side**2 * config.in_channels * config.mid_channels
            side = -(-side // config.stride)
            total += side**2 * config.weights()
            total += 2 * config.mid_channels * config.se_channels
        total += side**2 * widths[6] * widths[7]
        return total + widths[7] * widths[8] + widths[8] * self.n_classes

    def batch_norms(self, spec: SubnetSpec) -> dict[str, int]:
        """Batch-norm layers of a sub-network (tensor name without its last part), with active channels."""
        norms = {"first_conv.bn": self.widths[0]}
        for config in self.blocks(spec):
            norm = "bn.bn" if config.expands else "bn"
            if config.expands:
                norms[f"{config.prefix}inverted_bottleneck.{norm}"] = config.mid_channels
            norms[f"{config.prefix}depth_conv.{norm}"] = config.mid_channels
            norms[f"{config.prefix}point_linear.{norm}"] = config.out_channels
        return norms | {"final_expand_layer.bn": self.widths[7]}

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor of the supernet."""
        return dict(self._named_shapes())

    def _named_shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        widths = self.widths
        yield "first_conv.conv.weight", (widths[0], 3, 3, 3)
        yield from _batch_norm_shapes("first_conv.bn", widths[0])
        for config in self.largest_blocks():
            yield from self._block_shapes(config)
        yield "final_expand_layer.conv.weight", (widths[7], widths[6], 1, 1)
        yield from _batch_norm_shapes("final_expand_layer.bn", widths[7])
        yield "feature_mix_layer.conv.weight", (widths[8], widths[7], 1, 1)
        yield "classifier.linear.weight", (self.n_classes, widths[8])
        yield "classifier.linear.bias", (self.n_classes,)

    def _block_shapes(self, config: BlockConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
        conv, norm = ("conv.conv", "bn.bn") if config.expands else ("conv", "bn")
        mid, se = config.mid_channels, config.se_channels
        if config.expands:
            yield f"{config.prefix}inverted_bottleneck.{conv}.weight", (mid, config.in_channels, 1, 1)
            yield from _batch_norm_shapes(f"{config.prefix}inverted_bottleneck.{norm}", mid)
        depthwise = f"{config.prefix}depth_conv."
        yield f"{depthwise}{conv}.weight", (mid, 1, config.kernel_size, config.kernel_size)
        if config.expands:
            for large, small in zip(self.kernel_sizes[:0:-1], self.kernel_sizes[-2::-1], strict=True):
                yield f"{depthwise}conv.{large}to{small}_matrix", (small**2, small**2)
        yield from _batch_norm_shapes(f"{depthwise}{norm}", mid)
        if se:
            yield f"{depthwise}se.fc.reduce.weight", (se, mid, 1, 1)
            yield f"{depthwise}se.fc.reduce.bias", (se,)
            yield f"{depthwise}se.fc.expand.weight", (mid, se, 1, 1)
            yield f"{depthwise}se.fc.expand.bias", (mid,)
        yield f"{config.prefix}point_linear.{conv}.weight", (config.out_channels, mid, 1, 1)
        yield from _batch_norm_shapes(f"{config.prefix}point_linear.{norm}", config.out_channels)


def _batch_norm_shapes(prefix: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{prefix}.{part}", (channels,)
