from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.supernet.extraction import StaticConv, StaticNetwork, extract
from dynofa_ros.supernet.random_weights import random_tensors
from dynofa_ros.supernet.space import OfaMbv3Space, make_divisible
from dynofa_ros.supernet.subnet_spec import N_BLOCKS, SubnetSpec, uniform_spec

SPACE = OfaMbv3Space(0.5, 10, (64, 96, 128, 160))
TENSORS = random_tensors(SPACE, 0)


def specs(space: OfaMbv3Space) -> st.SearchStrategy[SubnetSpec]:
    def several(choices, count):
        return st.lists(st.sampled_from(choices), min_size=count, max_size=count).map(tuple)

    return st.builds(
        SubnetSpec,
        st.just("random"),
        st.sampled_from(space.resolutions),
        several(space.depths, 5),
        several(space.kernel_sizes, N_BLOCKS),
        several(space.expand_ratios, N_BLOCKS),
    )


def counted_macs(network: StaticNetwork) -> int:
    """Multiply-adds counted layer by layer from the shapes of the weights that run."""
    side, total = network.resolution, 0

    def conv(layer: StaticConv) -> int:
        nonlocal side
        side = (side + 2 * layer.padding - layer.weight.shape[2]) // layer.stride + 1
        return layer.weight.size * side**2

    total += conv(network.stem)
    for block in network.blocks:
        for layer in (block.expand, block.depthwise, block.project):
            total += conv(layer) if layer is not None else 0
        if block.se is not None:
            total += block.se.reduce_weight.size + block.se.expand_weight.size
    total += conv(network.final_expand)
    return total + network.feature_mix.weight.size + network.classifier.weight.size


@settings(max_examples=25, deadline=None)
@given(specs(SPACE))
def test_multiply_adds_are_those_of_the_extracted_network(spec):
    assert SPACE.macs(spec) == counted_macs(extract(SPACE, TENSORS, spec))


@pytest.mark.parametrize("resolution", [63, 65, 97])
def test_multiply_adds_hold_for_odd_resolutions(resolution):
    space = replace(SPACE, resolutions=(resolution,))
    spec = uniform_spec("odd", resolution, depth=3, kernel_size=5, expand_ratio=4)
    assert space.macs(spec) == counted_macs(extract(space, TENSORS, spec))


@settings(max_examples=25, deadline=None)
@given(specs(SPACE))
def test_choices_of_blocks_that_do_not_run_change_nothing(spec):
    active = set(spec.active_blocks())
    other = replace(
        spec,
        kernel_size=tuple(k if i in active else 3 for i, k in enumerate(spec.kernel_size)),
        expand_ratio=tuple(e if i in active else 3 for i, e in enumerate(spec.expand_ratio)),
    )
    assert other.architecture() == spec.architecture()
    assert SPACE.blocks(other) == SPACE.blocks(spec)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution": 100}, "resolution: 100 is not one of 64, 96, 128, 160"),
        ({"depth": (2, 2, 2, 2)}, "depth: 4 values where the space has 5"),
        ({"depth": (2, 2, 2, 2, 5)}, "depth: 5 is not one of 2, 3, 4"),
        ({"kernel_size": (3,) * 19 + (9,)}, "kernel_size: 9 is not one of 3, 5, 7"),
        ({"expand_ratio": (3,) * 21}, "expand_ratio: 21 values where the space has 20"),
    ],
)
def test_a_spec_outside_the_space_is_refused_with_field_and_value(change, message):
    with pytest.raises(ValueError, match=message):
        SPACE.validate(replace(uniform_spec("x", 64), **change))


@given(st.floats(1, 3000))
def test_rounded_widths_are_multiples_of_eight_and_lose_at_most_a_tenth(value):
    width = make_divisible(value)
    assert width % 8 == 0
    assert width >= 0.9 * value
    assert width <= value + 8


def test_published_operating_points_have_235_to_731_million_multiply_adds():
    space = OfaMbv3Space(1.2, 1000, (176, 224))
    smallest = SubnetSpec(
        "first",
        176,
        (3, 2, 3, 2, 2),
        (5, 7, 7, 7, 3, 5, 5, 7, 7, 7, 5, 3, 5, 3, 3, 7, 3, 3, 7, 7),
        (6, 4, 4, 6, 4, 3, 6, 4, 6, 4, 4, 6, 4, 6, 4, 6, 4, 3, 3, 4),
    )
    assert np.isclose(space.macs(smallest), 235e6, rtol=0.005)
