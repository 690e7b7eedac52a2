"""Camera sources give frames of one size, with their class where it is known."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from dynofa_ros.errors import ConfigError
from dynofa_ros.nodes.frame_source import open_source


def _open(kind="digits", path="", **changes):
    values = {"size": (64, 48), "split": "test", "seed": 3, "loop": False, "prerender": 0, **changes}
    return open_source(kind, str(path), **values)


def _take(source, count):
    return list(itertools.islice(source.frames(), count))


def test_digits_are_the_same_for_the_same_seed_and_carry_their_class():
    first, again, other = (_take(_open(seed=seed), 3) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) and x == y for (a, x), (b, y) in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for (a, _), (b, _) in zip(first, other, strict=True))
    assert first[0][0].shape == (48, 64, 3)
    assert first[0][1] in "0123456789"


def test_prerendered_digits_repeat():
    frames = _take(_open(prerender=2), 4)
    assert np.array_equal(frames[0][0], frames[2][0])
    assert np.array_equal(frames[1][0], frames[3][0])


@pytest.fixture
def folder(tmp_path):
    for name, value in (("7/a.png", 10), ("7/b.png", 20), ("3/c.png", 30)):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(file), np.full((20, 30, 3), value, np.uint8))
    (tmp_path / "7" / "notes.txt").write_text("not an image")
    (tmp_path / "7" / "broken.png").write_text("not an image either")
    return tmp_path


def test_folder_gives_its_images_by_name_with_the_sub_folder_as_class(folder):
    frames = _take(_open("folder", folder, size=(0, 0)), 10)
    assert [(int(rgb[0, 0, 0]), label) for rgb, label in frames] == [(30, "3"), (10, "7"), (20, "7")]
    assert frames[0][0].shape == (20, 30, 3)


def test_folder_loops_and_resizes(folder):
    frames = _take(_open("folder", folder, loop=True), 7)
    assert len(frames) == 7
    assert {rgb.shape for rgb, _ in frames} == {(48, 64, 3)}


def test_video_gives_each_of_its_frames(tmp_path):
    file = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (64, 48))
    for value in (0, 120, 240):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    frames = _take(_open("video", file), 10)
    assert [round(float(rgb.mean()), -1) for rgb, _ in frames] == [0.0, 120.0, 240.0]
    assert len(_take(_open("video", file, loop=True), 8)) == 8


@pytest.mark.parametrize(
    ("kind", "path", "changes", "part"),
    [
        ("folder", "/nowhere", {}, "/nowhere"),
        ("video", "/nowhere.mp4", {}, "/nowhere.mp4"),
        ("folder", "", {}, "needs a path"),
        ("digits", "", {"split": "all"}, "'all'"),
        ("digits", "", {"size": (8, 8)}, "8x8"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(kind, path, changes, part):
    with pytest.raises(ConfigError, match=part):
        _open(kind, path, **changes)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no images"):
        _open("folder", tmp_path)
