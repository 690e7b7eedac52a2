"""What a static network asks of the machine, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dynofa_ros.supernet.extraction import StaticConv, StaticNetwork


@dataclass(frozen=True)
class LayerCost:
    """One convolution or product: its kind, its number of weights and its multiply-adds."""

    kind: str
    weights: int
    macs: int


def layer_costs(network: StaticNetwork) -> Iterator[LayerCost]:
    """All layers with weights, in order."""
    side, cost = _conv("first", network.stem, network.resolution)
    yield cost
    for block in network.blocks:
        if block.expand is not None:
            side, cost = _conv("pointwise", block.expand, side)
            yield cost
        side, cost = _conv("depthwise", block.depthwise, side)
        yield cost
        if block.se is not None:
            n = int(block.se.reduce_weight.size + block.se.expand_weight.size)
            yield LayerCost("squeeze-excite", n, n)
        side, cost = _conv("pointwise", block.project, side)
        yield cost
    side, cost = _conv("pointwise", network.final_expand, side)
    yield cost
    for weight in (network.feature_mix.weight, network.classifier.weight):
        yield LayerCost("fully connected", int(weight.size), int(weight.size))


def _conv(kind: str, layer: StaticConv, side_in: int) -> tuple[int, LayerCost]:
    """Side of the output [px] and the cost of a convolution on a square input."""
    side = (side_in + 2 * layer.padding - layer.weight.shape[2]) // layer.stride + 1
    weights = int(layer.weight.size)
    return side, LayerCost(kind, weights, weights * side**2)
