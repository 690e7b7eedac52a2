"""The published family at width 1.2 with random weights, calibrated for int8 where nncf is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dynofa_ros.errors import ConfigError
from dynofa_ros.paths import family_path
from dynofa_ros.supernet.family import Family, load_family

PUBLISHED = "ofa_mbv3_w12"
CALIBRATION = Path("out") / "bench" / f"{PUBLISHED}.int8.safetensors"
CALIBRATION_IMAGES = 20
"""Noise: enough for ranges that keep int8 from saturating; accuracies of random weights mean nothing."""


def published_family() -> Family:
    """The family; calibrated at the first call, within minutes, and from CALIBRATION later."""
    family = load_family(family_path(PUBLISHED)).with_random_weights()
    if CALIBRATION.exists():
        try:
            calibrated = family.with_quantization(CALIBRATION)
            calibrated.quantization(family.names[0])
        except ConfigError:
            CALIBRATION.unlink()
        else:
            return calibrated
    if find_spec("nncf") is None:
        return family
    from dynofa_ros.supernet.measure_precisions import calibrate_family

    side = max(member.spec.resolution for member in family.members)
    images = np.random.default_rng(0).integers(0, 256, (CALIBRATION_IMAGES, side, side, 3), np.uint8)
    CALIBRATION.parent.mkdir(parents=True, exist_ok=True)
    return calibrate_family(family, images, CALIBRATION)
