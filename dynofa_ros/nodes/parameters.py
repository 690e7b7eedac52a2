"""Declared parameters: type, range, description and allowed words in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from dynofa_ros.errors import ConfigError


@dataclass(frozen=True)
class Declared:
    """One parameter: its default fixes the type, `low` and `high` bound it, `words` lists allowed strings."""

    name: str
    default: bool | int | float | str
    description: str
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()
    at_run_time: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        text = self.description + (
            "" if self.at_run_time else " Takes effect at the next configure or start."
        )
        descriptor = ParameterDescriptor(name=self.name, description=text)
        if self.words:
            descriptor.additional_constraints = "one of: " + ", ".join(self.words)
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                bounds = FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
                descriptor.floating_point_range = [bounds]
            else:
                bounds = IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)
                descriptor.integer_range = [bounds]
        return descriptor


class Parameters:
    """Declares a node's parameters and hands out their values."""

    def __init__(self, node: Node, declared: tuple[Declared, ...]) -> None:
        self._node = node
        self._declared = {item.name: item for item in declared}
        for item in declared:
            self._declare(item)
        node.add_on_set_parameters_callback(self._check)

    def _declare(self, item: Declared) -> None:
        try:
            value = self._node.declare_parameter(item.name, item.default, item.descriptor()).value
        except ParameterException as error:
            raise ConfigError(
                f"node {self._node.get_name()}", f"parameter {item.name}", str(error)
            ) from error
        reason = self._refusal(item, value)
        if reason:
            raise ConfigError(f"node {self._node.get_name()}", f"parameter {item.name}", reason)

    @staticmethod
    def _refusal(item: Declared, value: object) -> str:
        if item.words and value not in item.words:
            return f"{value!r} is not one of {', '.join(item.words)}"
        return ""

    def _check(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            item = self._declared.get(change.name)
            reason = self._refusal(item, change.value) if item else ""
            if reason:
                return SetParametersResult(successful=False, reason=f"{change.name}: {reason}")
        return SetParametersResult(successful=True)

    def __getitem__(self, name: str) -> Any:
        """Current value.

        Raises:
            KeyError: `name` is not declared here.
        """
        if name not in self._declared:
            raise KeyError(name)
        return self._node.get_parameter(name).value
