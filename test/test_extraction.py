from __future__ import annotations

import numpy as np
import pytest

from dynofa_ros.supernet.extraction import extract, shrink_kernel
from dynofa_ros.supernet.space import OfaMbv3Space
from supernet_fixtures import lively_tensors, need_ofa, random_spec


@pytest.mark.parametrize("width_mult", [0.35, 0.5, 1.0, 1.2])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_extracted_networks_give_the_logits_of_ofa(width_mult, seed):
    need_ofa()
    import torch

    from dynofa_ros.supernet.ofa_torch import build_supernet, load_tensors_into, set_active
    from dynofa_ros.supernet.static_forward import StaticForward

    space = OfaMbv3Space(width_mult, 10, (48, 64))
    spec, tensors = random_spec(space, seed), lively_tensors(space, seed)
    net = build_supernet(space)
    load_tensors_into(net, tensors)
    set_active(net, spec)
    subnet = net.get_active_subnet().eval()
    images = torch.randn(
        2, 3, spec.resolution, spec.resolution, generator=torch.Generator().manual_seed(seed)
    )
    with torch.inference_mode():
        expected = subnet(images)
        actual = StaticForward(extract(space, tensors, spec), torch.device("cpu"))(images)
    assert float((actual - expected).abs().max() / expected.abs().max()) < 1e-4


def test_multiply_adds_are_those_of_ofa():
    need_ofa()
    import torch

    from dynofa_ros.supernet.ofa_torch import build_supernet, set_active

    space = OfaMbv3Space(0.5, 10, (64, 96))
    net, spec, total = build_supernet(space), random_spec(space, 4), 0

    def count(module, _inputs, output):
        nonlocal total
        total += module.weight.numel() * (output[0, 0].numel() if output.ndim == 4 else 1)

    set_active(net, spec)
    subnet = net.get_active_subnet().eval()
    for module in subnet.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    with torch.inference_mode():
        subnet(torch.zeros(1, 3, spec.resolution, spec.resolution))
    assert space.macs(spec) == total


def test_tensor_names_and_shapes_are_those_of_ofa():
    need_ofa()
    from dynofa_ros.supernet.ofa_torch import build_supernet, to_tensors

    space = OfaMbv3Space(0.5, 10, (64,))
    assert {name: array.shape for name, array in to_tensors(build_supernet(space)).items()} == (
        space.tensor_shapes()
    )


def test_a_smaller_kernel_is_the_centre_when_the_matrices_are_neutral():
    weight = np.arange(2 * 49, dtype=np.float32).reshape(2, 1, 7, 7)
    neutral = {"7to5": np.eye(25, dtype=np.float32), "5to3": np.eye(9, dtype=np.float32)}
    for kernel_size, margin in ((7, 0), (5, 1), (3, 2)):
        small = shrink_kernel(weight, (3, 5, 7), kernel_size, neutral)
        assert np.array_equal(small, weight[:, :, margin : 7 - margin, margin : 7 - margin])


def test_own_statistics_replace_those_of_the_supernet():
    space = OfaMbv3Space(0.35, 10, (48,))
    spec, tensors = random_spec(space, 5), lively_tensors(space, 5)
    statistics = {
        norm: (tensors[f"{norm}.running_mean"][:channels], tensors[f"{norm}.running_var"][:channels])
        for norm, channels in space.batch_norms(spec).items()
    }
    same = extract(space, tensors, spec, statistics)
    assert np.array_equal(same.stem.bias, extract(space, tensors, spec).stem.bias)
    statistics["first_conv.bn"] = (statistics["first_conv.bn"][0] + 1, statistics["first_conv.bn"][1])
    assert not np.array_equal(extract(space, tensors, spec, statistics).stem.bias, same.stem.bias)
