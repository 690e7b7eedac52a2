"""Where the time of an fp32 inference goes: OpenVINO's own clock, by kind of layer."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import openvino as ov

from dynofa_ros.engine.openvino_graph import build_model
from dynofa_ros.supernet.network_source import NetworkSource
from layer_costs import layer_costs

INFERENCES_PER_ROUND = 5
KINDS = ("pointwise", "depthwise", "squeeze-excite", "fully connected", "first", "other")
"""As `layer_costs` names them; "other" is input conversion, means, reorders."""
MARKS = {
    "stem": "first",
    "se": "squeeze-excite",
    "depthwise": "depthwise",
    "expand": "pointwise",
    "project": "pointwise",
    "final_expand": "pointwise",
    "feature_mix": "fully connected",
    "classifier": "fully connected",
}
"""Parts of the names that `build_model` gives its layers."""


def layer_times(source: NetworkSource, threads: int, rounds: int) -> dict[str, Any]:
    """Time [ms], share of the whole and GFLOP/s by kind of layer; medians of each node over many inferences.

    OpenVINO's counters slow the inference down a little: read the shares, not the sum.
    """
    network = source.network()
    model = build_model(network, source.input_spec)
    request = _request(model, threads)
    times: dict[str, list[float]] = defaultdict(list)
    for index in range(INFERENCES_PER_ROUND * (rounds + 1)):
        request.infer()
        if index >= INFERENCES_PER_ROUND:
            for node in request.get_profiling_info():
                times[node.node_name].append(node.real_time.total_seconds() * 1e3)
    macs: dict[str, int] = defaultdict(int)
    for cost in layer_costs(network):
        macs[cost.kind] += cost.macs
    total: dict[str, float] = dict.fromkeys(KINDS, 0.0)
    for name, values in times.items():
        total[_kind(name)] += float(np.median(values))
    return _table(total, macs)


def _table(total: dict[str, float], macs: dict[str, int]) -> dict[str, Any]:
    whole = sum(total.values())
    return {
        kind: {
            "ms": time_ms,
            "share": time_ms / whole,
            "mega_macs": macs.get(kind, 0) / 1e6,
            "gflop_per_s": 2e-6 * macs[kind] / time_ms if kind in macs and time_ms > 0 else None,
        }
        for kind, time_ms in total.items()
    }


def _request(model: ov.Model, threads: int) -> Any:
    """An infer request that counts the time of each layer."""
    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERF_COUNT": True,
    }
    request = ov.Core().compile_model(model, "CPU", config).create_infer_request()
    shape = tuple(model.inputs[0].shape)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    request.set_input_tensor(ov.Tensor(noise))
    return request


def _kind(layer: str) -> str:
    """Kind of a layer by its name in the graph, e.g. "blocks.3.se.reduce"."""
    parts = layer.split(".")
    for mark, kind in MARKS.items():
        if mark in parts:
            return kind
    return "other"
