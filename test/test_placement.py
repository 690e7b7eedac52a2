from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynofa_ros.engine.placement import (
    Placement,
    default_threads,
    format_cores,
    matching,
    parse_cores,
    usable_cores,
)
from dynofa_ros.errors import DynofaError

KNOWN = [
    Placement("cpu", "openvino", "fp32", 1),
    Placement("cpu", "openvino", "bf16", 1),
    Placement("cpu", "onnxruntime", "fp32", 2),
    Placement("gpu", "torch", "fp16", 1),
]


@pytest.mark.parametrize("placement", KNOWN)
def test_a_placement_comes_back_from_its_text(placement):
    assert Placement.parse(str(placement)) == placement


@pytest.mark.parametrize(
    "text", ["", "cpu", "cpu/openvino/fp32", "cpu/openvino/fp32/x", "CPU/a/b/1", "a/b/c/1/2"]
)
def test_another_form_is_refused_by_name(text):
    with pytest.raises(DynofaError, match="element/backend/precision/threads") as refused:
        Placement.parse(text)
    assert repr(text) in str(refused.value)


def test_patterns_select_in_the_order_of_what_there_is():
    assert matching(KNOWN, "*/onnxruntime/*, cpu/openvino/fp32/1") == [KNOWN[0], KNOWN[2]]
    assert matching(KNOWN, "cpu/*") == KNOWN[:3]


def test_a_pattern_without_a_match_is_refused_with_what_there_is():
    with pytest.raises(DynofaError, match=r"'dla0/\*' matches nothing .* cpu/openvino/fp32/1, "):
        matching(KNOWN, "cpu/*, dla0/*")


@given(st.sets(st.integers(0, 99), min_size=1))
def test_cores_come_back_from_their_text(cores):
    text = format_cores(cores)
    named = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        named.update(range(int(first), int(last or first) + 1))
    assert named == cores


def test_cores_that_cannot_be_used_are_refused():
    assert parse_cores(format_cores(usable_cores())) == usable_cores()
    for text, words in (("9999", "9999 cannot be used"), ("a", "must be a list"), ("3-1", "cannot be used")):
        with pytest.raises(DynofaError, match=words):
            parse_cores(text)


def test_every_thread_is_confined_to_the_cores_named():
    program = """
import os, threading
from dynofa_ros.engine.placement import use_cores, usable_cores
stop = threading.Event()
early = threading.Thread(target=stop.wait)
early.start()
core = usable_cores()[0]
use_cores(str(core))
seen = [os.sched_getaffinity(int(name)) for name in os.listdir("/proc/self/task")]
stop.set()
assert len(seen) == 2 and all(cores == {core} for cores in seen), seen
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_default_threads_leave_half_the_cores_to_the_robot():
    assert default_threads() == max(1, len(os.sched_getaffinity(0)) // 2)
