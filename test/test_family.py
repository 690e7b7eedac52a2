from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dynofa_ros.errors import ConfigError
from dynofa_ros.supernet.extraction import extract
from dynofa_ros.supernet.family import Accuracy, Family, FamilyMember, InputSpec, load_family, random_family
from dynofa_ros.supernet.family_writer import file_comment, write_family
from dynofa_ros.supernet.space import OfaMbv3Space
from dynofa_ros.supernet.weights import compact, named_statistics, save_tensors
from supernet_fixtures import lively_tensors, random_spec

SPACE = OfaMbv3Space(0.2, 4, (32, 64))
MEASURED = Accuracy(0.9, 0.88, 0.92, "measured", "a test set", 1000, "a test")
PUBLISHED = Accuracy(0.8, math.nan, math.nan, "published", "a test set", 0, "somebody")


def make_family(folder: Path) -> Family:
    """A small family on disk: one member with its own statistics, one without."""
    specs = sorted((random_spec(SPACE, seed, f"net{seed}") for seed in (1, 2)), key=SPACE.macs)
    tensors = compact(lively_tensors(SPACE, 3))
    tensors |= named_statistics(specs[1].name, neutral_statistics(specs[1]))
    weights = folder / "small.safetensors"
    members = tuple(
        FamilyMember(spec, SPACE.macs(spec), accuracy)
        for spec, accuracy in zip(specs, (PUBLISHED, MEASURED), strict=True)
    )
    family = Family(
        name="small",
        space=SPACE,
        input_spec=InputSpec((0.5, 0.4, 0.3), (0.2, 0.25, 0.3)),
        labels=("a", "b", "c", "d: with a colon"),
        weights_file=weights,
        weights_sha256=save_tensors(weights, tensors),
        members=members,
        file=folder / "small.yaml",
    )
    write_family(family, family.file, "A family for tests.")
    return family


def neutral_statistics(spec):
    return {
        norm: (np.zeros(channels, np.float32), np.ones(channels, np.float32))
        for norm, channels in SPACE.batch_norms(spec).items()
    }


def edit(file: Path, change) -> None:
    content = yaml.safe_load(file.read_text())
    change(content)
    file.write_text(yaml.safe_dump(content))


def test_a_written_family_reads_back_the_same(tmp_path):
    written = make_family(tmp_path)
    read = load_family(written.file)
    for field in ("name", "space", "input_spec", "labels", "weights_file", "weights_sha256"):
        assert getattr(read, field) == getattr(written, field)
    assert read.members[1] == written.members[1]
    assert read.members[0].spec == written.members[0].spec
    assert math.isnan(read.members[0].accuracy.low)
    assert read.has_weights


def test_networks_use_stored_statistics_where_there_are_some(tmp_path):
    family = load_family(make_family(tmp_path).file)
    plain, calibrated = family.names
    specs = {member.spec.name: member.spec for member in family.members}
    expected = extract(SPACE, family.tensors(), specs[plain])
    assert np.array_equal(family.network(plain).stem.bias, expected.stem.bias)
    expected = extract(SPACE, family.tensors(), specs[calibrated], neutral_statistics(specs[calibrated]))
    assert np.array_equal(family.network(calibrated).stem.bias, expected.stem.bias)


def test_an_unknown_sub_network_is_refused_with_the_known_names(tmp_path):
    with pytest.raises(KeyError, match="no sub-network 'net9'; it has net"):
        make_family(tmp_path).network("net9")


@pytest.mark.parametrize(
    ("change", "field", "values"),
    [
        (lambda c: c.update(schema="dynofa/family/9"), "schema", ["dynofa/family/9", "dynofa/family/1"]),
        (lambda c: c.pop("labels"), "labels", ["key is missing"]),
        (lambda c: c["space"].pop("depths"), "space.depths", ["key is missing"]),
        (lambda c: c["space"].update(type="vit"), "space.type", ["vit", "ofa_mbv3"]),
        (lambda c: c["space"].update(width_mult=-1), "space.width_mult", ["-1", "0.05"]),
        (lambda c: c["space"].update(resolutions=[64, 32]), "space.resolutions", ["[64, 32]", "rising"]),
        (lambda c: c["space"].update(depths=[2, 5]), "space.depths", ["[2, 5]", "from 1 to 4"]),
        (lambda c: c["space"].update(kernel_sizes=[3, 4]), "space.kernel_sizes", ["[3, 4]", "odd"]),
        (lambda c: c["input"].update(std=[0.1, 0.0, 0.1]), "input.std", ["0.0"]),
        (lambda c: c["input"].update(mean=[0.1]), "input.mean", ["[0.1]", "3"]),
        (lambda c: c.update(labels=["a"]), "labels", ["1 labels", "4 classes"]),
        (lambda c: c.update(labels="absent.txt"), "labels", ["absent.txt"]),
        (lambda c: c.update(members=[]), "members", ["empty"]),
        (lambda c: c["members"].reverse(), "members[1].macs", ["rising"]),
        (lambda c: c["members"][0].update(macs=1), "members[0]", ["1, but this sub-network has"]),
        (lambda c: c["members"][0].update(resolution=48), "members[0]", ["48", "32, 64"]),
        (lambda c: c["members"][0].update(depth=[2]), "members[0]", ["1 values", "5"]),
        (lambda c: c["members"][0].update(depth=["x"]), "members[0].depth", ["['x']"]),
        (lambda c: c["members"][1].update(name=c["members"][0]["name"]), "members[1].name", ["twice"]),
        (lambda c: c["members"][1]["accuracy"].update(value=1.2), "members[1].accuracy.value", ["1.2"]),
        (lambda c: c["members"][1]["accuracy"].update(low=0.95), "members[1].accuracy.low", ["0.95", "0.9"]),
        (lambda c: c["members"][1]["accuracy"].update(source="guessed"), "accuracy.source", ["guessed"]),
        (lambda c: c["weights"].update(sha256="0" * 64), "weights.sha256", ["0" * 64, "small.safetensors"]),
        (lambda c: c["weights"].update(file="absent.safetensors"), "weights.file", ["absent.safetensors"]),
    ],
)
def test_a_wrong_file_is_refused_with_file_field_and_values(tmp_path, change, field, values):
    file = make_family(tmp_path).file
    good = file.read_text()
    edit(file, change)
    with pytest.raises(ConfigError) as caught:
        load_family(file)
    assert caught.value.file == str(file)
    assert field in caught.value.field
    for value in values:
        assert value in str(caught.value)
    file.write_text(good)
    assert load_family(file).has_weights


