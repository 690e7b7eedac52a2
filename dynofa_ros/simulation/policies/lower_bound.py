"""Policy `lower_bound`: not played but computed, see `simulation.oracle.lower_bound`."""

from __future__ import annotations

from dynofa_ros.simulation.oracle.lower_bound import lower_bound
from dynofa_ros.simulation.world.policy import Policy
from dynofa_ros.simulation.world.run_record import RunRecord
from dynofa_ros.simulation.world.truth import Truth


class LowerBoundPolicy(Policy):
    """What nobody can undercut: every frame by itself, clairvoyant, without heat, waiting or actuation."""

    name = "lower_bound"
    clairvoyant = True

    def computed(self, truth: Truth) -> RunRecord:
        """The bound of a run."""
        return lower_bound(truth)
