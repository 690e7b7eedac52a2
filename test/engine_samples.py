"""Small real families and frames for tests of the engine."""

from __future__ import annotations

import numpy as np

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.image import ImageFrame
from dynofa_ros.engine.placement import Placement
from dynofa_ros.supernet.family import Family, random_family
from dynofa_ros.supernet.space import OfaMbv3Space
from dynofa_ros.supernet.subnet_spec import SubnetSpec, uniform_spec

FP32 = Placement("cpu", "openvino", "fp32", 1)
SPACE = OfaMbv3Space(width_mult=0.5, n_classes=10, resolutions=(64, 96))


def mixed_spec(name: str, resolution: int) -> SubnetSpec:
    """Different choices from block to block."""
    return SubnetSpec(name, resolution, (2, 3, 4, 2, 3), (3, 5, 7, 5) * 5, (3, 4, 6, 4) * 5)


def small_family(seed: int = 0) -> Family:
    """Three untrained sub-networks of different depth, kernel size, expand ratio and resolution."""
    specs = [uniform_spec("small", 64, 2, 3, 3), mixed_spec("middle", 64), uniform_spec("large", 96, 4, 7, 6)]
    return random_family(SPACE, specs, seed)


def noise_frame(seed: int = 0, width: int = 160, height: int = 120) -> ImageFrame:
    """A bgr8 image of noise."""
    data = np.random.default_rng(seed).integers(0, 256, height * width * 3, np.uint8)
    return ImageFrame(width, height, "bgr8", width * 3, False, data)


def small_bank(*placements: Placement, family: Family | None = None) -> SubnetBank:
    """The small family, resident on `placements` (default: OpenVINO with fp32 and one thread)."""
    return SubnetBank.load(family or small_family(), placements or (FP32,))


def on(name: str, placement: Placement = FP32) -> tuple[str, str]:
    """Key of a sub-network on a placement."""
    return (name, str(placement))
