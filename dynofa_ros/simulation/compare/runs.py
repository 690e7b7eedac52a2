"""Runs all jobs of a suite on all cores; what is finished stays on disk and is not run again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dynofa_ros.simulation.compare.fingerprint import run_key
from dynofa_ros.simulation.compare.run import Figures, run_policies
from dynofa_ros.simulation.compare.suite import Job, Suite
from dynofa_ros.simulation.scenarios.scenario import load_scenario


class Run(NamedTuple):
    """One finished run."""

    scenario: str
    policy: str
    seed: int
    voltage: str
    figures: Figures


def run_suite(
    suite: Suite, cache: Path, workers: int | None = None, done: Callable[[int], None] = lambda _: None
) -> list[Run]:
    """All runs of a suite, in its order. `done` hears how many were finished.

    Finished runs are kept in `cache`, by the hash of all that they depend on.
    """
    cache.mkdir(parents=True, exist_ok=True)
    missing = list(_missing(suite.jobs, cache))
    done(suite.runs - sum(len(job.policies) for job in missing))
    count = min(workers or os.cpu_count() or 1, len(missing))
    if count > 1:
        with ProcessPoolExecutor(max_workers=count) as pool:
            futures = [pool.submit(run_job, job, cache) for job in missing]
            try:
                for future in as_completed(futures):
                    done(future.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    else:
        for job in missing:
            done(run_job(job, cache))
    return list(_read(suite.jobs, cache))


def run_job(job: Job, cache: Path) -> int:
    """Play and keep what a job asks for; returns the number of runs."""
    scenario = load_scenario(job.scenario)
    for policy, figures in run_policies(scenario, job.seed, job.voltage, job.policies):
        path = _path(job, policy, cache)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(figures), encoding="utf-8")
        part.replace(path)
    return len(job.policies)


def _missing(jobs: Sequence[Job], cache: Path) -> Iterator[Job]:
    """What is left to do, the longest first within reason: in the suite's order."""
    for job in jobs:
        left = tuple(policy for policy in job.policies if not _path(job, policy, cache).is_file())
        if left:
            yield replace(job, policies=left)


def _read(jobs: Sequence[Job], cache: Path) -> Iterator[Run]:
    for job in jobs:
        for policy in job.policies:
            figures = json.loads(_path(job, policy, cache).read_text(encoding="utf-8"))
            yield Run(figures["scenario"], policy, job.seed, job.voltage, figures)


def _path(job: Job, policy: str, cache: Path) -> Path:
    return cache / f"{run_key(job, policy)}.json"
