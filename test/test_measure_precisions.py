"""`dynofa quantize`: what is measured is written into the family file, on the images of fp32 alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dynofa_ros.cli import main
from dynofa_ros.engine.backend import BackendUnavailable
from dynofa_ros.errors import ConfigError
from dynofa_ros.supernet.family import Accuracy, Family, load_family
from dynofa_ros.supernet.family_writer import file_comment, write_family
from dynofa_ros.supernet.train_data import ImagePool
from dynofa_ros.supernet.weights import save_tensors
from engine_samples import small_family

pytest.importorskip("torch")
from dynofa_ros.engine.openvino_backend import OpenVinoBackend
from dynofa_ros.supernet.measure_precisions import measure_family

N_IMAGES = 40


@pytest.fixture
def pool() -> ImagePool:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, N_IMAGES)
    return ImagePool(rng.integers(0, 256, (N_IMAGES, 96, 96, 3), np.uint8), labels, np.arange(N_IMAGES) // 2)


@pytest.fixture
def family(tmp_path, pool) -> Family:
    """One untrained member on disk whose label is what it answers, but for the first image."""
    whole = small_family()
    member = whole.member("large")
    network = OpenVinoBackend().compile(whole.source("large"), 1)
    pool.labels[:] = [network.infer(image[None]).argmax() for image in pool.images]
    pool.labels[0] = (pool.labels[0] + 1) % 10
    value = (N_IMAGES - 1) / N_IMAGES
    accuracy = Accuracy(value, 0.9, 1.0, "measured", "digits test split", N_IMAGES, "dynofa train")
    weights = tmp_path / "small.safetensors"
    family = replace(
        whole,
        random_weights=False,
        weights_file=weights,
        weights_sha256=save_tensors(weights, whole.tensors()),
        members=(replace(member, accuracy=accuracy),),
        file=tmp_path / "small.yaml",
        _tensors={},
    )
    write_family(family, family.file, "A comment\nof two lines")
    return family


def test_accuracies_are_written_beside_that_of_fp32(family, pool):
    log: list[str] = []
    try:
        network = OpenVinoBackend("fp16").compile(family.source("large"), 1)
    except BackendUnavailable as error:
        pytest.skip(str(error))
    measure_family(family, pool, pool, ("fp16",), log.append, threads=1)
    (member,) = load_family(family.file).members
    measured = member.accuracy_at("fp16")
    assert member.accuracy == family.members[0].accuracy
    assert measured.n_images == N_IMAGES
    assert measured.low <= measured.value <= measured.high
    answers = [network.infer(image[None]).argmax() for image in pool.images]
    assert measured.value == pytest.approx(np.mean(answers == pool.labels), abs=1e-5)
    assert file_comment(family.file) == "A comment\nof two lines"
    assert "large" in log[-1]


def test_int8_comes_with_its_calibration(family, pool):
    pytest.importorskip("nncf")
    measure_family(family, replace(pool, images=pool.images[:8]), pool, ("int8",), threads=1)
    again = load_family(family.file)
    assert again.quantization_file.name == "small.int8.safetensors"
    assert again.quantization("large").ranges
    assert again.members[0].accuracy_at("int8").value <= 1.0


def test_other_images_than_those_of_fp32_are_refused(family, pool):
    before = family.file.read_text()
    shuffled = replace(pool, labels=(pool.labels + 1) % 10)
    with pytest.raises(ConfigError, match=r"large\.accuracy.*not the images"):
        measure_family(family, pool, shuffled, (), threads=1)
    assert family.file.read_text() == before


def test_a_family_without_labelled_data_is_refused(capsys):
    assert main(["quantize", "ofa_mbv3_w12"]) == 2
    assert "labels" in capsys.readouterr().err


def test_random_weights_need_a_file_to_write(capsys):
    assert main(["quantize", "ofa_mbv3_w12", "--random-weights"]) == 2
    assert "--out" in capsys.readouterr().err
