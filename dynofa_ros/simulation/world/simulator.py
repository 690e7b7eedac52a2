"""Plays a scenario under a policy, event after event and without chance of its own: same input, same output.

A frame is released by its camera, reaches the application's mailbox after the transport's overhead (one slot:
the newest waits, the one that it replaces is dropped), is taken by the application's worker once that is
idle, given an operating point by the policy, waits for its element and is inferred. Latency counts from
release to result.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dynofa_ros.board.options import Voltage
from dynofa_ros.board.spec import BoardSpec
from dynofa_ros.manager.decision import ClockLimit
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.simulation.policies import make_policy
from dynofa_ros.simulation.scenarios.changes import ManagerRestart
from dynofa_ros.simulation.scenarios.scenario import Scenario
from dynofa_ros.simulation.world.elements import Job
from dynofa_ros.simulation.world.execution import Machine
from dynofa_ros.simulation.world.noise import FrameStream
from dynofa_ros.simulation.world.policy import FrameOutcome, Future, Policy, SimApplication
from dynofa_ros.simulation.world.run_record import RunRecord, TracePoint
from dynofa_ros.simulation.world.truth import Truth, truth_of

BOARD_STATE_S = 0.1
ENERGY_S = 1.0
OUTSIDE, RESULT, ARRIVAL, TIMER, READING = range(5)
"""What comes first among events of one moment."""


def simulate(
    scenario: Scenario,
    policy: str | Policy,
    seed: int | None = None,
    voltage: Voltage = "nominal",
    record: bool = False,
) -> RunRecord:
    """Play a scenario; `seed` None: the file's. `record` keeps a trace of the board, ten points a second.

    Raises:
        DynofaError: an unknown policy or voltage curve.

    """
    truth = truth_of(scenario, scenario.seed if seed is None else seed, voltage)
    return play(truth, make_policy(policy) if isinstance(policy, str) else policy, record)


def play(truth: Truth, policy: Policy, record: bool = False) -> RunRecord:
    """Play a world that is laid out already."""
    computed = policy.computed(truth)
    if computed is not None:
        return computed
    if policy.clairvoyant:
        policy.foresee(Future(truth.scenario, truth.seed, truth.voltage))
    return Simulator(truth, policy, record).run()


def simulate_idle(truth: Truth) -> RunRecord:
    """The same board and events without applications, its clocks left to its own governors."""
    return Simulator(truth, Policy(), with_applications=False).run()


class _Application:
    """One stay of an application: its camera, its mailbox and its worker."""

    __slots__ = (
        *("arrivals", "busy", "factors", "first", "last_point", "name"),
        *("present", "resume_s", "slot", "stream"),
    )

    def __init__(self, stream: FrameStream) -> None:
        self.stream = stream
        self.name = stream.episode.application.name
        self.first = stream.first
        self.factors: list[float] = stream.factor.tolist()
        self.arrivals: list[tuple[float, int, FrameOutcome]] = []
        """When its frames reach the mailbox, in which order those of one moment; the next one last."""
        self.present = False
        self.busy = False
        self.slot: FrameOutcome | None = None
        self.last_point: OperatingPoint | None = None
        self.resume_s = -math.inf


class Simulator:
    """One run. It is the `World` of its policy."""

    def __init__(
        self, truth: Truth, policy: Policy, record: bool = False, with_applications: bool = True
    ) -> None:
        self.now_s = 0.0
        """Time since the start [s]."""
        self.frame_index = 0
        self.frame_release_s = 0.0
        self._truth, self._policy = truth, policy
        self._record = record
        self._end_s = truth.scenario.duration_s
        self._heap: list[tuple[float, int, int, Callable[[Any], None], Any]] = []
        self._sequence = 0
        self._machine = Machine(truth, self._foresee_end)
        self._board = self._machine.board
        self._applications: dict[str, _Application] = {}
        self._frames: dict[str, list[FrameOutcome]] = {}
        self._energy_j: list[float] = []
        self._trace: list[TracePoint] = []
        self._lay_out(with_applications)

    def run(self) -> RunRecord:
        """Play to the end."""
        self._policy.start(self)
        heap, machine, end_s = self._heap, self._machine, self._end_s
        while True:
            at_s = heap[0][0]  # never empty: readings go on
            if machine.advance_to(at_s if at_s < end_s else end_s):
                continue  # what runs may end earlier now
            if at_s > end_s:
                break
            self.now_s, _, _, handle, what = heapq.heappop(heap)
            handle(what)
            machine.note_clocks()
        return self._finish()

    # What the policy may see and do

    @property
    def spec(self) -> BoardSpec:
        """The board file."""
        return self._truth.spec

    def limit(self, domain: str, min_mhz: float, max_mhz: float, validity_s: float = math.inf) -> None:
        """Set a range of clocks through the board's own interface."""
        self.apply([ClockLimit(domain, min_mhz, max_mhz)], validity_s)

    def apply(self, limits: Sequence[ClockLimit], validity_s: float) -> None:
        """Set several ranges under one lease."""
        self._board.apply(limits, self.now_s, validity_s)

    def governor(self, domain: str, name: str) -> None:
        """Hand a domain to another governor."""
        self._board.set_governor(domain, name)

    def schedule(self, at_s: float, callback: Callable[[], None]) -> None:
        """Call back at `at_s`."""
        self._push(max(at_s, self.now_s), TIMER, _call, callback)

    def suspend(self, application: str, until_s: float) -> None:
        """Let no frame of an application start before `until_s`."""
        app = self._applications[application]
        app.resume_s = max(app.resume_s, until_s)
        self._push(until_s, TIMER, self._take, app)

    def clocks(self) -> Mapping[str, float]:
        """Clocks in force [MHz]."""
        return dict(self._machine.clocks)

    # Laying out

    def _lay_out(self, with_applications: bool) -> None:
        truth = self._truth
        for step in truth.timeline.steps:
            handle = self._restart if isinstance(step.change, ManagerRestart) else self._machine.change
            self._push(step.t_s, OUTSIDE, handle, step.change)
        if with_applications:
            for streams in truth.noise.streams.values():
                for stream in streams:
                    self._lay_out_application(stream)
            self._push(0.0, READING, self._read_board, 0)
        self._note_energy(0)

    def _lay_out_application(self, stream: FrameStream) -> None:
        app, episode = _Application(stream), stream.episode
        frames = self._frames.setdefault(app.name, [])
        self._push(episode.join_s, OUTSIDE, self._join, app)
        for at_s, target in episode.targets[1:]:
            self._push(at_s, OUTSIDE, self._retarget, (app.name, target))
        if episode.leave_s < self._end_s:
            self._push(episode.leave_s, OUTSIDE, self._leave, app)
        columns = (stream.release_s, stream.target_ms, stream.overhead_ms)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for index, (release_s, target_ms, overhead_ms) in enumerate(rows, stream.first):
            frame = FrameOutcome(app.name, index, release_s, target_ms)
            frames.append(frame)
            self._sequence += 1
            app.arrivals.append((release_s + overhead_ms / 1e3, self._sequence, frame))
        app.arrivals.sort(reverse=True)
        self._expect(app)

    def _expect(self, app: _Application) -> None:
        """The next arrival of an application: of all its frames one at a time is an event."""
        if app.arrivals:
            at_s, sequence, frame = app.arrivals.pop()
            heapq.heappush(self._heap, (at_s, ARRIVAL, sequence, self._arrive, (app, frame)))

    def _push(self, at_s: float, order: int, handle: Callable[[Any], None], what: Any) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (at_s, order, self._sequence, handle, what))

    # From outside

    def _restart(self, change: ManagerRestart) -> None:
        self._policy.on_restart(change.down_s)

    def _join(self, app: _Application) -> None:
        episode = app.stream.episode
        self._applications[app.name] = app
        app.present = True
        target = episode.targets[0][1]
        application = episode.application
        points = self._truth.points[app.name]
        self._policy.on_join(
            SimApplication(app.name, application.family, points, target, application.period_ms)
        )

    def _retarget(self, change: tuple[str, QosTarget]) -> None:
        self._policy.on_target(*change)

    def _leave(self, app: _Application) -> None:
        app.present, app.slot = False, None
        self._machine.remove(app.name)
        _close(self._frames[app.name][app.first : app.first + len(app.stream)])
        self._policy.on_leave(app.name)

    # Frames

    def _arrive(self, arrival: tuple[_Application, FrameOutcome]) -> None:
        app, frame = arrival
        self._expect(app)
        frame.received_s = self.now_s
        if not app.present:
            return
        self._policy.on_received(app.name, self.now_s)
        older, app.slot = app.slot, frame
        if older is not None:
            older.drop = "replaced"
            self._policy.on_result(app.name, older)
        self._take(app)

    def _take(self, app: _Application) -> None:
        """The worker takes what waits, unless it is at work or its process restarts."""
        frame, now_s = app.slot, self.now_s
        if frame is None or app.busy or not app.present or now_s < app.resume_s:
            return
        app.slot, app.busy = None, True
        self.frame_index, self.frame_release_s = frame.index, frame.release_s
        point = self._policy.choose(app.name)
        frame.chosen_s, frame.point, frame.element = now_s, point, point.element
        last, app.last_point = app.last_point, point
        switched = last is not None and last is not point and last.key != point.key
        switch_s = self._truth.switch_ms / 1e3 if switched else 0.0
        self._machine.put(Job(frame, point, app.factors[frame.index - app.first], switch_s))

    def _foresee_end(self, at_s: float, job: Job) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (at_s, RESULT, self._sequence, self._end, (job, job.version)))

    def _end(self, ended: tuple[Job, int]) -> None:
        job, version = ended
        if job.version != version:
            return
        frame, machine = job.frame, self._machine
        machine.finish(job)
        frame.end_s = self.now_s
        frame.inference_ms = (frame.end_s - frame.start_s) * 1e3
        frame.accuracy = job.point.accuracy
        app = self._applications[frame.application]
        app.busy = False
        self._policy.on_result(frame.application, frame)
        if app.slot is not None:
            self._take(app)
        machine.go_on(job.point.element)

    # Readings and records

    def _read_board(self, tick: int) -> None:
        board = self._board
        self._policy.on_board_state(board.read(self.now_s))
        if self._record:
            self._trace.append(
                TracePoint(self.now_s, board.power_w(), board.temperature_degc(), self.clocks())
            )
        self._push((tick + 1) * BOARD_STATE_S, READING, self._read_board, tick + 1)

    def _note_energy(self, second: int) -> None:
        if second > 0:
            self._energy_j.append(self._board.energy_j)
        self._push((second + 1) * ENERGY_S, READING, self._note_energy, second + 1)

    def _finish(self) -> RunRecord:
        for frames in self._frames.values():
            _close(frames)
        truth, board = self._truth, self._board
        return RunRecord(
            scenario=truth.scenario,
            timeline=truth.timeline,
            policy=self._policy.name,
            seed=truth.seed,
            voltage=truth.voltage,
            frames=self._frames,
            energy_j=board.energy_j,
            energy_by_second_j=tuple(self._energy_j),
            clock_changes=board.clock_changes,
            peak_degc=board.peak_degc,
            throttled_s=board.throttled_s,
            decision_us=tuple(self._policy.decision_us),
            clock_steps=tuple(self._machine.clock_steps),
            trace=tuple(self._trace),
        )


def _close(frames: list[FrameOutcome]) -> None:
    for frame in frames:
        if not frame.drop and math.isnan(frame.end_s):
            frame.drop = "unfinished"


def _call(callback: Callable[[], None]) -> None:
    callback()
