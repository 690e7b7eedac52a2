"""`dynofa evaluate`: replay a bag, then write what it showed as JSON and as a report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from dynofa_ros.board.interface import Board
from dynofa_ros.board.select import SIMULATED, open_board
from dynofa_ros.board.spec import find_spec
from dynofa_ros.engine.bring_up import EngineOptions, bring_up
from dynofa_ros.engine.emulation import DEFAULT_CLOCKED_FRACTION
from dynofa_ros.engine.placement import AUTO
from dynofa_ros.errors import ConfigError
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.paths import family_path
from dynofa_ros.simulation import replay_input as bag_input
from dynofa_ros.simulation.bag import BagReader
from dynofa_ros.simulation.machine import machine_facts
from dynofa_ros.simulation.records import Accounting, Event, Run
from dynofa_ros.simulation.replay import Recorded, Replay, ReplaySetup
from dynofa_ros.simulation.report import ReportContext, render
from dynofa_ros.simulation.summary import json_ready, summarise
from dynofa_ros.supernet.family import load_family

SCHEMA = "dynofa/evaluation/1"
DEFAULT_APPLICATION = "camera"
CLOCK_DOMAIN = "cpu0"
Log = Callable[[str], None]


@dataclass(frozen=True)
class EvaluateOptions:
    """What `dynofa evaluate` was asked for. `target` None: the targets recorded in the bag, if any."""

    bag: Path
    out: Path
    family: str = "digits"
    topic: str | None = None
    labels_topic: str | None = None
    target: QosTarget | None = None  # its application is filled in here
    board: str = "none"
    threads: int = 1
    placements: str = AUTO
    random_weights: bool = False
    max_frames: int = 0


def evaluate(options: EvaluateOptions, log: Log = print) -> Run:
    """Replay the bag and write evaluation.json and evaluation.html into the output folder.

    Raises:
        ConfigError: bag, topic, family or board cannot be used; the message names them and what there is.
    """
    with BagReader(options.bag) as reader:
        topic = bag_input.choose_topic(reader, options.topic)
        contents = bag_input.survey(reader, topic, options.labels_topic)
        application = contents.application or DEFAULT_APPLICATION
        setup = prepare(options, application, log)
        targets = _targets(options, contents, application)
        log(f"{topic}: {len(contents.labels)} labelled frames, {len(targets)} targets")
        frames: Iterator[bag_input.CameraFrame] = bag_input.frames(reader, topic)
        if options.max_frames:
            frames = islice(frames, options.max_frames)
        recorded = Replay(setup).run(frames, contents.labels, targets)
    if not recorded.frames:
        raise ConfigError(options.bag, topic, "holds no image")
    run = as_run(recorded, setup, options.bag.stem)
    _write(run, options, topic, setup)
    return run


def prepare(options: EvaluateOptions, application: str, log: Log) -> ReplaySetup:
    """Load, compile and profile the family, and open the board."""
    family = load_family(family_path(options.family))
    if options.random_weights:
        family = family.with_random_weights()
    engine = bring_up(
        family,
        EngineOptions(
            placements=options.placements,
            threads=options.threads,
            clock_domain=CLOCK_DOMAIN,
            clocked_fraction=DEFAULT_CLOCKED_FRACTION,
            real_clocks=not options.board.startswith(SIMULATED),
        ),
        log,
    )
    board = None if options.board == "none" else open_board(options.board)
    simulated = board is not None and board.simulated
    return ReplaySetup(
        application=application,
        family=family.name,
        bank=engine.bank,
        points=engine.points,
        labels=family.labels,
        clocked_fraction=DEFAULT_CLOCKED_FRACTION,
        board=board,
        models=find_spec(board.name).models() if board is not None and simulated else None,
    )


def _targets(
    options: EvaluateOptions, contents: bag_input.BagContents, application: str
) -> list[tuple[int, QosTarget]]:
    if options.target is not None:
        return [(0, replace(options.target, application=application))]
    return bag_input.of_application(contents.targets, application)


def as_run(recorded: Recorded, setup: ReplaySetup, name: str) -> Run:
    """Return the replay as a run, a change of target being the only kind of event."""
    app = setup.application
    frames = tuple(recorded.frames)
    inferred = sum(frame.inferred for frame in frames)
    board: Board | None = setup.board
    return Run(
        name=name,
        duration_s=frames[-1].t_s,
        frames=frames,
        events=tuple(Event(t_s, "qos", f"{app}: {ms:.1f} ms", app) for t_s, ms in recorded.targets),
        board=tuple(recorded.board),
        decisions=tuple(recorded.decisions),
        accounting=(Accounting(app, len(frames), len(frames), inferred, recorded.dropped, inferred),),
        targets={app: tuple(recorded.targets)},
        subnets=tuple(dict.fromkeys(point.subnet for point in setup.points)),
        switches={app: recorded.switches},
        board_name=board.name if board is not None else "",
        simulated=board is not None and board.simulated,
        emulated_clocks=board is not None and board.simulated,
    )


def _write(run: Run, options: EvaluateOptions, topic: str, setup: ReplaySetup) -> None:
    facts = machine_facts() | {"Bag": options.bag.name, "Topic": topic, "Family": setup.family}
    if options.random_weights:
        facts["Weights"] = "RANDOM: classes and accuracy mean nothing"
    document = {"schema": SCHEMA, "facts": facts, "random_weights": options.random_weights, **summarise(run)}
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(json_ready(document), indent=2, allow_nan=False)
    (options.out / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    context = ReportContext(
        title=f"Evaluation of {options.bag.name}",
        introduction=(
            f"{topic}, replayed in lock step: every frame at its own time, none dropped for being late. "
            "Latency is image to result without transport; real inference on the machine named below."
        ),
        facts=facts,
    )
    (options.out / "evaluation.html").write_text(render([run], context), encoding="utf-8")
