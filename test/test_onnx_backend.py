"""ONNX Runtime computes what torch computes; its artefact needs no `onnx` package."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dynofa_ros.engine.artefacts import ArtefactCache
from dynofa_ros.engine.backend import BackendUnavailable
from dynofa_ros.engine.onnx_backend import OnnxBackend, dla_elements
from engine_samples import small_family

NAMES = ("small", "middle", "large")


def image(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)


@pytest.fixture
def onnx() -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")


@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_the_torch_reference(name, onnx):
    pytest.importorskip("torch", reason="the reference back end needs torch")
    from dynofa_ros.engine.torch_backend import TorchBackend

    source = small_family().source(name)
    want = TorchBackend().compile(source, 1).infer(image(source.resolution))
    got = OnnxBackend().compile(source, 1).infer(image(source.resolution))
    assert got.dtype == np.float32
    assert np.abs(got - want).max() <= 1e-3 * np.abs(want).max()


def test_a_cached_network_needs_no_onnx(tmp_path, monkeypatch, onnx):
    cache, source = ArtefactCache(tmp_path), small_family().source("small")
    expected = OnnxBackend().compile(source, 1, cache).infer(image(64))
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert np.array_equal(OnnxBackend().compile(source, 1, cache).infer(image(64)), expected)
    with pytest.raises(BackendUnavailable, match="pip install onnx"):
        OnnxBackend().compile(source, 1)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendUnavailable, match="pip install onnxruntime"):
        OnnxBackend()
    with pytest.raises(BackendUnavailable, match="pip install onnxruntime-gpu"):
        OnnxBackend("fp16", "gpu")


@pytest.mark.parametrize(("precision", "element"), [("int8", "cpu"), ("bf16", "gpu"), ("fp32", "npu")])
def test_what_it_does_not_offer_is_named(precision, element, onnx):
    with pytest.raises(BackendUnavailable, match=rf"{precision} on {element}"):
        OnnxBackend(precision, element)


def test_accelerators_of_a_board_are_listed_by_their_device_files(tmp_path):
    for name in ("nvhost-ctrl-nvdla0", "nvhost-nvdla0", "nvhost-nvdla1", "nvhost-gpu"):
        (tmp_path / name).touch()
    assert dla_elements(tmp_path) == ("dla0", "dla1")
    assert dla_elements(tmp_path / "absent") == ()
