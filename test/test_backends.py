"""Back ends by name, and what is said of those that are absent."""

from __future__ import annotations

import sys

import pytest

from dynofa_ros.engine import native_library
from dynofa_ros.engine.backend import BackendUnavailable
from dynofa_ros.engine.backends import available_placements, create_backend


def test_openvino_runs_on_the_cpu_with_full_precision():
    runs, missing = available_placements(threads=2)
    assert "cpu/openvino/fp32/2" in [str(placement) for placement in runs]
    assert not {f"{p.element}/{p.backend}/{p.precision}" for p in runs} & set(missing)


def test_what_is_offered_can_be_made():
    for placement in available_placements(threads=1)[0]:
        made = create_backend(placement.backend, placement.element, placement.precision)
        assert (made.name, made.element, made.precision) == (
            placement.backend,
            placement.element,
            placement.precision,
        )
        assert made.version()


def test_an_absent_library_is_listed_with_what_to_install(monkeypatch):
    monkeypatch.setattr(native_library, "load", lambda: (None, "build the package with a C++ compiler"))
    for name in ("onnxruntime", "torch", "openvino"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "dynofa_ros.engine.openvino_backend", raising=False)
    monkeypatch.delitem(sys.modules, "dynofa_ros.engine.openvino_graph", raising=False)
    runs, missing = available_placements(threads=1)
    assert not runs
    assert "pip install onnxruntime" in missing["cpu/onnxruntime/fp32"]
    assert "pip install torch" in missing["cpu/torch/fp32"]
    assert "C++ compiler" in missing["cpu/native/fp32"]
    assert "pip install openvino" in missing["cpu/openvino/fp32"]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(BackendUnavailable, match=r"nonsense.*openvino, native, onnxruntime, torch"):
        create_backend("nonsense")
