"""A perception core filled as the node fills it, driven in lock step by a benchmark."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import numpy as np

from dynofa_ros.engine.backend import Logits
from dynofa_ros.engine.backends import available_placements
from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.image import ImageFrame
from dynofa_ros.engine.pipeline import PerceptionCore
from dynofa_ros.engine.placement import Placement
from dynofa_ros.engine.points import operating_points
from dynofa_ros.engine.preprocess import prepare
from dynofa_ros.engine.profiler import ProfilerOptions, profile_points
from dynofa_ros.engine.results import FrameDrop, FrameResult
from dynofa_ros.manager.decision import SubnetAlternative, SubnetDecision
from dynofa_ros.paths import family_path
from dynofa_ros.supernet.family import load_family

APPLICATION = "benchmark"
PROFILE_ROUNDS = 5
LEASE_MS = 60_000.0


def noise_frame(seed: int = 0, width: int = 320, height: int = 240) -> ImageFrame:
    """A bgr8 image of noise."""
    data = np.random.default_rng(seed).integers(0, 256, height * width * 3, np.uint8)
    return ImageFrame(width, height, "bgr8", width * 3, False, data)


def fp32_placement(threads: int) -> Placement:
    """The fp32 placement that `placements: auto` chooses on most machines: own kernels where they run."""
    available, _ = available_placements(threads)
    backends = {placement.backend for placement in available if placement.precision == "fp32"}
    return Placement("cpu", "native" if "native" in backends else "openvino", "fp32", threads)


class Core:
    """All sub-networks of a family resident with fp32, and the perception core over them."""

    top_k = 3

    def __init__(self, family: str, threads: int, random_weights: bool = False) -> None:
        loaded = load_family(family_path(family))
        self.family = loaded.with_random_weights() if random_weights else loaded
        self.placement = fp32_placement(threads)
        self.bank = SubnetBank.load(self.family, [self.placement])
        profile = profile_points(self.bank, self.bank.keys, ProfilerOptions(rounds=PROFILE_ROUNDS))
        points = operating_points(self.family, profile)
        self.core = PerceptionCore(APPLICATION, self.bank, points, top_k=self.top_k)
        self._sequence = itertools.count()
        self._frame = noise_frame()

    @property
    def names(self) -> tuple[str, ...]:
        """Resident sub-networks by rising multiply-adds."""
        return self.bank.names

    def decision(self, subnet: str, alternatives: bool = False) -> SubnetDecision:
        """A decision for one sub-network; with all faster ones as alternatives, as the manager sends it."""
        names = self.names[: self.names.index(subnet) + 1] if alternatives else ()
        others = tuple(SubnetAlternative(name, placement=str(self.placement)) for name in names)
        number = next(self._sequence)
        return SubnetDecision(
            APPLICATION, "benchmark", number, LEASE_MS, subnet, str(self.placement), alternatives=others
        )

    def random_walk(self, rng: np.random.Generator, n: int) -> Iterator[str]:
        """`n` sub-networks at random, each another one than before."""
        last = -1
        for _ in range(n):
            choice = int(rng.integers(len(self.names) - (last >= 0)))
            last = choice + (0 <= last <= choice)
            yield self.names[last]

    def run(self, frame: ImageFrame) -> FrameResult | FrameDrop:
        """One frame through the core."""
        now_s = time.monotonic()
        return self.core.process(frame, now_s, now_s, time.monotonic)

    def process(self, pause_s: float = 0.0) -> FrameResult:
        """The same frame again, after a pause; it must give a result."""
        time.sleep(pause_s)
        outcome = self.run(self._frame)
        if isinstance(outcome, FrameDrop):
            raise RuntimeError(f"frame lost: {outcome.reason}: {outcome.detail}")
        return outcome

    def logits(self, subnet: str, frame: ImageFrame) -> Logits:
        """What the sub-network itself says of a frame, without the core."""
        key = (subnet, str(self.placement))
        return self.bank.infer(key, prepare(frame, self.bank.resolution(key)))
