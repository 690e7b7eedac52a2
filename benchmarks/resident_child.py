"""A fresh process that makes the published family resident and says what that took, as one line of JSON.

python resident_child.py PLACEMENT [CACHE_FOLDER]
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from dynofa_ros.engine.artefacts import ArtefactCache
from dynofa_ros.engine.bank import LoadOptions, SubnetBank
from dynofa_ros.engine.placement import Placement
from process_memory import process_memory
from published_family import published_family


def main(placement_text: str, cache_folder: str = "") -> None:
    """Load, warm, report. CLOCK_MONOTONIC is the same in all processes of the machine."""
    imported_s = time.monotonic()
    family = published_family()
    cache = ArtefactCache(Path(cache_folder)) if cache_folder else None
    bank = SubnetBank.load(family, [Placement.parse(placement_text)], LoadOptions(cache=cache))
    warmed_s = time.monotonic()
    report = {
        "imported_s": imported_s,
        "warmed_s": warmed_s,
        "resident": list(bank.names),
        "not_resident": {name: why for (name, _), why in bank.not_resident.items()},
        "memory": process_memory(),
        "reference_libraries": sorted({"torch", "ofa", "torchvision"} & set(sys.modules)),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
