from __future__ import annotations

import numpy as np
import pytest

from dynofa_ros.engine.bank import SubnetBank
from dynofa_ros.engine.openvino_backend import OpenVinoBackend
from dynofa_ros.errors import DynofaError
from engine_samples import small_family


class FailingBackend(OpenVinoBackend):
    """OpenVINO that runs out of memory for some sub-networks."""

    def __init__(self, fails: set[str]) -> None:
        super().__init__()
        self._fails = fails

    def compile(self, network, input_spec, threads, cache_dir=None):
        if network.spec.name in self._fails:
            raise RuntimeError("cannot allocate memory")
        return super().compile(network, input_spec, threads, cache_dir)


def test_a_sub_network_that_does_not_compile_is_quarantined_and_named():
    log: list[str] = []
    bank = SubnetBank.load(small_family(), FailingBackend({"middle"}), log=log.append)
    assert bank.names == ("small", "large")
    assert bank.quarantined == {"middle": "cannot allocate memory"}
    assert len(log) == 1
    assert "middle" in log[0]


def test_a_bank_without_any_sub_network_fails():
    with pytest.raises(DynofaError, match="middle: cannot allocate memory"):
        SubnetBank.load(small_family(), FailingBackend({"small", "middle", "large"}))


def test_each_sub_network_answers_for_itself_whatever_ran_before():
    family, rng = small_family(), np.random.default_rng(3)
    bank = SubnetBank.load(family, OpenVinoBackend())
    images = {
        name: rng.integers(0, 256, (1, *[bank.resolution(name)] * 2, 3), np.uint8) for name in bank.names
    }
    alone = {
        name: OpenVinoBackend().compile(family.network(name), family.input_spec, 1).infer(images[name])
        for name in bank.names
    }
    for name in rng.choice(bank.names, 200):
        assert np.array_equal(bank.infer(name, images[name]), alone[name])
