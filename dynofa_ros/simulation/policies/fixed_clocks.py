"""Policies `performance` and `powersave`: clocks pinned at one end of their tables."""

from __future__ import annotations

from dynofa_ros.simulation.policies.deployed import DeployedPolicy
from dynofa_ros.simulation.policies.roster import writable_tables
from dynofa_ros.simulation.world.policy import World


class _PinnedPolicy(DeployedPolicy):
    governor = ""

    def start(self, world: World) -> None:
        """Hand every writable domain to the governor."""
        super().start(world)
        for domain in writable_tables(world.spec):
            world.governor(domain, self.governor)


class PerformancePolicy(_PinnedPolicy):
    """Governor `performance` in every domain, f = f_max; the sub-network is sized at full clocks.

    What `jetson_clocks` does. Source: Linux, Documentation/admin-guide/pm/cpufreq.rst.
    """

    name = "performance"
    governor = "performance"


class PowersavePolicy(_PinnedPolicy):
    """Governor `powersave` in every domain, f = f_min; the sub-network is sized at those clocks.

    Sized at full clocks it would meet no target at all. Source: as for `performance`.
    """

    name = "powersave"
    governor = "powersave"
    sized_at_full_clock = False
