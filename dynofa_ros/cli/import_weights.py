"""`dynofa import-weights`: use your own supernet weights with a family that ships without them."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """Convert a torch checkpoint of a family's supernet to safetensors. Names and shapes are
checked against the family; the result is a family file with the SHA-256 of the weights, usable wherever
a family is asked for. The checkpoint is read without running any code in it."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the sub-command."""
    parser = subparsers.add_parser(
        "import-weights", help="convert a torch checkpoint for a family", description=DESCRIPTION
    )
    parser.add_argument("checkpoint", type=Path, metavar="FILE", help="torch checkpoint of the supernet")
    parser.add_argument("--family", default="ofa_mbv3_w12", help="name or file (default: ofa_mbv3_w12)")
    parser.add_argument(
        "--out", type=Path, default=Path("families"), help="folder for the result (default: families)"
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="IMAGES_DIR",
        help="measure batch-norm statistics per sub-network on the images of this folder",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Import; returns the exit status."""
    from dynofa_ros.paths import family_path
    from dynofa_ros.supernet.family import load_family
    from dynofa_ros.supernet.ofa_import import import_weights

    family = load_family(family_path(args.family))
    imported = import_weights(args.checkpoint, family, args.out, args.calibrate)
    print(f"{imported.file}: {len(imported.members)} sub-networks, weights {imported.weights_sha256}")
    return 0
