from __future__ import annotations

import itertools

import numpy as np
import pytest

from dynofa_ros.datasets import digits
from dynofa_ros.paths import family_path
from dynofa_ros.supernet.family import load_family


@pytest.fixture(scope="module")
def family():
    return load_family(family_path("digits"))


def test_weights_are_small_enough_and_belong_to_the_file(family):
    assert family.weights_file.stat().st_size <= 8_000_000
    assert family.has_weights
    assert family.labels == digits.LABELS


def test_there_are_at_least_eight_sub_networks_with_networks_of_their_own(family):
    assert len(family.members) >= 8
    for member in family.members:
        network = family.network(member.spec.name)
        assert network.resolution == member.spec.resolution
        assert network.n_classes == 10


def test_sub_networks_differ_in_depth_kernel_size_expand_ratio_and_resolution(family):
    specs = [member.spec for member in family.members]
    assert len({spec.resolution for spec in specs}) >= 2
    assert len({depth for spec in specs for depth in spec.depth}) >= 2
    for field in ("kernel_size", "expand_ratio"):
        active = {getattr(spec, field)[i] for spec in specs for i in spec.active_blocks()}
        assert len(active) >= 2


def test_accuracy_rises_strictly_with_multiply_adds(family):
    for cheap, costly in itertools.pairwise(family.members):
        assert cheap.macs < costly.macs
        assert cheap.accuracy.value < costly.accuracy.value


def test_accuracies_were_measured_on_ten_thousand_images_with_an_interval(family):
    for member in family.members:
        accuracy = member.accuracy
        assert accuracy.source == "measured"
        assert accuracy.n_images >= 10_000
        assert accuracy.low < accuracy.value < accuracy.high


def test_the_largest_is_accurate_and_the_smallest_much_cheaper(family):
    smallest, largest = family.members[0], family.members[-1]
    assert largest.accuracy.value >= 0.95
    assert smallest.accuracy.value <= largest.accuracy.value - 0.05
    assert smallest.macs <= largest.macs / 8


def test_measured_accuracy_is_that_of_the_stored_weights(family):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from dynofa_ros.supernet.measure import correct_answers
    from dynofa_ros.supernet.train_data import ImagePool, render_square

    scenes = [render_square("test", 99, frame, 240) for frame in range(300)]
    images, labels, scans = (np.stack(part) for part in zip(*scenes, strict=True))
    pool = ImagePool(images, labels, scans)
    for member in (family.members[0], family.members[-1]):
        correct = correct_answers(family.network(member.spec.name), pool, torch.device("cpu"))
        assert abs(float(correct.mean()) - member.accuracy.value) < 0.06


def test_the_published_family_has_accuracies_with_a_source_but_no_weights():
    published = load_family(family_path("ofa_mbv3_w12"))
    assert not published.has_weights
    assert len(published.members) == 6
    assert published.labels[0] == "tench"
    for cheap, costly in itertools.pairwise(published.members):
        assert cheap.accuracy.value < costly.accuracy.value
    assert all(member.accuracy.source == "published" for member in published.members)
    assert all("2105.03596" in member.accuracy.by for member in published.members)
