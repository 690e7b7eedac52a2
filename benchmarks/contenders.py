"""Which contenders a page shows, in which order, and under which names."""

from __future__ import annotations

from typing import Any

REFERENCES = ("ofa dynamic", "ofa extracted", "ofa channels_last")
BACKENDS = {"native": "own kernels", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime", "torch": "torch"}
REFERENCE_NAMES = {
    "ofa dynamic": "ofa, elastic layers",
    "ofa extracted": "ofa, extracted",
    "ofa channels_last": "ofa, channels_last",
}


def label(contender: str) -> str:
    """A contender's name for readers: "OpenVINO bf16"."""
    if contender in REFERENCE_NAMES:
        return REFERENCE_NAMES[contender]
    if contender.count("/") != 3:
        return contender
    _, backend, precision, _ = contender.split("/")
    return f"{BACKENDS.get(backend, backend)} {precision}"


def shown_contenders(found: dict[str, Any]) -> list[str]:
    """References, then placements, all that at least one sub-network has; the matrix product is none."""
    names: list[str] = []
    for point in found["points"].values():
        names += [name for name in point["contenders"] if name not in names and not name.startswith("GEMM")]
    return [*REFERENCES, *(name for name in names if name not in REFERENCES)]


def best_placement(found: dict[str, Any], reduced: bool) -> str | None:
    """The placement with the greatest speed-up over the extracted network, of full or reduced precision.

    Only placements that run every sub-network have one.
    """
    end = " over ofa extracted"
    values = {
        pair.removesuffix(end): figures["value"]
        for pair, figures in found["speed_ups"].items()
        if pair.endswith(end) and pair.count("/") == 3
    }
    wanted = {name: value for name, value in values.items() if (name.split("/")[2] != "fp32") == reduced}
    return max(wanted, key=wanted.__getitem__, default=None)
