"""The shipped DDS profile reaches child processes, unless the user chose otherwise."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from dynofa_ros.dds_profile import PROFILE_VARIABLES, profile_variables, shipped_profile
from dynofa_ros.demo.commands import environment
from dynofa_ros.errors import ConfigError

LARGEST_IMAGE_BYTES = 3840 * 2160 * 3


def test_both_names_of_the_variable_are_set():
    values = profile_variables(shipped_profile(), {})
    assert values == dict.fromkeys(PROFILE_VARIABLES, str(shipped_profile()))


@pytest.mark.parametrize("name", PROFILE_VARIABLES)
def test_a_profile_in_the_environment_wins(name, monkeypatch):
    assert profile_variables(shipped_profile(), {name: "/mine.xml"}) == {}
    for variable in PROFILE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assert environment(34)[name] == str(shipped_profile())
    monkeypatch.setenv(name, "/mine.xml")
    assert not set(environment(34)) & set(PROFILE_VARIABLES)


@pytest.mark.parametrize("profile", ["none", ""])
def test_none_leaves_dds_alone(profile):
    assert profile_variables(profile, {}) == {}


def test_a_missing_profile_is_named():
    with pytest.raises(ConfigError, match=r"/nowhere/mine\.xml: dds_profile"):
        profile_variables("/nowhere/mine.xml", {})


def test_the_shipped_profile_has_room_for_two_of_the_largest_images_and_their_fragments():
    root = ElementTree.parse(shipped_profile()).getroot()
    space = root.tag.partition("}")[0] + "}"
    shm = next(t for t in root.iter(f"{space}transport_descriptor") if t.findtext(f"{space}type") == "SHM")
    assert int(shm.findtext(f"{space}segment_size")) >= 2 * LARGEST_IMAGE_BYTES
    assert int(shm.findtext(f"{space}port_queue_capacity")) >= 2 * LARGEST_IMAGE_BYTES / 65_000
    kinds = {t.findtext(f"{space}type") for t in root.iter(f"{space}transport_descriptor")}
    assert kinds == {"SHM", "UDPv4"}, "other machines must stay within reach"
