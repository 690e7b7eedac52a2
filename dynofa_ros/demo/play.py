"""The whole demonstration: prepare the folder, play both runs, conclude."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dynofa_ros.demo import commands
from dynofa_ros.demo.conclude import MANAGED, UNMANAGED, conclude
from dynofa_ros.demo.live_state import LiveState
from dynofa_ros.demo.plan import Measured
from dynofa_ros.demo.processes import Supervisor
from dynofa_ros.demo.scenario import load_scenario
from dynofa_ros.demo.show import LineShow, LiveShow
from dynofa_ros.demo.stage import Played, RunSetup, Stage
from dynofa_ros.errors import ConfigError, DynofaError
from dynofa_ros.paths import share_dir

MARK = ".dynofa_demo"  # tells an output folder of ours from somebody's own


@dataclass(frozen=True)
class DemoOptions:
    """What `dynofa demo` was asked for."""

    seconds: float
    headless: bool
    out: Path
    family: str = "digits"
    scenario: str = "demo"
    baseline: bool = True
    random_weights: bool = False


def scenario_path(name_or_path: str) -> Path:
    """Return the file of a shipped scenario, or the path as given."""
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path).expanduser()
    return share_dir() / "config" / "scenarios" / f"{name_or_path}.yaml"


def play_demo(options: DemoOptions) -> int:
    """Play, write bag, summary and report; return 0, or 1 if a frame is unaccounted for.

    Raises:
        DynofaError: ROS is missing, the scenario cannot be used, or a process ended by itself.
    """
    scenario = load_scenario(scenario_path(options.scenario))
    _prepare(options.out)
    signal.signal(signal.SIGTERM, _interrupt)
    share = 0.5 if options.baseline else 1.0
    setup = RunSetup(
        name=MANAGED,
        managed=True,
        seconds=options.seconds * share,
        folder=options.out / MANAGED,
        scenario=scenario,
        family=options.family,
        random_weights=options.random_weights,
    )
    show: AbstractContextManager[Any] = (
        LineShow() if options.headless or not sys.stdout.isatty() else LiveShow()
    )
    with show as screen:
        played = {MANAGED: _play(setup, screen, None)}
        if options.baseline:
            unmanaged = replace(setup, name=UNMANAGED, managed=False, folder=options.out / UNMANAGED)
            played[UNMANAGED] = _play(unmanaged, screen, played[MANAGED].measured)
    return conclude(played, scenario, options.out, options.random_weights)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _prepare(out: Path) -> None:
    """Make an empty output folder; refuse to delete a folder that we did not make."""
    if out.exists() and any(out.iterdir()):
        if not (out / MARK).exists():
            raise ConfigError(
                out, "--out", "is not empty and not an earlier output of `dynofa demo`; choose another"
            )
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()


def _play(setup: RunSetup, show: Any, measured: Measured | None) -> Played:
    domain_id = commands.private_domain()
    env = commands.environment(domain_id)
    os.environ.update(env)  # before DDS is loaded: the conductor shares it
    conductor_class = _conductor_class()
    live = LiveState()
    names = [app.name for app in setup.scenario.applications]
    with (
        Supervisor(setup.folder / "logs", env) as supervisor,
        conductor_class(domain_id, names, live) as conductor,
    ):
        return Stage(setup, conductor, live, supervisor, show).play(measured)


def _conductor_class() -> Any:
    try:
        from dynofa_ros.nodes.conductor import Conductor
    except ModuleNotFoundError as error:
        raise DynofaError(
            f"the demonstration needs ROS 2 and this package's messages ({error.name} is missing): "
            "run `make demo` in the checkout, or source the workspace's install/setup.bash"
        ) from error
    return Conductor
