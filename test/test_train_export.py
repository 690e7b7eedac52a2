from __future__ import annotations

import itertools

import numpy as np

from dynofa_ros.supernet.family import load_family
from supernet_fixtures import need_ofa


def test_a_checkpoint_becomes_a_family_that_loads_and_says_what_was_measured(tmp_path):
    need_ofa()
    import torch

    from dynofa_ros.supernet.measure import bootstrap_interval, correct_answers
    from dynofa_ros.supernet.train import CHECKPOINT_NAME, Phase, Pools, TrainConfig, Trainer
    from dynofa_ros.supernet.train_data import load_pool
    from dynofa_ros.supernet.train_export import ExportConfig
    from dynofa_ros.supernet.train_run import CAMERA_SIDE, TEST_SEED, export_family

    config = TrainConfig(phases=(Phase(1, 32, sandwich=True),), width_mult=0.1, resolutions=(32, 48))
    pool = load_pool(tmp_path / "images", "train", 1, 8, 48, workers=1)
    device = torch.device("cpu")
    Trainer(config, Pools(pool, pool), device).save(tmp_path / CHECKPOINT_NAME)
    effort = ExportConfig(
        n_budgets=3,
        n_random=1,
        n_mutations=1,
        finalists=1,
        search_calibration=8,
        search_images=8,
        final_calibration=16,
        final_images=16,
        test_images=30,
        precisions=("bf16",),
    )
    export_family(config, tmp_path, device, 1, effort)
    family = load_family(tmp_path / "digits.yaml")
    assert family.members
    for cheap, costly in itertools.pairwise(family.members):
        assert cheap.accuracy.value < costly.accuracy.value
    test = load_pool(tmp_path / "images", "test", TEST_SEED, 30, CAMERA_SIDE, workers=1)
    for member in family.members:
        correct = correct_answers(family.network(member.spec.name), test, device)
        assert np.isclose(member.accuracy.value, correct.mean(), atol=1e-5)
        low, high = bootstrap_interval(correct, test.scans)
        assert np.allclose((member.accuracy.low, member.accuracy.high), (low, high), atol=1e-5)
        assert member.accuracy.n_images == 30
    assert "finalist" in (tmp_path / "export.log").read_text()
