"""What the parts of the benchmark share. A part is a script `bench_<part>.py`:

    from harness import Part, at_most, contender_summary, interleave

    def measure(options: argparse.Namespace) -> tuple[Results, list[Target]]: ...

    if __name__ == "__main__":
        Part("frame_path", __doc__, measure).main()

`Part.main` reads `--out FILE` and `--quick`, times the part and writes a results file:

    {schema: "dynofa/benchmark/1", part, machine, date, settings, results: {...},
     targets: [{name, value, limit, met, bound, unit, margin, why}]}
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from disturbance import stolen_s
from machine import machine_description, machine_name
from ratios import contender_summary, geometric_mean, round_ratios, speed_up, summary
from rounds import Rounds, interleave
from targets import Target, at_least, at_most, show

__all__ = [
    "SCHEMA",
    "Part",
    "Rounds",
    "Target",
    "at_least",
    "at_most",
    "contender_summary",
    "geometric_mean",
    "interleave",
    "machine_description",
    "machine_name",
    "read_results",
    "round_ratios",
    "speed_up",
    "summary",
    "write_json",
]

SCHEMA = "dynofa/benchmark/1"
FOLDER = Path("out") / "bench"
KEYS = ("schema", "part", "machine", "date", "settings", "results", "targets")

Results = dict[str, Any]
Measure = Callable[[argparse.Namespace], tuple[Results, list[Target]]]


@dataclass
class Part:
    """One part of the benchmark: command line, measurement, results file."""

    name: str
    description: str | None
    measure: Measure

    def __post_init__(self) -> None:
        self.parser = argparse.ArgumentParser(
            description=self.description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        out = FOLDER / f"{self.name}.json"
        self.parser.add_argument("--out", type=Path, default=out, help=f"results file (default {out})")
        self.parser.add_argument(
            "--quick", action="store_true", help="few rounds, to see that it runs; not for figures"
        )

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Measure, write the results, print the targets; the exit status is 0 for missed targets too."""
        options = self.parser.parse_args(arguments)
        started_s, stolen = time.monotonic(), stolen_s()
        results, targets = self.measure(options)
        settings = {key: value for key, value in vars(options).items() if key != "out"}
        settings["duration_s"] = round(time.monotonic() - started_s, 1)
        settings["stolen_s"] = round(stolen_s() - stolen, 2)
        document = compose(self.name, settings, results, targets)
        write_json(options.out, document)
        show(self.name, document["targets"])
        print(f"{options.out}: {settings['duration_s']:.0f} s on {machine_name(document['machine'])}")
        return 0


def compose(part: str, settings: Results, results: Results, targets: Sequence[Target]) -> Results:
    """The content of a results file."""
    return {
        "schema": SCHEMA,
        "part": part,
        "machine": machine_description(),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "settings": settings,
        "results": results,
        "targets": [target.document() for target in targets],
    }


def write_json(path: Path, document: Results) -> None:
    """Write atomically: a reader sees the old file or the new one.

    Raises:
        ValueError: a NaN or an infinity, which JSON does not know; leave out or write None.
    """
    text = json.dumps(document, indent=1, allow_nan=False, default=_plain) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _plain(value: object) -> Any:
    """Numbers and arrays of numpy, and paths, as JSON knows them."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written to a results file")


def read_results(path: Path) -> Results:
    """Read a results file.

    Raises:
        ValueError: it is not one; the message names the file and what is wrong.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"{path}: schema must be {SCHEMA!r}")
    missing = [key for key in KEYS if key not in document]
    if missing:
        raise ValueError(f"{path}: {', '.join(missing)} missing")
    return document
