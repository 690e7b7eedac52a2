"""OpenVINO's choice among its kernels for 8-bit depthwise convolutions, corrected.

For 8-bit depthwise convolutions OpenVINO 2026.4 takes oneDNN's brgconv kernel where the older JIT kernel
is about a quarter faster (`benchmarks/bench_engine.py` compares whole networks). The order of preference is
an attribute of a node that can only be set in the text form of a graph. A machine without that kernel
ignores the attribute.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import openvino as ov

_PREFERENCE = (
    '<rt_info><attribute name="primitives_priority" version="0" value="cpu:jit_avx512_dw" /></rt_info>'
)
_LAYER = "<layer "


def prefer_jit_depthwise(core: ov.Core, model: ov.Model) -> ov.Model:
    """The same graph with the preference at every depthwise convolution."""
    with tempfile.TemporaryDirectory() as folder:
        text, weights = Path(folder) / "model.xml", Path(folder) / "model.bin"
        ov.serialize(model, text, weights)
        layers = text.read_text(encoding="utf-8").split(_LAYER)
        changed = _LAYER.join(_with_preference(layer) for layer in layers)
        return core.read_model(changed.encode(), weights.read_bytes())


def _with_preference(layer: str) -> str:
    """Text of a layer, with the preference if it is a depthwise convolution."""
    head, opening, rest = layer.partition("<input>")
    if 'type="GroupConvolution"' not in head or "<rt_info>" in head:
        return layer
    return head + _PREFERENCE + opening + rest
