from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from dynofa_ros.engine.backends import create_backend
from dynofa_ros.engine.bank import LoadOptions, SubnetBank
from dynofa_ros.engine.memory import estimated_bytes, n_weights, resident_bytes
from dynofa_ros.engine.openvino_backend import OpenVinoBackend
from dynofa_ros.engine.placement import Placement
from dynofa_ros.errors import DynofaError
from dynofa_ros.supernet.family import Accuracy
from engine_samples import FP32, on, small_bank, small_family

TWO = Placement("cpu", "openvino", "fp32", 2)
BF16 = Placement("cpu", "openvino", "bf16", 1)


class FailingBackend(OpenVinoBackend):
    """OpenVINO that runs out of memory for some sub-networks."""

    def __init__(self, fails: dict[str, Exception]) -> None:
        super().__init__()
        self._fails = fails

    def compile(self, source, threads, cache=None):
        if source.name in self._fails:
            raise self._fails[source.name]
        return super().compile(source, threads, cache)


def load_failing(fails, log=lambda _: None):
    options = LoadOptions(create=lambda *_: FailingBackend(fails))
    return SubnetBank.load(small_family(), [FP32], options, log)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RuntimeError("cannot allocate memory"), "cannot allocate memory"),
        (MemoryError(), "out of memory: MemoryError"),
    ],
)
def test_a_point_that_does_not_compile_is_quarantined_and_named(error, why):
    log: list[str] = []
    bank = load_failing({"middle": error}, log.append)
    assert bank.names == ("small", "large")
    assert bank.quarantined == {on("middle"): why}
    assert bank.not_resident == {on("middle"): f"quarantined: {why}"}
    assert len(log) == 1
    assert "middle on cpu/openvino/fp32/1" in log[0]


def test_a_network_that_answers_in_another_shape_is_quarantined():
    class Short(OpenVinoBackend):
        def compile(self, source, threads, cache=None):
            network = super().compile(source, threads, cache)
            whole = network.infer_input
            network.infer_input = lambda: whole()[:3]
            return network

    with pytest.raises(DynofaError, match=r"logits have shape \(3,\), not \(10,\)"):
        SubnetBank.load(small_family(), [FP32], LoadOptions(create=lambda *_: Short()))


def test_a_bank_without_any_point_fails_with_the_reasons():
    fails = {name: RuntimeError("no memory") for name in ("small", "middle", "large")}
    with pytest.raises(DynofaError, match="middle on cpu/openvino/fp32/1: quarantined: no memory"):
        load_failing(fails)


def test_each_point_answers_for_itself_whatever_ran_before():
    family, rng = small_family(), np.random.default_rng(3)
    bank = small_bank(FP32, TWO, family=family)
    assert len(bank.keys) == 6
    images = {key: rng.integers(0, 256, (1, *[bank.resolution(key)] * 2, 3), np.uint8) for key in bank.keys}
    alone = {}
    for name, where in bank.keys:
        placement = Placement.parse(where)
        backend = create_backend(placement.backend, placement.element, placement.precision)
        network = backend.compile(family.source(name), placement.threads)
        alone[name, where] = network.infer(images[name, where])
    for index in rng.integers(0, len(bank.keys), 200):
        key = bank.keys[index]
        assert np.array_equal(bank.infer(key, images[key]), alone[key])


def test_over_the_memory_budget_the_ends_stay_and_the_rest_is_listed_with_its_need():
    log: list[str] = []
    bank = SubnetBank.load(small_family(), [FP32], LoadOptions(memory_budget_mb=0.001), log.append)
    assert bank.names == ("small", "large")
    assert list(bank.not_resident) == [on("middle")]
    assert "of the budget of 0 MB are taken" in bank.not_resident[on("middle")]
    assert "middle on cpu/openvino/fp32/1 is not resident" in log[0]
    assert not bank.quarantined


def test_points_that_others_beat_are_left_out_where_asked_for():
    latencies = {on("small"): 1.0, on("small", TWO): 0.5, on("middle"): 2.0, on("middle", TWO): 3.0}
    latencies |= {on("large"): 4.0, on("large", TWO): 3.5}
    options = LoadOptions(latencies_ms=latencies, dominated=False)
    bank = SubnetBank.load(small_family(), [FP32, TWO], options)
    assert set(bank.keys) == {on("small", TWO), on("middle"), on("large", TWO)}
    assert "small on cpu/openvino/fp32/2" in bank.not_resident[on("small")]


def test_a_precision_is_offered_only_where_its_accuracy_was_measured():
    family = small_family()
    accuracy = Accuracy(0.9, 0.88, 0.92, "measured", "test images", 100, "us")
    members = tuple(dataclasses.replace(member, accuracy=accuracy) for member in family.members)
    known = dataclasses.replace(members[0], accuracies={"bf16": accuracy})
    half = dataclasses.replace(family, members=(known, *members[1:]), random_weights=False)
    from dynofa_ros.engine.candidates import candidates

    offered, refused = candidates(half, [FP32, BF16], {})
    assert {c.key for c in offered if c.placement == str(BF16)} == {on("small", BF16)}
    assert "accuracy at bf16 was not measured" in refused[on("large", BF16)]
    assert len(candidates(family, [FP32, BF16], {})[0]) == 6


def test_released_points_are_named_with_their_reason():
    bank = small_bank()
    bank.keep([on("small"), on("large")], {on("middle"): "beaten"})
    assert bank.names == ("small", "large")
    assert bank.not_resident == {on("middle"): "beaten"}
    assert on("middle") not in bank


def test_memory_is_estimated_from_the_weights_and_measured_in_pages():
    family = small_family()
    small, large = family.members[0].spec, family.members[-1].spec
    assert 0 < n_weights(family.space, small) < n_weights(family.space, large)
    network = family.network("small")
    counted = sum(
        layer.weight.size
        for block in network.blocks
        for layer in (block.expand, block.depthwise, block.project)
        if layer is not None
    )
    assert n_weights(family.space, small) > counted
    assert estimated_bytes(family.space, large, "int8") < estimated_bytes(family.space, large, "fp32")
    before = resident_bytes()
    block = np.ones(1 << 25, np.uint8)
    assert resident_bytes() - before > 0.9 * block.nbytes
    assert math.isfinite(before)
