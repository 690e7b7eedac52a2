"""The policies that `dynofa simulate` knows, by name. A module is imported only when it is asked for."""

from __future__ import annotations

import importlib

from dynofa_ros.errors import DynofaError
from dynofa_ros.simulation.world.policy import Policy

_PACKAGE = "dynofa_ros.simulation.policies"

_CLASSES = {
    "dynofa": "dynofa:DynofaPolicy",
    "linux": "linux:LinuxPolicy",
    "performance": "fixed_clocks:PerformancePolicy",
    "powersave": "fixed_clocks:PowersavePolicy",
    "static_best": "static_best:StaticBestPolicy",
    "dvfs_only": "dvfs_only:DvfsOnlyPolicy",
    "subnet_only": "subnet_only:SubnetOnlyPolicy",
    "dynamic_ofa_rule": "dynamic_ofa_rule:DynamicOfaRulePolicy",
    "alert": "alert:AlertPolicy",
    "alert_tuned": "alert:TunedAlertPolicy",
    "poet": "poet:PoetPolicy",
    "oracle": "oracle:OraclePolicy",
    "lower_bound": "lower_bound:LowerBoundPolicy",
}

POLICIES = tuple(_CLASSES)


def policy_module(name: str) -> str:
    """Full name of the module that a policy is in. DynofaError naming the known ones where there is none."""
    if name not in _CLASSES:
        raise DynofaError(f"policy = {name!r}: unknown; choose from {', '.join(POLICIES)}")
    return f"{_PACKAGE}.{_CLASSES[name].partition(':')[0]}"


def make_policy(name: str) -> Policy:
    """A fresh policy. DynofaError naming the known ones where there is none of that name."""
    if name not in _CLASSES:
        raise DynofaError(f"policy = {name!r}: unknown; choose from {', '.join(POLICIES)}")
    module, _, cls = _CLASSES[name].partition(":")
    policy = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), cls)()
    assert isinstance(policy, Policy)
    return policy
