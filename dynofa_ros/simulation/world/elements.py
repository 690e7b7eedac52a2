"""Elements as servers: first come, first served, nothing interrupted.

A GPU or DLA runs one inference at a time. On the CPU applications run side by side while their threads fit on
the cores. The clocks, co-runners and caps in force change the pace of what is running at once: what is done
stays done, the rest goes on at the new pace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.simulation.world.policy import FrameOutcome

CPU = "cpu"


class Job:
    """One inference: how long all of it takes at the pace in force, and how much is left."""

    __slots__ = ("duration_s", "factor", "frame", "left", "point", "since_s", "switch_s", "version")

    def __init__(self, frame: FrameOutcome, point: OperatingPoint, factor: float, switch_s: float) -> None:
        self.frame, self.point, self.factor, self.switch_s = frame, point, factor, switch_s
        self.left = 1.0
        self.duration_s = 0.0
        self.since_s = 0.0
        self.version = 0
        """Of its pace: an end that was foreseen at an older one is void."""

    def begin(self, now_s: float, duration_s: float) -> float:
        """Start at the pace that makes it last `duration_s`; returns its end [s]."""
        self.since_s, self.duration_s = now_s, duration_s
        return now_s + duration_s

    def repace(self, now_s: float, duration_s: float) -> float:
        """Go on at another pace; returns its new end [s]."""
        self.left = max(0.0, self.left - (now_s - self.since_s) / self.duration_s)
        self.since_s, self.duration_s = now_s, duration_s
        self.version += 1
        return now_s + self.left * duration_s


class Server:
    """One element and those who wait for it."""

    __slots__ = ("_room", "name", "running", "waiting")

    def __init__(self, name: str, room: Callable[[], int]) -> None:
        """`room`: cores online now, for the CPU; other elements take one inference at a time."""
        self.name = name
        self._room = room
        self.running: list[Job] = []
        self.waiting: deque[Job] = deque()

    def next(self) -> Job | None:
        """The first that waits, if it may begin now; it counts as running from here on."""
        if not self.waiting or not self._fits(self.waiting[0]):
            return None
        job = self.waiting.popleft()
        self.running.append(job)
        return job

    def _fits(self, job: Job) -> bool:
        if not self.running:
            return True
        if self.name != CPU:
            return False
        return self.threads() + max(1, job.point.threads) <= self._room()

    def threads(self) -> int:
        """Threads of what runs."""
        return sum(max(1, job.point.threads) for job in self.running)

    def remove(self, application: str) -> list[Job]:
        """Everything of an application leaves, what was running too; returns what was running."""
        stopped = [job for job in self.running if job.frame.application == application]
        self.running = [job for job in self.running if job.frame.application != application]
        self.waiting = deque(job for job in self.waiting if job.frame.application != application)
        return stopped
