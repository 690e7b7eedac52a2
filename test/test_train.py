from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dynofa_ros.errors import ConfigError
from dynofa_ros.supernet.subnet_spec import uniform_spec
from supernet_fixtures import need_ofa


@pytest.fixture(scope="module", autouse=True)
def _ofa():
    need_ofa()


@pytest.fixture(scope="module")
def config():
    from dynofa_ros.supernet.train import Phase, TrainConfig

    phases = (Phase(2, 32, sandwich=False, easy=0.5), Phase(3, 48, sandwich=True))
    return TrainConfig(
        phases=phases,
        width_mult=0.1,
        resolutions=(32, 48),
        batch=4,
        pool_size=12,
        easy_pool_size=6,
        warmup_steps=2,
    )


@pytest.fixture(scope="module")
def pools(tmp_path_factory, config):
    from dynofa_ros.supernet.train import Pools
    from dynofa_ros.supernet.train_data import load_pool

    folder = tmp_path_factory.mktemp("images")
    standard = load_pool(folder, "train", 1, config.pool_size, 48, workers=1)
    return Pools(standard, load_pool(folder, "train", 1, config.easy_pool_size, 48, 1, "easy"))


def weights(trainer) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in trainer.net.state_dict().items()}


@pytest.mark.parametrize("stop", [1, 3])
def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(tmp_path, config, pools, stop):
    import torch

    from dynofa_ros.supernet.train import Trainer, train

    device, quiet = torch.device("cpu"), lambda *_: None
    whole = Trainer(config, pools, device)
    train(whole, tmp_path, 100, quiet)
    first = Trainer(config, pools, device)
    for _ in range(stop):
        first.advance()
    first.save(tmp_path / "part.pt")
    second = Trainer(replace(config, seed=config.seed), pools, device)
    second.load(tmp_path / "part.pt")
    train(second, tmp_path, 100, quiet)
    expected, actual = weights(whole), weights(second)
    assert all(np.array_equal(expected[name], actual[name]) for name in expected)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path, config, pools):
    import torch

    from dynofa_ros.supernet.train import Trainer

    trainer = Trainer(config, pools, torch.device("cpu"))
    trainer.save(tmp_path / "checkpoint.pt")
    trainer.config = replace(config, batch=8)
    with pytest.raises(ConfigError, match="batch: made with 4, asked for 8"):
        trainer.load(tmp_path / "checkpoint.pt")


def test_the_rate_warms_up_holds_and_falls_to_zero(config):
    from dynofa_ros.supernet.train import learning_rate

    long = replace(config, phases=(replace(config.phases[0], steps=1000),), warmup_steps=10)
    rates = [learning_rate(long, step) for step in range(1001)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[10:700] == [1e-3] * 690
    assert rates[1000] == pytest.approx(0.0, abs=1e-12)
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_a_pool_is_rendered_once_and_the_same_every_time(tmp_path):
    from dynofa_ros.supernet.train_data import load_pool

    first = load_pool(tmp_path / "a", "validation", 3, 5, 32, workers=1)
    again = load_pool(tmp_path / "a", "validation", 3, 5, 32, workers=1)
    other = load_pool(tmp_path / "b", "validation", 3, 5, 32, workers=1)
    assert np.array_equal(first.images, other.images)
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.labels, other.labels)


def test_recalibration_measures_the_input_of_every_active_layer(config, pools):
    import torch

    from dynofa_ros.supernet.ofa_torch import build_supernet
    from dynofa_ros.supernet.recalibrate import recalibrate

    net, spec = build_supernet(config.space), uniform_spec("small", 32, 3, 5, 4)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items() if "running" in name}
    images = pools.standard.images
    statistics = recalibrate(net, spec, images, torch.device("cpu"))
    shapes = {name: (len(mean), len(variance)) for name, (mean, variance) in statistics.items()}
    assert shapes == {name: (n, n) for name, n in config.space.batch_norms(spec).items()}
    after = net.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_recalibrated_statistics_reproduce_the_batch_statistics_network(config, pools):
    import torch

    from dynofa_ros.supernet.extraction import extract
    from dynofa_ros.supernet.ofa_torch import (
        build_supernet,
        frozen_running_statistics,
        set_active,
        to_tensors,
    )
    from dynofa_ros.supernet.recalibrate import recalibrate
    from dynofa_ros.supernet.static_forward import StaticForward
    from dynofa_ros.supernet.train import to_input

    device, spec = torch.device("cpu"), uniform_spec("small", 48, 2, 5, 4)
    net = build_supernet(config.space)
    statistics = recalibrate(net, spec, pools.standard.images, device)
    inputs = to_input(pools.standard.images, 48, device)
    set_active(net, spec)
    with torch.no_grad(), frozen_running_statistics(net):
        expected = net(inputs)
    static = StaticForward(extract(config.space, to_tensors(net), spec, statistics), device)(inputs)
    assert torch.allclose(static, expected, rtol=1e-3, atol=1e-4)
