"""Print a family as the Markdown table of docs/families.md.

    dynofa profile digits --placements cpu/openvino/fp32/1 --threads 1 --out profile.json
    python benchmarks/family_table.py digits --profile profile.json

Accuracies are those of the family file; latencies those of the profile, measured on
the machine it names, on one placement.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from dynofa_ros.paths import family_path
from dynofa_ros.supernet.family import FamilyMember, load_family

HEAD = (
    "sub-network",
    "px",
    "blocks",
    "mean kernel",
    "mean expand",
    "M multiply-adds",
    "accuracy % (95 %)",
    "ms p50 / p95",
)


def accuracy_text(member: FamilyMember) -> str:
    """Accuracy in percent, with its interval where it is known."""
    accuracy = member.accuracy
    if accuracy is None:
        return "-"
    text = f"{100 * accuracy.value:.2f}"
    if math.isnan(accuracy.low):
        return text
    return f"{text} ({100 * accuracy.low:.1f} to {100 * accuracy.high:.1f})"


def row(member: FamilyMember, timings: dict[str, Any]) -> str:
    """One line of the table."""
    spec, timing = member.spec, timings.get(member.spec.name)
    active = spec.active_blocks()
    kernel = sum(spec.kernel_size[i] for i in active) / len(active)
    expand = sum(spec.expand_ratio[i] for i in active) / len(active)
    latency = f"{timing['latency_ms']:.2f} / {timing['latency_p95_ms']:.2f}" if timing else "-"
    cells = (
        f"`{spec.name}`",
        str(spec.resolution),
        str(sum(spec.depth)),
        f"{kernel:.1f}",
        f"{expand:.1f}",
        f"{member.macs / 1e6:.1f}",
        accuracy_text(member),
        latency,
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("family", help="family name or file")
    parser.add_argument("--profile", type=Path, help="profile of this family, for the latencies")
    parser.add_argument("--placement", default="cpu/openvino/fp32/1", help="default: %(default)s")
    args = parser.parse_args()
    profile = json.loads(args.profile.read_text(encoding="utf-8")) if args.profile else {"points": []}
    timings = {p["subnet"]: p for p in profile["points"] if p["placement"] == args.placement}
    print(f"| {' | '.join(HEAD)} |")
    print("|---" * len(HEAD) + "|")
    for member in load_family(family_path(args.family)).members:
        print(row(member, timings))
    if args.profile:
        print("\n" + ", ".join(f"{key}: {value}" for key, value in profile["fingerprint"].items()))


if __name__ == "__main__":
    main()
