"""Calibration for int8: what NNCF found is kept in a file, and the graph is rebuilt from it, exactly."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import openvino as ov
import pytest
from safetensors.numpy import save_file

from dynofa_ros.engine.artefacts import ArtefactCache
from dynofa_ros.engine.backend import BackendUnavailable
from dynofa_ros.engine.openvino_backend import OpenVinoBackend
from dynofa_ros.engine.openvino_graph import build_model, round_weights
from dynofa_ros.errors import ConfigError, DynofaError
from dynofa_ros.paths import family_path
from dynofa_ros.supernet.family import ACCURACY_TOLERANCE, load_family
from dynofa_ros.supernet.quantization import Quantization, load_quantizations, save_quantizations
from dynofa_ros.supernet.weights import sha256_of
from engine_samples import small_family

NAME = "small"


def images(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 1, 64, 64, 3), np.uint8))


def logits(model: ov.Model, hint: str = "f32") -> np.ndarray:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    return np.concatenate([compiled(image)[0] for image in images(4)])


@pytest.fixture(scope="module")
def source():
    return small_family().source(NAME)


@pytest.fixture(scope="module")
def nncf_model(source) -> ov.Model:
    pytest.importorskip("nncf")
    from dynofa_ros.engine.quantization_nncf import quantized_model

    return quantized_model(source, images(8))


@pytest.fixture(scope="module")
def quantization(nncf_model) -> Quantization:
    from dynofa_ros.engine.quantization_nncf import read_quantization

    return read_quantization(nncf_model)


@pytest.fixture
def calibrated(quantization, tmp_path):
    """The family with its calibration on disk."""
    file = tmp_path / "small.int8.safetensors"
    save_quantizations(file, {NAME: quantization})
    return small_family().with_quantization(file)


def test_the_rebuilt_graph_gives_the_logits_of_nncfs(source, nncf_model, quantization):
    rebuilt = build_model(source.network(), source.input_spec, quantization)
    assert np.array_equal(logits(rebuilt), logits(nncf_model))
    assert not np.array_equal(logits(rebuilt), logits(build_model(source.network(), source.input_spec)))


def test_the_file_gives_back_what_was_found(quantization, tmp_path):
    sha256 = save_quantizations(tmp_path / "q.safetensors", {NAME: quantization})
    again = load_quantizations(tmp_path / "q.safetensors", sha256)[NAME]
    for kind in ("ranges", "biases"):
        before, after = getattr(quantization, kind), getattr(again, kind)
        assert set(before) == set(after)
        assert all(np.array_equal(before[name], after[name]) for name in before)


def test_int8_runs_from_the_file_and_from_the_cache(calibrated, nncf_model, tmp_path):
    backend, cache = OpenVinoBackend("int8"), ArtefactCache(tmp_path / "artefacts")
    plain = backend.compile(calibrated.source(NAME), 1)
    expected = [plain.infer(image) for image in images(4)]
    exact = OpenVinoBackend().compile(calibrated.source(NAME), 1)
    scale = np.abs([exact.infer(image) for image in images(4)]).max()
    assert np.abs(np.array(expected) - logits(nncf_model, "bf16")).max() < 0.05 * scale
    for _ in range(2):
        cached = backend.compile(calibrated.source(NAME), 1, cache)
        assert all(np.array_equal(cached.infer(i), e) for i, e in zip(images(4), expected, strict=True))


def test_another_calibration_has_another_cache_entry(calibrated, quantization, tmp_path):
    cache = ArtefactCache(tmp_path / "artefacts")
    shifted = replace(quantization, ranges={n: 1.5 * r for n, r in quantization.ranges.items()})
    save_quantizations(tmp_path / "other.safetensors", {NAME: shifted})
    other = calibrated.with_quantization(tmp_path / "other.safetensors")
    for family in (calibrated, other):
        OpenVinoBackend("int8").compile(family.source(NAME), 1, cache)
    assert len(list(cache.folder.iterdir())) == 2


def test_a_member_without_a_calibration_is_refused(calibrated):
    with pytest.raises(BackendUnavailable, match="middle: int8 needs a calibration"):
        OpenVinoBackend("int8").compile(calibrated.source("middle"), 1)


def test_a_calibration_of_another_network_is_refused(quantization):
    other = small_family().source("large")
    with pytest.raises(DynofaError, match="calibration of"):
        build_model(other.network(), other.input_spec, quantization)


@pytest.mark.parametrize("damage", [b"", b"\0" * 100])
def test_a_file_that_was_changed_is_refused_by_name(calibrated, damage):
    calibrated.quantization_file.write_bytes(damage)
    with pytest.raises(ConfigError, match=r"small\.int8\.safetensors.*sha256"):
        calibrated.quantization(NAME)


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("m/ranges/stem", np.array([[1.0], [0.0]], np.float32), "greater second row"),
        ("m/ranges/stem", np.array([[0.0], [np.inf]], np.float32), "not finite"),
        ("m/biases/stem", np.zeros((2, 2), np.float32), "one-dimensional"),
        ("m/colours/stem", np.zeros(2, np.float32), "MEMBER/KIND/LAYER"),
        ("stem", np.zeros(2, np.float32), "MEMBER/KIND/LAYER"),
    ],
)
def test_values_that_no_calibration_finds_are_refused(tmp_path, name, tensor, words):
    file = tmp_path / "q.safetensors"
    save_file({name: tensor}, file)
    with pytest.raises(ConfigError, match=words):
        load_quantizations(file, sha256_of(file))


def test_weights_are_rounded_to_half_a_step_in_each_output_channel():
    weight = np.random.default_rng(0).normal(size=(5, 3, 2, 2)).astype(np.float32)
    weight[4] = 0
    integers, step = round_weights(weight)
    assert step.shape == (5, 1, 1, 1)
    assert np.abs(integers * step - weight).max() <= 0.5001 * step.max()
    assert (np.abs(integers[:4]).max((1, 2, 3)) == 127).all()
    assert not integers[4].any()


def test_without_nncf_it_says_what_to_install(source, monkeypatch):
    from dynofa_ros.engine.quantization_nncf import calibrate

    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(BackendUnavailable, match="pip install nncf"):
        calibrate(source, images(1))


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_the_shipped_family_offers_reduced_precisions(precision):
    family = load_family(family_path("digits"))
    offered = [name for name in family.names if family.offers(name, precision)]
    assert len(offered) >= len(family.names) / 2
    for name in offered:
        accuracy, exact = (family.member(name).accuracy_at(p) for p in (precision, "fp32"))
        assert accuracy.n_images == exact.n_images >= 10_000
        assert exact.value - accuracy.value <= ACCURACY_TOLERANCE


def test_the_shipped_calibration_belongs_to_the_shipped_networks():
    family = load_family(family_path("digits"))
    for name in family.names:
        source = family.source(name)
        assert build_model(source.network(), source.input_spec, source.quantization())
        assert len(source.quantization().ranges) > 40
