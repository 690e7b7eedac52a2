"""The torch back end: absent parts are named; on a GPU the captured graph computes the same."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dynofa_ros.engine.backend import BackendUnavailable
from dynofa_ros.engine.torch_backend import TorchBackend
from engine_samples import small_family


def test_without_torch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendUnavailable, match="pip install torch"):
        TorchBackend()


@pytest.mark.parametrize(("precision", "element"), [("int8", "gpu"), ("bf16", "cpu"), ("fp32", "npu")])
def test_what_it_does_not_offer_is_named(precision, element):
    pytest.importorskip("torch")
    with pytest.raises(BackendUnavailable, match=rf"{precision} on {element}"):
        TorchBackend(precision, element)


def test_a_machine_without_a_gpu_says_so():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(BackendUnavailable, match="finds no GPU"):
        TorchBackend("fp16", "gpu")


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 2e-3), ("fp16", 2e-2), ("bf16", 0.1)])
def test_the_captured_graph_computes_the_same(precision, tolerance):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this machine has no GPU")
    source, rng = small_family().source("small"), np.random.default_rng(0)
    compiled, reference = TorchBackend(precision, "gpu").compile(source, 1), TorchBackend().compile(source, 1)
    for _ in range(3):
        image = rng.integers(0, 256, (1, 64, 64, 3), np.uint8)
        want = reference.infer(image)
        assert np.abs(compiled.infer(image) - want).max() <= tolerance * np.abs(want).max()
