from __future__ import annotations

import numpy as np
import pytest

from dynofa_ros.datasets import digits


def test_no_scan_is_in_two_splits_and_none_is_left_out():
    parts = [digits.scan_indices(split) for split in digits.SPLITS]
    assert sorted(np.concatenate(parts)) == list(range(1797))


def test_each_split_has_each_digit_in_proportion():
    labels = digits.scans()[1]
    for split, fraction in zip(digits.SPLITS, digits.SPLIT_FRACTIONS, strict=True):
        counts = np.bincount(labels[digits.scan_indices(split)], minlength=10)
        assert np.all(np.abs(counts - fraction * np.bincount(labels)) <= 1)


def test_an_unknown_split_is_refused_by_name():
    with pytest.raises(ValueError, match="'holdout' is not one of train, validation, test"):
        digits.scan_indices("holdout")


def test_the_scans_are_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    original = datasets.load_digits()
    images, labels = digits.scans()
    assert np.array_equal(images, original.images)
    assert np.array_equal(labels, original.target)


@pytest.mark.parametrize(("width", "height"), [(320, 240), (64, 64), (100, 333), (640, 480)])
def test_a_scene_is_the_same_every_time_in_any_size(width, height):
    first, second = (digits.scene("test", 5, 17, width, height) for _ in range(2))
    assert first[0].shape == (height, width, 3)
    assert first[0].dtype == np.uint8
    assert np.array_equal(first[0], second[0])
    assert first[1:] == second[1:]


def test_scenes_differ_by_frame_seed_and_split():
    scenes = [
        digits.scene(*arguments, 64, 64)[0]
        for arguments in (("test", 5, 17), ("test", 5, 18), ("test", 6, 17), ("train", 5, 17))
    ]
    assert len({scene.tobytes() for scene in scenes}) == 4


def test_a_scene_shows_a_scan_of_its_split_with_its_label():
    allowed = set(digits.scan_indices("validation").tolist())
    for frame in range(50):
        _, label, scan = digits.scene("validation", 1, frame, 48, 48)
        assert scan in allowed
        assert label == digits.scans()[1][scan]


def test_the_digit_lies_in_the_central_square():
    plain = digits.Style(shapes=(0, 1), occlusion=0.0)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        _, (left, top, right, bottom) = digits._placed_mask(3, rng, plain, 320, 240)
        assert 40 <= left < right <= 280
        assert 0 <= top < bottom <= 240


def test_the_digit_stands_out_from_its_surroundings():
    style = digits.Style(shapes=(0, 1))
    for seed in range(50):
        region = np.full((20, 20, 3), np.random.default_rng(seed).integers(30, 230), np.uint8)
        before = float(region[0, 0].mean())
        ink = np.zeros((20, 20), np.float32)
        ink[5:15, 5:15] = 1.0
        digits._paint(region, ink, np.random.default_rng(seed), style)
        assert abs(float(region[10, 10].mean()) / before - 1) >= 0.2
