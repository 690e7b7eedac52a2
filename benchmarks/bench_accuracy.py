"""Accuracy of every precision offered for `digits`, against fp32 on the same images.

What the family file states was measured when the family was built, on 12,000 images of test scans. This part
compares those figures, and measures again through the compiled networks: three sub-networks on some of the
images, or with --full all of them.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from dynofa_ros.engine.backend import BackendUnavailable, CompiledNetwork
from dynofa_ros.engine.backends import available_placements, create_backend
from dynofa_ros.engine.placement import Placement, usable_cores
from dynofa_ros.paths import family_path
from dynofa_ros.supernet.family import Family, load_family
from dynofa_ros.supernet.train_data import render_square, resize_area
from dynofa_ros.supernet.train_run import CAMERA_SIDE, TEST_SEED
from harness import Part, Results, Target, at_most

MAX_LOSS_POINTS = 0.5
N_IMAGES, N_ALL_IMAGES, N_QUICK_IMAGES = 3_000, 12_000, 100

Point = tuple[str, str]
"""Sub-network and precision."""
Correct = npt.NDArray[np.bool_]


def stated(family: Family) -> Results:
    """Accuracy by sub-network and precision as the family file states it [%]."""
    found: Results = {}
    for member in family.members:
        if member.accuracy is not None:
            values = {"fp32": member.accuracy, **member.accuracies}
            found[member.spec.name] = {name: 100 * accuracy.value for name, accuracy in values.items()}
    return found


def one_per_precision(threads: int) -> list[Placement]:
    """One placement per precision that runs here: the first back end on the CPU that has it."""
    first: dict[str, Placement] = {}
    for placement in available_placements(threads)[0]:
        if placement.element == "cpu" and placement.backend != "torch":
            first.setdefault(placement.precision, placement)
    return list(first.values())


def compiled(
    family: Family, names: tuple[str, ...], placements: list[Placement]
) -> tuple[dict[Point, CompiledNetwork], dict[str, str]]:
    """All networks to compare, and what refused to compile and why."""
    networks, refused = {}, {}
    for placement in placements:
        backend = create_backend(placement.backend, placement.element, placement.precision)
        for name in names:
            try:
                networks[name, placement.precision] = backend.compile(family.source(name), placement.threads)
            except BackendUnavailable as error:
                refused[f"{name} {placement}"] = str(error)
    return networks, refused


def answers(networks: dict[Point, CompiledNetwork], n_images: int) -> dict[Point, Correct]:
    """Whether each network classifies each test image rightly; images are rendered one by one."""
    right = {point: np.zeros(n_images, np.bool_) for point in networks}
    for frame in tqdm(range(n_images), desc="test images", unit="image"):
        image, label, _ = render_square("test", TEST_SEED, frame, CAMERA_SIDE)
        for point, network in networks.items():
            network.input[0] = resize_area(image, network.resolution)
            right[point][frame] = int(np.argmax(network.infer_input())) == label
    return right


def measured(right: dict[Point, Correct]) -> Results:
    """Accuracy [%] by sub-network and precision, and what each loses against fp32 [points]."""
    found: dict[str, dict[str, Any]] = {}
    for (name, precision), correct in right.items():
        row = found.setdefault(name, {"accuracy": {}, "loss": {}})
        row["accuracy"][precision] = 100 * float(correct.mean())
        if precision != "fp32":
            row["loss"][precision] = _loss(right[name, "fp32"], correct)
    return found


def _loss(reference: Correct, other: Correct) -> dict[str, float]:
    """How much less often `other` is right, on the same images [points]."""
    difference = reference.astype(np.float64) - other
    standard_error = float(difference.std() / np.sqrt(len(difference)))
    return {"points": 100 * float(difference.mean()), "standard_error": 100 * standard_error}


def _stated_loss(table: Results) -> float | None:
    """Largest loss of any precision at any sub-network [points]."""
    losses = [row["fp32"] - value for row in table.values() for p, value in row.items() if p != "fp32"]
    return max(losses, default=None)


def measure(options: argparse.Namespace) -> tuple[Results, list[Target]]:
    """The family file's figures, and some or all of them measured again."""
    family = load_family(family_path("digits"))
    n_images = N_QUICK_IMAGES if options.quick else N_ALL_IMAGES if options.full else options.images
    some = (family.names[0], family.names[len(family.names) // 2], family.names[-1])
    networks, refused = compiled(
        family, family.names if options.full else some, one_per_precision(options.threads)
    )
    table, again = stated(family), measured(answers(networks, n_images))
    losses = [loss["points"] for row in again.values() for loss in row["loss"].values()]
    return {
        "family": family.name,
        "images": n_images,
        "stated": table,
        "measured": again,
        "refused": refused,
    }, [
        at_most(
            "largest loss of a reduced precision against fp32, family file",
            _stated_loss(table),
            MAX_LOSS_POINTS,
            "points",
            why="the family file states no reduced precision",
        ),
        at_most(
            f"largest loss of a reduced precision against fp32, {n_images:,} images again",
            max(losses, default=None),
            MAX_LOSS_POINTS,
            "points",
            why="no reduced precision runs here",
        ),
    ]


part = Part("accuracy", __doc__, measure)
part.parser.add_argument("--threads", type=int, default=min(2, len(usable_cores())))
part.parser.add_argument("--images", type=int, default=N_IMAGES, help="images for three sub-networks")
part.parser.add_argument("--full", action="store_true", help="all sub-networks on 12,000 images")

if __name__ == "__main__":
    sys.exit(part.main())
