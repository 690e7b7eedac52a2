"""Base of the lifecycle nodes: guarded transitions, automatic start, diagnostics, orderly end."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

from lifecycle_msgs.srv import ChangeState
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer

from dynofa_ros.errors import DynofaError
from dynofa_ros.nodes.diagnostics import ERROR, WARN, Diagnostics, Health
from dynofa_ros.nodes.executors import EXECUTOR
from dynofa_ros.nodes.guard import Guard
from dynofa_ros.nodes.parameters import Declared, Parameters

AUTOSTART = Declared(
    "autostart", True, "Configure and activate without an external lifecycle manager.", at_run_time=False
)


class ManagedNode(LifecycleNode):
    """Subclasses implement `configure`, `activate`, `deactivate`, `cleanup` and `health`.

    `configure` and `activate` may raise a DynofaError: the transition fails, the sentence is logged and
    shown in /diagnostics, and the same transition can be asked for again once the cause is mended.
    """

    def __init__(self, name: str, declared: tuple[Declared, ...], stopping: threading.Event) -> None:
        super().__init__(name)
        self.guard = Guard(self)
        self.stopping = stopping
        self.state = "unconfigured"
        self.problem = ""
        self.parameters = Parameters(self, (AUTOSTART, EXECUTOR, *declared))
        self.executor_kind: str = self.parameters[EXECUTOR.name]
        self.diagnostics = Diagnostics(self, self._report, self.guard)
        self._answer_impossible_transitions()
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._start_timer = self.every(0.001, self._autostart) if self.parameters["autostart"] else None

    def _answer_impossible_transitions(self) -> None:
        """Before Kilted, rclpy raises where a transition is not possible, and the caller waits forever."""
        service = getattr(self, "_service_change_state", None)
        if service is None:
            return
        change_state = service.callback

        def answer(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
            try:
                return change_state(request, response)
            except Exception as error:  # noqa: BLE001 - rclpy's own exception type is private
                self.guard.warn(
                    "transition", f"transition {request.transition.id} is not possible now: {error}"
                )
                response.success = False
                return response

        service.callback = answer

    def every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """A guarded timer on the steady clock."""
        return self.create_timer(period_s, self.guard(callback), clock=self._steady)

    def configure(self) -> None:
        """Load, check, create publishers and services."""
        raise NotImplementedError

    def activate(self) -> None:
        """Start to work."""

    def deactivate(self) -> None:
        """Stop to work."""

    def cleanup(self) -> None:
        """Give back what `configure` took; must bear being called after a half-done configure."""

    def health(self) -> Health:
        """What the node says of itself in /diagnostics while it has no problem to tell."""
        raise NotImplementedError

    def _report(self) -> Health:
        if self.problem:
            return Health(ERROR, self.problem, {"state": self.state})
        if self.state != "active":
            return Health(WARN, f"{self.state}, not working", {"state": self.state})
        health = self.health()
        errors = {"callback_errors": self.guard.errors_total, "last_callback_error": self.guard.last_error}
        return Health(health.level, health.text, {**health.values, **errors})

    def _autostart(self) -> None:
        if self._start_timer is not None:
            self._start_timer.cancel()
        if self.state == "unconfigured" and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _attempt(self, name: str, action: Callable[[], None], state: str) -> TransitionCallbackReturn:
        try:
            action()
        except DynofaError as error:
            self.problem = f"{name} failed: {error}"
        except Exception as error:  # noqa: BLE001 - rclpy would swallow it silently
            self.guard.failed(name, error)
            self.problem = f"{name} failed: {type(error).__name__}: {error}"
        else:
            self.problem = ""
            self.state = state
            self.get_logger().info(f"{name}: done, {state}")
            self.diagnostics.publish()
            return TransitionCallbackReturn.SUCCESS
        self.get_logger().error(self.problem)
        self.diagnostics.publish()
        return TransitionCallbackReturn.FAILURE

    def _configure_or_undo(self) -> None:
        try:
            self.configure()
        except BaseException:
            self.cleanup()
            raise
        _spare_collector()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle transition."""
        return self._attempt("configure", self._configure_or_undo, "inactive")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle transition."""
        return self._attempt("activate", self.activate, "active")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle transition."""
        return self._attempt("deactivate", self.deactivate, "inactive")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle transition."""
        return self._attempt("cleanup", self.cleanup, "unconfigured")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle transition."""
        return self._attempt("shutdown", self._stop_all, "finalized")

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle transition: back to unconfigured."""
        return self._attempt("error processing", self._stop_all, "unconfigured")

    def _stop_all(self) -> None:
        if self.state == "active":
            self.deactivate()
        self.cleanup()

    def close(self) -> None:
        """Orderly end of the process."""
        self._stop_all()


def _spare_collector() -> None:
    """Keep what now lives to the end out of Python's garbage collections, which pause every thread."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
