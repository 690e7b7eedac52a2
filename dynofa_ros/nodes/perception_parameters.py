"""Parameters of the perception node."""

from __future__ import annotations

from dynofa_ros.engine.emulation import DEFAULT_CLOCKED_FRACTION
from dynofa_ros.engine.placement import AUTO
from dynofa_ros.nodes.image_input import RELIABILITIES, TRANSPORTS
from dynofa_ros.nodes.parameters import Declared

PARAMETERS = (
    Declared("application", "", "Name of this application, unique on the robot; empty: the node's name."),
    Declared("family", "digits", "Family of sub-networks: a shipped one's name, or a path to its YAML file."),
    Declared(
        "random_weights", False, "Run without the family's weights, to try its timing: results mean nothing."
    ),
    Declared("threads", 0, "Threads of one inference; 0: half the cores that the process may use.", 0, 256),
    Declared(
        "placements",
        AUTO,
        "Where sub-networks run: auto (the fastest back end for each element and precision), or placements "
        "element/backend/precision/threads with wildcards, separated by commas, e.g. cpu/openvino/*.",
    ),
    Declared("cores", "", 'Cores that the process may use, e.g. "0-3,6"; empty: those it was started with.'),
    Declared(
        "memory_budget_mb",
        1000.0,
        "Memory for all resident sub-networks [MB]; what does not fit is listed as not resident.",
        1.0,
        1e6,
    ),
    Declared("profile", "", "Profile file to use; empty: the one in the cache, measured at the first start."),
    Declared("image_transport", "raw", "Subscribe to `image` or to `image/compressed`.", words=TRANSPORTS),
    Declared(
        "image_reliability",
        "auto",
        "Reliability to request; auto follows the publisher.",
        words=RELIABILITIES,
    ),
    Declared(
        "no_frame_warning_s", 5.0, "Say so when a publisher is there but no image arrives [s].", 0.5, 3600.0
    ),
    Declared("top_k", 3, "Classes in a result, best first.", 1, 1000),
    Declared("stats_rate_hz", 4.0, "Rate of inference_stats [Hz].", 0.5, 50.0),
    Declared(
        "default_latency_ms", 0.0, "Target before any decision came [ms]; 0: none, keep up.", 0.0, 3.6e6
    ),
    Declared(
        "idle_when_unwatched", False, "Take no images while nobody subscribes to a result.", at_run_time=True
    ),
    Declared("emulate_clocks", True, "Stretch inference times where board_state says emulated clocks."),
    Declared("clock_domain", "cpu0", "Clock domain of the processor that infers."),
    Declared(
        "clocked_fraction",
        DEFAULT_CLOCKED_FRACTION,
        "Share s of the inference time that scales with the clock: measured * (s * f_max / f + 1 - s) [1]. "
        "Emulated clocks follow it, and points whose profile was not swept over clocks are assumed to.",
        0.0,
        1.0,
    ),
)
