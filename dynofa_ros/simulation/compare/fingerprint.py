"""What a run depends on, as a hash: the files that its code imports, its scenario, board and profiles.

A finished run is valid as long as this hash stays the same; so a change of one policy leaves the runs of the
others valid.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

import dynofa_ros
from dynofa_ros.simulation.compare.suite import Job
from dynofa_ros.simulation.policies import policy_module
from dynofa_ros.simulation.scenarios.scenario import load_scenario
from dynofa_ros.simulation.world.truth import truth_of

PACKAGE = "dynofa_ros"
ROOT = Path(dynofa_ros.__file__).resolve().parent.parent
RUNNER = f"{PACKAGE}.simulation.compare.run"


def run_key(job: Job, policy: str) -> str:
    """The hash of one run."""
    about = {
        "policy": policy,
        "seed": job.seed,
        "voltage": job.voltage,
        "world": _world_digest(job.scenario),
        "code": code_digest(policy_module(policy)),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


@cache
def code_digest(module: str) -> str:
    """Hash of the source files that the runner and a policy's module import, directly or not."""
    seen: dict[str, Path] = {}
    waiting = [RUNNER, module]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if path is not None and name not in seen:
            seen[name] = path
            waiting += [*_parents(name), *_imported(path)]
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + seen[name].read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _world_digest(scenario: Path) -> str:
    """Hash of a scenario's file and of what its board and family files say."""
    truth = truth_of(load_scenario(scenario), 0)
    points = sorted(truth.points.items())
    content = scenario.read_bytes() + repr(truth.spec).encode() + repr(points).encode()
    return hashlib.sha256(content).hexdigest()


def _source(name: str) -> Path | None:
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


@cache
def _imported(path: Path) -> tuple[str, ...]:
    """Modules of the package that a file imports anywhere."""
    found: set[str] = set()
    own = path.relative_to(ROOT).with_suffix("").parts
    package = ".".join(own[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(part for part in (package, base) if part)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return tuple(sorted(name for name in found if name.partition(".")[0] == PACKAGE))
