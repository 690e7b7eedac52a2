"""Search for the sub-networks worth shipping: the front of validation accuracy against multiply-adds.

Regularised evolution per multiply-add budget: candidates are random sub-networks and mutations of the
best so far, each with its own batch-norm statistics and all measured on the same validation images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from .space import OfaMbv3Space
from .subnet_spec import N_BLOCKS, N_STAGES, SubnetSpec
from .train import random_spec

TOLERANCE = 0.06
MUTATION_RATE = 0.15
MAX_DRAWS = 4000

Evaluate = Callable[[SubnetSpec], float]


@dataclass(frozen=True)
class Candidate:
    """A sub-network with its multiply-adds and validation accuracy."""

    spec: SubnetSpec
    macs: int
    accuracy: float


def budgets(space: OfaMbv3Space, smallest: SubnetSpec, largest: SubnetSpec, count: int) -> list[float]:
    """`count` multiply-add budgets, geometrically spaced from the smallest to the largest sub-network."""
    return [float(value) for value in np.geomspace(space.macs(smallest), space.macs(largest), count)]


def mutate(space: OfaMbv3Space, spec: SubnetSpec, rng: np.random.Generator) -> SubnetSpec:
    """`spec` with each choice redrawn with probability MUTATION_RATE."""
    fresh = random_spec(space, rng, max(space.resolutions))

    def mix(old: tuple[int, ...], new: tuple[int, ...], count: int) -> tuple[int, ...]:
        redrawn = rng.random(count) < MUTATION_RATE
        return tuple(b if change else a for a, b, change in zip(old, new, redrawn, strict=True))

    resolution = fresh.resolution if rng.random() < MUTATION_RATE else spec.resolution
    return SubnetSpec(
        spec.name,
        resolution,
        mix(spec.depth, fresh.depth, N_STAGES),
        mix(spec.kernel_size, fresh.kernel_size, N_BLOCKS),
        mix(spec.expand_ratio, fresh.expand_ratio, N_BLOCKS),
    )


def stage_wise(space: OfaMbv3Space, rng: np.random.Generator) -> SubnetSpec:
    """A random sub-network with one kernel size and expand ratio per stage: spreads the multiply-adds."""
    spec = random_spec(space, rng, max(space.resolutions))
    per_stage = N_BLOCKS // N_STAGES
    lean = int(rng.integers(0, 3))

    def choose(choices: tuple[int, ...]) -> list[int]:
        common = choices[min(lean, len(choices) - 1)]
        return [common if rng.random() < 0.5 else int(rng.choice(choices)) for _ in range(N_STAGES)]

    kernel_sizes, expand_ratios = choose(space.kernel_sizes), choose(space.expand_ratios)
    return replace(
        spec,
        depth=tuple(choose(space.depths)),
        kernel_size=tuple(np.repeat(kernel_sizes, per_stage).tolist()),
        expand_ratio=tuple(np.repeat(expand_ratios, per_stage).tolist()),
    )


def fitting(
    space: OfaMbv3Space, budget: float, draw: Callable[[], SubnetSpec], seen: set[object]
) -> SubnetSpec | None:
    """A new sub-network from `draw` within TOLERANCE of `budget`; None when none is found."""
    for _ in range(MAX_DRAWS):
        spec = draw()
        if abs(space.macs(spec) / budget - 1) <= TOLERANCE and spec.architecture() not in seen:
            seen.add(spec.architecture())
            return spec
    return None


def search_budget(
    space: OfaMbv3Space,
    budget: float,
    evaluate: Evaluate,
    rng: np.random.Generator,
    n_random: int,
    n_mutations: int,
    parents: Iterable[SubnetSpec] = (),
) -> list[Candidate]:
    """Candidates near one budget, best first."""
    seen: set[object] = set()
    found: list[Candidate] = []

    def consider(draw: Callable[[], SubnetSpec]) -> None:
        spec = fitting(space, budget, draw, seen)
        if spec is not None:
            found.append(Candidate(spec, space.macs(spec), evaluate(spec)))
            found.sort(key=lambda candidate: -candidate.accuracy)

    for parent in parents:
        consider(lambda parent=parent: mutate(space, parent, rng))  # type: ignore[misc]
    for _ in range(n_random):
        consider(lambda: stage_wise(space, rng))
    for _ in range(n_mutations):
        if found:
            best = found[: max(1, len(found) // 3)]
            consider(lambda best=best: mutate(space, best[rng.integers(len(best))].spec, rng))  # type: ignore[misc]
    return found


def pareto_front(candidates: Iterable[Candidate], min_gain: float = 0.0) -> list[Candidate]:
    """Candidates by rising multiply-adds, each more accurate than all cheaper ones by over `min_gain`."""
    front: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: (c.macs, -c.accuracy)):
        if not front or candidate.accuracy > front[-1].accuracy + min_gain:
            front.append(candidate)
    return front


def spread(front: list[Candidate], min_ratio: float) -> list[Candidate]:
    """The front without members that a dearer one exceeds by less than `min_ratio` in cost; ends stay."""
    kept = [front[-1]]
    for candidate in reversed(front[:-1]):
        if kept[-1].macs >= min_ratio * candidate.macs:
            kept.append(candidate)
    if kept[-1] is not front[0]:
        kept[-1:] = [front[0]] if len(kept) > 1 else [kept[-1], front[0]]
    return kept[::-1]
