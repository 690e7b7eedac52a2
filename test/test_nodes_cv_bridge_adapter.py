from __future__ import annotations

import importlib.util

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 environment is sourced")

from dynofa_ros.engine.image import ImageFrame, to_rgb, use_converter
from dynofa_ros.errors import InvalidImage
from dynofa_ros.nodes import cv_bridge_adapter

FOUND = importlib.util.find_spec("cv_bridge") is not None


@pytest.fixture(autouse=True)
def no_converter_afterwards():
    yield
    use_converter(None)


def frame(encoding: str, width: int = 2, step: int = 8) -> ImageFrame:
    return ImageFrame(width, 1, encoding, step, False, np.arange(step, dtype=np.uint8))


@pytest.mark.skipif(FOUND, reason="cv_bridge is installed")
def test_without_cv_bridge_the_log_says_so_and_rare_encodings_are_refused():
    assert "refused: no cv_bridge" in cv_bridge_adapter.install()
    with pytest.raises(InvalidImage) as refused:
        to_rgb(frame("8SC3"))
    assert refused.value.reason == "invalid_encoding"


@pytest.mark.skipif(not FOUND, reason="cv_bridge is not installed: it comes with a ROS 2 distribution only")
def test_with_cv_bridge_rare_encodings_are_read_or_refused_by_name():
    assert "cv_bridge" in cv_bridge_adapter.install()
    for encoding in ("8SC3", "32FC1", "64FC3", "nonsense"):
        try:
            assert to_rgb(frame(encoding)).shape == (1, 2, 3)
        except InvalidImage as refused:
            assert refused.reason in ("conversion_failed", "invalid_encoding")
