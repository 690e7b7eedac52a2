"""`dynofa train`: train the `digits` supernet, search its sub-networks, measure and write the family."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """Train the digits supernet and write a family into OUT: digits.yaml and
digits.safetensors. Interrupt at any time; --resume continues from the last checkpoint."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the sub-command."""
    parser = subparsers.add_parser("train", help="train the digits family", description=DESCRIPTION)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the family")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--resume", action="store_true", help="continue from OUT's last checkpoint")
    parser.add_argument("--seed", type=int, default=1, help="seed of everything random (default: 1)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    parser.add_argument("--save-every", type=int, default=50, help="steps between checkpoints (default: 50)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train; returns the exit status."""
    from dynofa_ros.supernet.train_run import train_family

    family = train_family(args.out, args.device, args.resume, args.seed, args.threads, args.save_every)
    print(f"{family.file}: {len(family.members)} sub-networks")
    return 0
