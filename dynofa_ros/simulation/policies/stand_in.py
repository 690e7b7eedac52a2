"""Base of policies that let another one play."""

from __future__ import annotations

from dynofa_ros.board.state import BoardState
from dynofa_ros.manager.operating_point import OperatingPoint
from dynofa_ros.manager.qos import QosTarget
from dynofa_ros.simulation.world.policy import FrameOutcome, Policy, SimApplication, World


class StandIn(Policy):
    """Hands everything on to `player`, which subclasses set before the run."""

    player: Policy

    def start(self, world: World) -> None:
        """The run begins."""
        super().start(world)
        self.player.start(world)

    def on_join(self, app: SimApplication) -> None:
        """An application presents itself."""
        self.player.on_join(app)

    def on_leave(self, name: str) -> None:
        """An application is gone."""
        self.player.on_leave(name)

    def on_target(self, name: str, target: QosTarget) -> None:
        """A new target."""
        self.player.on_target(name, target)

    def on_board_state(self, state: BoardState) -> None:
        """A reading of the sensors."""
        self.player.on_board_state(state)

    def on_received(self, name: str, received_s: float) -> None:
        """A frame reached the mailbox."""
        self.player.on_received(name, received_s)

    def choose(self, name: str) -> OperatingPoint:
        """The player's point."""
        return self.player.choose(name)

    def on_result(self, name: str, frame: FrameOutcome) -> None:
        """A frame has its result, or was dropped."""
        self.player.on_result(name, frame)

    def on_restart(self, down_s: float) -> None:
        """The manager process dies."""
        self.player.on_restart(down_s)
