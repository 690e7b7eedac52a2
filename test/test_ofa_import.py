from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dynofa_ros.errors import ConfigError
from dynofa_ros.supernet.family import Accuracy, load_family, random_family
from dynofa_ros.supernet.space import OfaMbv3Space
from supernet_fixtures import lively_tensors, need_ofa, random_spec

SPACE = OfaMbv3Space(0.2, 4, (32, 64))
PUBLISHED = Accuracy(0.8, float("nan"), float("nan"), "published", "a test set", 0, "somebody")


@pytest.fixture(scope="module", autouse=True)
def _ofa():
    need_ofa()


@pytest.fixture
def family():
    bare = random_family(SPACE, [random_spec(SPACE, seed, f"net{seed}") for seed in (1, 2)])
    members = tuple(replace(member, accuracy=PUBLISHED) for member in bare.members)
    return replace(bare, name="bare", members=members, random_weights=False, _tensors={})


def save_checkpoint(path: Path, tensors, wrap=True) -> Path:
    import torch

    state = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    torch.save({"state_dict": state} if wrap else state, path)
    return path


def old_name(name: str) -> str:
    """How the published checkpoints spell it."""
    plain = name.replace(".conv.", ".mobile_inverted_conv.", 1) if name.startswith("blocks.") else name
    return plain.replace(".bn.bn.", ".bn.").replace(".conv.conv.weight", ".conv.weight")


@pytest.mark.parametrize("spelling", [str, old_name, lambda name: f"module.{name}"])
def test_a_checkpoint_becomes_a_family_with_the_same_tensors(tmp_path, family, spelling):
    from dynofa_ros.supernet.ofa_import import import_weights

    tensors = lively_tensors(SPACE, 1)
    checkpoint = save_checkpoint(tmp_path / "net.pth", {spelling(name): t for name, t in tensors.items()})
    imported = import_weights(checkpoint, family, tmp_path / "out", None)
    assert imported.file == tmp_path / "out" / "bare.yaml"
    again = load_family(imported.file)
    assert all(np.array_equal(again.tensors()[name], tensor) for name, tensor in tensors.items())
    assert again.members[0].accuracy.source == "published"
    assert again.network(again.names[0]).n_classes == 4


def test_calibration_images_give_each_sub_network_its_own_statistics(tmp_path, family):
    import cv2

    from dynofa_ros.supernet.ofa_import import import_weights

    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(1)
    for i in range(3):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), rng.integers(0, 255, (70, 90, 3), np.uint8))
    checkpoint = save_checkpoint(tmp_path / "net.pth", lively_tensors(SPACE, 1), wrap=False)
    plain = import_weights(checkpoint, family, tmp_path / "plain", None)
    own = import_weights(checkpoint, family, tmp_path / "own", tmp_path / "images")
    name = own.names[0]
    assert not np.allclose(own.network(name).stem.bias, plain.network(name).stem.bias)


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (lambda t: t.pop("classifier.linear.bias"), "classifier.linear.bias", "missing"),
        (
            lambda t: t.update({"classifier.linear.bias": np.zeros(9, np.float32)}),
            "classifier.linear.bias",
            r"\(9,\), but the space asks for \(4,\)",
        ),
        (lambda t: t.update({"extra.weight": np.zeros(1, np.float32)}), "extra.weight", "does not belong"),
        (
            lambda t: t.update({"classifier.linear.bias": np.full(4, np.nan, np.float32)}),
            "classifier.linear.bias",
            "not finite",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_tensor(tmp_path, family, change, field, message):
    from dynofa_ros.supernet.ofa_import import import_weights

    tensors = lively_tensors(SPACE, 1)
    change(tensors)
    checkpoint = save_checkpoint(tmp_path / "net.pth", tensors)
    with pytest.raises(ConfigError, match=message) as caught:
        import_weights(checkpoint, family, tmp_path / "out", None)
    assert caught.value.field == field
    assert not (tmp_path / "out").exists()


class _RunsCode:
    def __reduce__(self):
        return print, ("code ran",)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, family, capsys):
    import torch

    from dynofa_ros.supernet.ofa_import import import_weights

    torch.save({"state_dict": _RunsCode()}, tmp_path / "evil.pth")
    with pytest.raises(ConfigError, match="without running code"):
        import_weights(tmp_path / "evil.pth", family, tmp_path / "out", None)
    assert "code ran" not in capsys.readouterr().out


def test_a_folder_without_images_is_refused(tmp_path, family):
    from dynofa_ros.supernet.ofa_import import import_weights

    checkpoint = save_checkpoint(tmp_path / "net.pth", lively_tensors(SPACE, 1))
    with pytest.raises(ConfigError, match="no readable image"):
        import_weights(checkpoint, family, tmp_path / "out", tmp_path)
