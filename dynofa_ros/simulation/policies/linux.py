"""Policy `linux`: what the board does by itself."""

from __future__ import annotations

from dynofa_ros.simulation.policies.deployed import DeployedPolicy


class LinuxPolicy(DeployedPolicy):
    """The kernel's own governors over their full range, the deployed sub-network (see `deployed`).

    cpu: schedutil (or L4T 4.9's variant), gpu: nvhost_podgov, as the board file names them; their equations
    stand with the simulated board. It sets no clock, no limit and no governor. The sub-network changes only
    when somebody sets the application's target: a courtesy, since a robot without a manager
    would not notice.
    """

    name = "linux"
