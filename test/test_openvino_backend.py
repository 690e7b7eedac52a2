"""The graph built for OpenVINO computes what torch computes layer by layer."""

from __future__ import annotations

import numpy as np
import pytest

from dynofa_ros.engine.backend import BackendUnavailable
from dynofa_ros.engine.openvino_backend import OpenVinoBackend
from dynofa_ros.supernet.family import random_family
from dynofa_ros.supernet.subnet_spec import uniform_spec
from engine_samples import SPACE, mixed_spec, small_family


def image(side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (1, side, side, 3), np.uint8)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "spec",
    [uniform_spec("smallest", 64, 2, 3, 3), mixed_spec("mixed", 96), uniform_spec("largest", 96)],
    ids=lambda spec: spec.name,
)
def test_logits_equal_the_torch_reference(spec, seed):
    pytest.importorskip("torch", reason="the reference back end needs torch")
    from dynofa_ros.engine.torch_backend import TorchBackend

    family = random_family(SPACE, [spec], seed)
    network = family.network(spec.name)
    compiled = OpenVinoBackend().compile(network, family.input_spec, threads=1)
    reference = TorchBackend().compile(network, family.input_spec, threads=1)
    for picture in (image(spec.resolution, seed), np.zeros_like(image(spec.resolution))):
        want = reference.infer(picture)
        assert np.abs(compiled.infer(picture) - want).max() <= 1e-3 * np.abs(want).max()


def test_the_caller_owns_the_logits():
    family = small_family()
    compiled = OpenVinoBackend().compile(family.network("small"), family.input_spec, threads=1)
    first = compiled.infer(image(64, 1))
    kept = first.copy()
    second = compiled.infer(image(64, 2))
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)


def test_an_image_of_another_size_is_refused():
    family = small_family()
    compiled = OpenVinoBackend().compile(family.network("small"), family.input_spec, threads=1)
    with pytest.raises(ValueError, match=r"96.*64"):
        compiled.infer(image(96))


def test_an_unknown_precision_names_those_on_offer():
    with pytest.raises(BackendUnavailable, match="fp32"):
        OpenVinoBackend("int3")
