"""Real nodes in their own processes, and a node of the test's own to talk to them. Event-driven."""

from __future__ import annotations

import atexit
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dynofa_ros.supernet.random_weights import random_tensors
from dynofa_ros.supernet.space import OfaMbv3Space
from dynofa_ros.supernet.subnet_spec import SubnetSpec
from dynofa_ros.supernet.weights import save_tensors

PATIENCE_S = 100.0  # a node's start takes a second of processor time, more on a busy machine
TINY_SPACE: dict[str, Any] = {
    "type": "ofa_mbv3",
    "width_mult": 0.35,
    "n_classes": 10,
    "resolutions": [32, 64, 96],
    "depths": [2, 3],
    "kernel_sizes": [3, 5],
    "expand_ratios": [3, 4],
}
TINY_MEMBERS = {"xs": (32, 2, 3, 3), "s": (64, 2, 3, 3), "m": (96, 2, 3, 3), "l": (96, 3, 5, 4)}


def tiny_space(n_classes: int = 10) -> OfaMbv3Space:
    """A small search space whose networks run in about a millisecond."""
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in TINY_SPACE.items() if key != "type"}
    return OfaMbv3Space(**{**values, "n_classes": n_classes})


def write_family(folder: Path, classifier_bias: float | None = None) -> Path:
    """A family file of four sub-networks with (untrained) weights on disk; returns its path.

    `classifier_bias` is added to the first class, e.g. NaN.
    """
    space = tiny_space()
    tensors = random_tensors(space, seed=1)
    if classifier_bias is not None:
        tensors["classifier.linear.bias"][0] += classifier_bias
    sha256 = save_tensors(folder / "tiny.safetensors", tensors)
    specs = [SubnetSpec(n, r, (d,) * 5, (k,) * 20, (e,) * 20) for n, (r, d, k, e) in TINY_MEMBERS.items()]
    accuracies = np.linspace(0.80, 0.97, len(specs)).round(3).tolist()
    document = {
        "schema": "dynofa/family/1",
        "name": "tiny",
        "space": TINY_SPACE,
        "input": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
        "labels": [str(digit) for digit in range(10)],
        "weights": {"file": "tiny.safetensors", "sha256": sha256},
        "members": [_member(space, spec, value) for spec, value in zip(specs, accuracies, strict=True)],
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def _member(space: OfaMbv3Space, spec: SubnetSpec, accuracy: float) -> dict[str, Any]:
    return {
        "name": spec.name,
        "resolution": spec.resolution,
        "depth": list(spec.depth),
        "kernel_size": list(spec.kernel_size),
        "expand_ratio": list(spec.expand_ratio),
        "macs": space.macs(spec),
        "accuracy": {
            "value": accuracy,
            "source": "published",
            "dataset": "none, a test's own number",
            "n_images": 0,
            "by": "test",
        },
    }


_domains, _probes = itertools.count(), itertools.count()
_cache = tempfile.TemporaryDirectory(
    prefix="dynofa_test_cache_"
)  # profiles, shared by all nodes of a test run


def private_domain() -> int:
    """A ROS domain of this process's own, 1..100, another one at each call."""
    return 1 + (os.getpid() * 7 + next(_domains)) % 100


def ros_environment(domain: int, **extra: str) -> dict[str, str]:
    """Environment of a node: this process's, that domain, nothing beyond this machine."""
    local = {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    return {**os.environ, **local, "XDG_CACHE_HOME": _cache.name, "PYTHONUNBUFFERED": "1", **extra}


class NodeProcess:
    """One node executable in its own process; its output is kept in a file for failure messages."""

    def __init__(self, module: str, domain: int, log: Path, arguments: list[str], **extra: str) -> None:
        command = [sys.executable, "-m", f"dynofa_ros.nodes.{module}", "--ros-args", *arguments]
        self.log = log
        with log.open("w", encoding="utf-8") as output:
            environment = ros_environment(domain, **extra)
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        atexit.register(self.process.kill)  # a failed test leaves nothing behind

    @property
    def output(self) -> str:
        """All that the node has printed."""
        return self.log.read_text(encoding="utf-8")

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit status; a node that does not end in time is killed: -9."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=PATIENCE_S / 2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def gray_image(width: int = 64, height: int = 48, stamp_s: float = 0.0) -> Any:
    """A valid rgb8 image."""
    from array import array

    from sensor_msgs.msg import Image

    data = array("B", bytes([128]) * (width * height * 3))
    message = Image(width=width, height=height, encoding="rgb8", step=width * 3, data=data)
    message.header.frame_id = "camera"
    message.header.stamp.sec = int(stamp_s)
    message.header.stamp.nanosec = int((stamp_s % 1.0) * 1e9)
    return message


def parameters(**values: object) -> list[str]:
    """ROS arguments that set parameters; `__node` and `__ns` are remapping rules."""
    arguments: list[str] = []
    for name, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        flag, text = ("-r", f"{name}:={text}") if name.startswith("__") else ("-p", f"{name}:={text}")
        arguments += [flag, text]
    return arguments


class Probe:
    """A node of the test's own: collects messages, publishes, calls services; spins only while it waits."""

    def __init__(self, domain: int) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=domain)
        self.node = rclpy.create_node(f"probe_{next(_probes)}", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._publishers: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}

    def collect(self, kind: type, topic: str, qos: Any = 50) -> list[Any]:
        """A list to which every message of `topic` is appended from now on."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def publisher(self, kind: type, topic: str, qos: Any = 10, matched: int = 1) -> Any:
        """A publisher that `matched` subscriptions have found already."""
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(kind, topic, qos)
        publisher = self._publishers[topic]
        self.wait(
            lambda: publisher.get_subscription_count() >= matched, f"{matched} subscriptions to {topic}"
        )
        return publisher

    def call(self, kind: type, name: str, request: Any) -> Any:
        """The response of a service, once it is there."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        client = self._clients[name]
        self.wait(client.service_is_ready, f"service {name}")
        future = client.call_async(request)
        self.wait(future.done, f"answer of {name}")
        return future.result()

    def wait(self, condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
        """Spin until `condition` holds and return its value; AssertionError naming `what` otherwise."""
        end_s = time.monotonic() + patience_s
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end_s:
                raise AssertionError(f"waited {patience_s:.0f} s in vain for {what}")
            self._executor.spin_once(timeout_sec=0.05)

    def spin(self, seconds: float) -> None:
        """Take what comes for so long."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=left_s)

    def next(self, messages: list[Any], accept: Callable[[Any], bool], what: str) -> Any:
        """First message from now on that `accept` takes."""
        start = len(messages)
        return self.wait(lambda: next((m for m in messages[start:] if accept(m)), None), what)

    def close(self) -> None:
        """End the node and its context."""
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        self.context.try_shutdown()
