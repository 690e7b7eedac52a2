"""`dynofa quantize`: calibrate a family for int8 and measure its accuracy with reduced precisions."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynofa_ros.supernet.family import Family

DESCRIPTION = """Calibrate every sub-network of FAMILY for int8 (NNCF, post-training), measure its accuracy
with each reduced precision on the rendered test images on which fp32 was measured, and write both beside the
family file: FAMILY.int8.safetensors, and `accuracies` in the file itself. A precision that loses more than
half a point is written, but not offered. Needs nncf, and the digits data that `dynofa train` uses."""
PRECISIONS = ("bf16", "fp16", "int8")
RANDOM_IMAGES = 32


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the sub-command."""
    parser = subparsers.add_parser(
        "quantize", help="calibrate and measure precisions", description=DESCRIPTION
    )
    parser.add_argument("family", help="name of a shipped family, or path of a family file")
    parser.add_argument(
        "--precision", action="append", choices=PRECISIONS, help="one of them; repeat it (default: all)"
    )
    parser.add_argument(
        "--images",
        type=Path,
        help="folder that keeps the rendered images, as OUT/images of `dynofa train` (default: temporary)",
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    parser.add_argument(
        "--random-weights",
        action="store_true",
        help="untrained weights, for benchmarks: calibrate on noise into --out, measure nothing",
    )
    parser.add_argument("--out", type=Path, help="calibration file to write with --random-weights")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Calibrate and measure; returns the exit status.

    Raises:
        DynofaError: the family cannot be calibrated or measured here.
    """
    from dynofa_ros.paths import family_path
    from dynofa_ros.supernet.family import load_family

    family = load_family(family_path(args.family))
    if args.random_weights:
        return _calibrate_random(family, args.out)
    precisions = tuple(args.precision or PRECISIONS)
    if args.images:
        return _measure(family, precisions, args.images.expanduser(), args.threads)
    with tempfile.TemporaryDirectory(prefix="dynofa-images-") as folder:
        return _measure(family, precisions, Path(folder), args.threads)


def _calibrate_random(family: Family, out: Path | None) -> int:
    import numpy as np

    from dynofa_ros.errors import DynofaError
    from dynofa_ros.supernet.measure_precisions import calibrate_family

    if out is None:
        raise DynofaError(
            "--random-weights needs --out FILE: nothing is written beside a family that is shipped"
        )
    side = max(family.space.resolutions)
    images = np.random.default_rng(0).integers(0, 256, (RANDOM_IMAGES, side, side, 3), np.uint8)
    out.expanduser().parent.mkdir(parents=True, exist_ok=True)
    calibrate_family(family.with_random_weights(), images, out.expanduser())
    print(f"written to {out}")
    return 0


def _measure(family: Family, precisions: tuple[str, ...], images: Path, threads: int) -> int:
    from dynofa_ros.datasets import digits
    from dynofa_ros.errors import ConfigError
    from dynofa_ros.supernet.measure_precisions import measure_family
    from dynofa_ros.supernet.train_data import load_pool
    from dynofa_ros.supernet.train_export import ExportConfig
    from dynofa_ros.supernet.train_run import CALIBRATION_SEED, CAMERA_SIDE, TEST_SEED

    if family.labels != digits.LABELS:
        message = "accuracies can only be measured here for the digits' ten classes"
        raise ConfigError(family.file, "labels", message)
    counts = {member.accuracy.n_images for member in family.members if member.accuracy is not None}
    if len(counts) != 1:
        raise ConfigError(
            family.file, "members", f"fp32 was measured on {sorted(counts)} images; need one number"
        )
    n_calibration = ExportConfig().final_calibration
    calibration = load_pool(images, "train", CALIBRATION_SEED, n_calibration, CAMERA_SIDE, threads)
    test = load_pool(images, "test", TEST_SEED, counts.pop(), CAMERA_SIDE, threads)
    family = measure_family(family, calibration, test, precisions, print, threads)
    print(f"written to {family.file}")
    return 0
