"""The graph built for OpenVINO computes what torch computes layer by layer, also from the cache."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dynofa_ros.engine.artefacts import HEAD_BYTES, ArtefactCache
from dynofa_ros.engine.backend import BackendUnavailable
from dynofa_ros.engine.openvino_backend import OpenVinoBackend
from dynofa_ros.supernet.family import random_family
from dynofa_ros.supernet.subnet_spec import uniform_spec
from engine_samples import SPACE, mixed_spec, small_family

REDUCED = ("bf16", "fp16")


def image(side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (1, side, side, 3), np.uint8)


def backend(precision: str) -> OpenVinoBackend:
    try:
        return OpenVinoBackend(precision)
    except BackendUnavailable as error:
        pytest.skip(str(error))


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "spec",
    [uniform_spec("smallest", 64, 2, 3, 3), mixed_spec("mixed", 96), uniform_spec("largest", 96)],
    ids=lambda spec: spec.name,
)
def test_logits_equal_the_torch_reference(spec, seed):
    pytest.importorskip("torch", reason="the reference back end needs torch")
    from dynofa_ros.engine.torch_backend import TorchBackend

    source = random_family(SPACE, [spec], seed).source(spec.name)
    compiled = OpenVinoBackend().compile(source, threads=1)
    reference = TorchBackend().compile(source, threads=1)
    for picture in (image(spec.resolution, seed), np.zeros_like(image(spec.resolution))):
        assert relative_error(compiled.infer(picture), reference.infer(picture)) <= 1e-3


@pytest.mark.parametrize("precision", REDUCED)
def test_a_reduced_precision_computes_nearly_the_same(precision):
    source, picture = small_family().source("small"), image(64)
    exact = OpenVinoBackend().compile(source, threads=1).infer(picture)
    reduced = backend(precision).compile(source, threads=1).infer(picture)
    assert 0 < relative_error(reduced, exact) < 0.1


def test_int8_without_a_calibration_says_how_to_make_one():
    with pytest.raises(BackendUnavailable, match=r"small: int8.*dynofa quantize"):
        backend("int8").compile(small_family().source("small"), threads=1)


def test_the_caller_owns_the_logits():
    compiled = OpenVinoBackend().compile(small_family().source("small"), threads=1)
    first = compiled.infer(image(64, 1))
    kept = first.copy()
    second = compiled.infer(image(64, 2))
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)


def test_writing_into_the_input_saves_the_copy():
    compiled = OpenVinoBackend().compile(small_family().source("small"), threads=1)
    expected = compiled.infer(image(64, 1))
    compiled.infer(image(64, 2))
    compiled.input[:] = image(64, 1)
    assert np.array_equal(compiled.infer_input(), expected)


def test_an_image_of_another_size_is_refused():
    compiled = OpenVinoBackend().compile(small_family().source("small"), threads=1)
    with pytest.raises(ValueError, match=r"96.*64"):
        compiled.infer(image(96))


def test_an_unknown_precision_names_those_on_offer():
    with pytest.raises(BackendUnavailable, match="fp32"):
        OpenVinoBackend("int3")


def test_an_absent_device_is_named():
    with pytest.raises(BackendUnavailable, match=r"no dla7.*CPU"):
        OpenVinoBackend("fp32", "dla7")


@pytest.fixture
def cache(tmp_path):
    log: list[str] = []
    cache = ArtefactCache(tmp_path / "artefacts", log=log.append)
    cache.log = log
    return cache


@pytest.mark.parametrize("precision", ["fp32", *REDUCED])
def test_a_cached_network_gives_the_same_logits(cache, precision):
    source, plain = small_family().source("middle"), backend(precision)
    expected = plain.compile(source, 1).infer(image(64))
    for _ in range(2):
        assert np.array_equal(plain.compile(source, 1, cache).infer(image(64)), expected)
    assert len(list(cache.folder.iterdir())) == 1
    assert not cache.log


def test_a_cached_network_is_not_extracted_again(cache, monkeypatch):
    family = small_family()
    OpenVinoBackend().compile(family.source("small"), 1, cache)
    monkeypatch.setattr("dynofa_ros.supernet.family.extract", lambda *_: pytest.fail("extracted"))
    again = OpenVinoBackend().compile(small_family().source("small"), 1, cache)
    assert again.infer(image(64)).shape == (10,)


def test_precisions_threads_and_weights_have_entries_of_their_own(cache):
    source = small_family(0).source("small")
    OpenVinoBackend("fp32").compile(source, 1, cache)
    OpenVinoBackend("fp32").compile(source, 2, cache)
    OpenVinoBackend("fp32").compile(small_family(1).source("small"), 1, cache)
    backend("bf16").compile(source, 1, cache)
    assert len(list(cache.folder.iterdir())) == 4


@pytest.mark.parametrize("damage", ["truncated", "altered", "empty", "not a blob"])
def test_a_damaged_entry_is_built_again_and_said(cache, damage):
    source = small_family().source("small")
    expected = OpenVinoBackend().compile(source, 1, cache).infer(image(64))
    (entry,) = cache.folder.iterdir()
    content = entry.read_bytes()
    if damage == "not a blob":
        cache.store(entry.stem, b"nothing that OpenVINO reads" * 100)
    else:
        middle = HEAD_BYTES + (len(content) - HEAD_BYTES) // 2
        altered = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        entry.write_bytes({"truncated": content[:-7], "altered": altered, "empty": b""}[damage])
    assert np.array_equal(OpenVinoBackend().compile(source, 1, cache).infer(image(64)), expected)
    assert np.array_equal(OpenVinoBackend().compile(source, 1, cache).infer(image(64)), expected)
    assert len(cache.log) == 1
    assert entry.name in cache.log[0]


def test_the_content_hash_tells_weights_spec_and_normalisation_apart():
    family = small_family(0)
    other_input = dataclasses.replace(family.input_spec, mean=(0.5, 0.5, 0.4))
    sources = [
        family.source("small"),
        family.source("middle"),
        small_family(1).source("small"),
        dataclasses.replace(family, input_spec=other_input).source("small"),
        dataclasses.replace(family, random_weights=False, weights_sha256="0" * 64).source("small"),
    ]
    assert len({source.content_sha256 for source in sources}) == len(sources)
    assert small_family(0).source("small").content_sha256 == sources[0].content_sha256