def test_a_wrong_sha256_names_both_values(tmp_path):
    family = make_family(tmp_path)
    weights = tmp_path / "small.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    with pytest.raises(ConfigError) as caught:
        load_family(family.file)
    assert family.weights_sha256 in str(caught.value)
    assert caught.value.field == "weights.sha256"


def test_weights_of_another_shape_name_the_tensor_and_both_shapes(tmp_path):
    family = make_family(tmp_path)
    other = lively_tensors(replace(SPACE, n_classes=7), 1)
    sha256 = save_tensors(tmp_path / "small.safetensors", other)
    edit(family.file, lambda content: content["weights"].update(sha256=sha256))
    with pytest.raises(ConfigError) as caught:
        load_family(family.file)
    assert caught.value.field == "classifier.linear.weight"
    assert caught.value.file.endswith("small.safetensors")
    assert "(7, 256), but the space asks for (4, 256)" in str(caught.value)


@pytest.mark.parametrize("content", ["", "[1, 2]", "a: [", "\x00", "schema: 1"])
def test_what_is_no_family_file_is_refused(tmp_path, content):
    file = tmp_path / "odd.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"odd\.yaml"):
        load_family(file)


@pytest.fixture(scope="module")
def shared_family(tmp_path_factory):
    return make_family(tmp_path_factory.mktemp("family"))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_means_something_valid(shared_family, data):
    text = shared_family.file.read_text()
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 30))
    insert = data.draw(st.text(alphabet="0123456789abc-:[]{}'\"&*!#.,\n e", max_size=12))
    damaged = shared_family.file.with_name("damaged.yaml")
    damaged.write_text(text[:start] + insert + text[start + length :], encoding="utf-8")
    with contextlib.suppress(ConfigError):
        assert load_family(damaged).members


def test_random_weights_never_come_with_an_accuracy(tmp_path):
    family = make_family(tmp_path).with_random_weights(seed=1)
    assert family.random_weights
    assert all(member.accuracy is None for member in family.members)
    assert family.network(family.names[0]).n_classes == 4
    made = random_family(SPACE, [random_spec(SPACE, 5)])
    assert made.random_weights
    assert made.members[0].accuracy is None


def test_a_family_without_weights_says_how_to_get_them(tmp_path):
    family = make_family(tmp_path)
    edit(family.file, lambda content: content.update(weights=None))
    bare = load_family(family.file)
    assert not bare.has_weights
    with pytest.raises(ConfigError, match="dynofa import-weights FILE` --family small"):
        bare.network(bare.names[0])


def reduced(family: Family, **losses: float) -> Family:
    """`family` with accuracies of reduced precisions that lose so much on every member."""
    return replace(
        family,
        members=tuple(
            replace(
                member,
                accuracies={
                    name: replace(member.accuracy, value=member.accuracy.value - loss, low=0.0, high=1.0)
                    for name, loss in losses.items()
                },
            )
            for member in family.members
        ),
    )


def test_accuracies_of_reduced_precisions_are_written_and_read(tmp_path):
    family = reduced(make_family(tmp_path), bf16=0.001, int8=0.02)
    write_family(family, family.file, "again")
    members = load_family(family.file).members
    for before, after in zip(family.members, members, strict=True):
        assert list(after.accuracies) == ["bf16", "int8"]
        assert after.accuracy_at("int8").value == pytest.approx(before.accuracy_at("int8").value, abs=1e-5)
        assert after.accuracy_at("fp32") == after.accuracy
        assert after.accuracy_at("fp16") is None


def test_a_precision_is_offered_where_it_was_measured_and_loses_little(tmp_path):
    family = reduced(make_family(tmp_path), bf16=0.0049, fp16=0.0051, int8=0.0)
    name = family.names[0]
    assert family.offers(name, "fp32")
    assert family.offers(name, "bf16")
    assert not family.offers(name, "fp16")
    assert not family.offers(name, "int8"), "there is no calibration"
    assert not make_family(tmp_path).offers(name, "bf16"), "nothing was measured"
    random = family.with_random_weights()
    assert random.offers(name, "fp16")
    assert random.member(name).accuracies == {}


def test_an_unknown_precision_in_the_file_is_named(tmp_path):
    file = reduced(make_family(tmp_path), bf16=0.0).file
    write_family(reduced(make_family(tmp_path), bf16=0.0), file, "")
    file.write_text(file.read_text().replace("bf16:", "int3:"))
    with pytest.raises(ConfigError, match=r"accuracies\.int3.*bf16, fp16, int8"):
        load_family(file)


def test_the_comment_of_a_file_is_kept(tmp_path):
    family = make_family(tmp_path)
    comment = "One line\n\nand another: with a colon"
    write_family(family, family.file, comment)
    assert file_comment(family.file) == comment
