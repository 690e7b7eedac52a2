"""A small board, a small family and a world that only notes what a policy asks for."""

from __future__ import annotations

from dataclasses import replace

from dynofa_ros.board.spec import find_spec
from dynofa_ros.board.state import BoardState, ClockDomain
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import Objective, QosTarget
from dynofa_ros.simulation.world.policy import FrameOutcome, SimApplication

SPEC = find_spec("jetson_orin_nano_super")
FULL = {"cpu0": 1728.0, "gpu": 1020.0, "emc": 3199.0}


def point(subnet, latency_ms, accuracy, element="gpu", **changes):
    """Profiled at full clock; the clock scales all of its time."""
    domain, full_mhz = ("gpu", 1020.0) if element == "gpu" else ("cpu0", 1728.0)
    sample = OperatingPoint(
        subnet, element, element, latency_ms=latency_ms, accuracy=accuracy, macs=latency_ms * 1e7,
        clock_domain=domain, clocked_fraction=1.0, reference_mhz=full_mhz,
    )  # fmt: skip
    return replace(sample, **changes)


SMALL, MIDDLE, LARGE = point("small", 5.0, 0.74), point("middle", 10.0, 0.77), point("large", 20.0, 0.79)
POINTS = (SMALL, MIDDLE, LARGE)


def target(latency_ms=30.0, objective=Objective.MAX_ACCURACY, **fields):
    return QosTarget("front", latency_ms, objective=objective, **fields)


def frugal(latency_ms=30.0, **fields):
    return target(latency_ms, Objective.MIN_ENERGY, **fields)


def application(points=POINTS, qos=None, name="front", period_ms=33.3):
    wanted = replace(qos or target(), application=name)
    return SimApplication(name, "family", tuple(points), wanted, period_ms)


class NotingWorld:
    """A `World` in which every limit takes effect at once."""

    def __init__(self, clocks=None, spec=SPEC):
        self.now_s = 0.0
        self.frame_index = 0
        self.frame_release_s = 0.0
        self.spec = spec
        self.limits = []
        self.governors = {}
        self.suspended = {}
        self._clocks = dict(clocks or FULL)

    def limit(self, domain, min_mhz, max_mhz, validity_s=float("inf")):
        self.limits.append((domain, min_mhz, max_mhz))
        if min_mhz == max_mhz:
            self._clocks[domain] = max_mhz

    def governor(self, domain, name):
        self.governors[domain] = name

    def schedule(self, at_s, callback):
        raise AssertionError("no timer expected")

    def suspend(self, application, until_s):
        self.suspended[application] = until_s

    def clocks(self):
        return dict(self._clocks)

    def set_clock(self, domain, mhz):
        self._clocks[domain] = mhz


def started(policy, *apps, clocks=None):
    """The policy with these applications present, and its world."""
    world = NotingWorld(clocks)
    policy.start(world)
    for app in apps:
        policy.on_join(app)
    return policy, world


def frame(point, inference_ms, target_ms=30.0, overhead_ms=1.0, waited_ms=0.0, name="front"):
    """An inferred frame that was released at 0 s."""
    chosen_s = overhead_ms / 1e3
    start_s = chosen_s + waited_ms / 1e3
    return FrameOutcome(
        name, 0, 0.0, target_ms, received_s=chosen_s, chosen_s=chosen_s, start_s=start_s,
        end_s=start_s + inference_ms / 1e3, inference_ms=inference_ms, waited_ms=waited_ms, point=point,
        element=point.element, accuracy=point.accuracy,
    )  # fmt: skip


def dropped(name="front"):
    return FrameOutcome(name, 0, 0.0, 30.0, drop="replaced")


def capped(**caps):
    """A reading in which others cap these domains."""
    domains = tuple(
        ClockDomain(
            d.name, current_mhz=FULL[d.name], cap_mhz=caps.get(d.name, float("nan")),
            available_mhz=d.available_mhz, writable=d.writable,
        )
        for d in SPEC.domains
    )  # fmt: skip
    return BoardState(sequence=1, board="sample", clock_domains=domains)


def run(policy, frames, inference_ms, name="front", step_s=0.0333):
    """Let the policy choose `frames` times; `inference_ms(point, clocks)` says how long each takes."""
    chosen = []
    for _ in range(frames):
        policy.world.now_s += step_s
        picked = policy.choose(name)
        chosen.append(picked)
        policy.on_result(name, frame(picked, inference_ms(picked, policy.world.clocks()), name=name))
    return chosen
