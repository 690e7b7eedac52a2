"""The benchmark page: docs/benchmarks.md and its plots, from the results files of all parts.

make bench                  # measures everything and draws a page in out/bench/report
make bench-report           # the same page into docs/
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from harness import FOLDER, machine_name, read_results
from report_plots import save_plots
from report_tables import SECTIONS, targets

PLOTS = {
    "engine": ("benchmark_latency.svg", "benchmark_gemm_share.svg"),
    "frame_path": ("benchmark_frame_path.svg",),
    "switch": ("benchmark_switch.svg",),
    "decision": ("benchmark_decision.svg",),
}
CAPTIONS = {
    "benchmark_latency.svg": "Inference time by sub-network and contender",
    "benchmark_gemm_share.svg": "Fraction of the machine's matrix product",
    "benchmark_frame_path.svg": "Frame path",
    "benchmark_switch.svg": "Decision to ready",
    "benchmark_decision.svg": "Time of a decision against the number of combinations",
}
PREFACE = """# Benchmarks

Measured, nothing simulated, by `make bench`; this page is written by `make bench-report`. Contenders of
one table ran in one process, in interleaved rounds whose order alternates, so that drift hits all alike;
ratios are medians of the ratios of each round. Turns in which a thread waited for a core for more than 2 %
of the time are left out; `*` marks figures of which four fifths were, so that only the fastest fifth
counts. The networks of `ofa_mbv3_w12` have random weights, the same in all contenders. `ofa` gets its image
normalised as float; ours normalise it themselves, from uint8."""

Documents = dict[str, dict[str, Any]]


def load(folder: Path, allow_quick: bool) -> Documents:
    """Results of all parts that there are, in the order of the page.

    Raises:
        ValueError: none, of different machines, or of a quick run where that is not allowed.
    """
    files = {part: folder / f"{part}.json" for part in SECTIONS}
    documents = {part: read_results(file) for part, file in files.items() if file.exists()}
    if not documents:
        raise ValueError(f"{folder}: no results; run `make bench` first")
    machines = {machine_name(document["machine"]) for document in documents.values()}
    if len(machines) > 1:
        raise ValueError(f"{folder}: results of different machines: {'; '.join(sorted(machines))}")
    quick = [part for part, document in documents.items() if document["settings"].get("quick")]
    if quick and not allow_quick:
        raise ValueError(f"{folder}: {', '.join(quick)} from a quick run; measure without --quick")
    return documents


def machine_text(documents: Documents) -> str:
    """What it was measured on."""
    document = list(documents.values())[-1]
    machine = document["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    flags = " ".join(machine["flags"])
    return (
        f"{machine_name(machine)}, {machine['memory_gib']:.0f} GiB, {flags}; governor {machine['governor']}; "
        f"{machine['system']}; Python {machine['python']}; {packages}."
    )


def page(documents: Documents) -> str:
    """The whole page."""
    blocks = [PREFACE]
    if any(document["settings"].get("quick") for document in documents.values()):
        blocks.append("**Quick run: too few rounds, not for figures.**")
    blocks += [f"**Machine.** {machine_text(documents)}", "## Targets", targets(documents)]
    for part, document in documents.items():
        title, section = SECTIONS[part]
        settings = document["settings"]
        blocks += [f"## {title}", *(f"![{CAPTIONS[file]}]({file})" for file in PLOTS.get(part, ()))]
        blocks.append(section(document["results"]))
        took = f"{settings['duration_s']:.0f} s, {document['date'][:10]}"
        blocks.append(f"`make bench-{part}`: {took}; the hypervisor took {settings['stolen_s']:.1f} s away.")
    return "\n\n".join(blocks) + "\n"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=FOLDER, help="folder of the results files")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the page")
    parser.add_argument("--allow-quick", action="store_true", help="also from a quick run; the page says so")
    options = parser.parse_args()
    try:
        documents = load(options.results, options.allow_quick)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    plots = save_plots({part: document["results"] for part, document in documents.items()}, options.out)
    file = options.out / "benchmarks.md"
    file.write_text(page(documents), encoding="utf-8")
    print(f"{file} and {len(plots)} plots")
    return 0


if __name__ == "__main__":
    sys.exit(main())
