"""Board files are validated whole; every error names file, field and value."""

from __future__ import annotations

import copy

import pytest
import yaml

from dynofa_ros.board.spec import boards_dir, find_spec, load_spec
from dynofa_ros.errors import ConfigError

SHIPPED = sorted(path.stem for path in boards_dir().glob("*.yaml"))


@pytest.fixture
def content():
    return copy.deepcopy(yaml.safe_load((boards_dir() / "jetson_orin_nano_super.yaml").read_text()))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_load_and_carry_their_name_and_sources(name):
    spec = find_spec(name)
    assert spec.name == name
    assert spec.sources


def test_only_the_measured_board_is_not_extrapolated():
    assert [find_spec(name).extrapolated for name in ("jetson_orin_nano_super", "jetson_xavier_nx")] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("schema",), "dynofa/board/9", "schema"),
        (("name",), 3, "name"),
        (("extrapolated",), "no", "extrapolated"),
        (("clock_domains", 0, "available_mhz"), [500.0, 100.0], "clock_domains[0].available_mhz"),
        (("clock_domains", 0, "available_mhz"), "fast", "clock_domains[0].available_mhz"),
        (("clock_domains", 1, "name"), "cpu0", "clock_domains"),
        (("clock_domains", 1, "actuation_ms"), -5.0, "clock_domains[1].actuation_ms"),
        (("clock_domains", 1, "actuation_p95_ms"), 1.0, "clock_domains[1].actuation_p95_ms"),
        (("clock_domains", 1, "governor"), "interactive", "clock_domains[1].governor"),
        (("clock_domains", 1, "governor"), "schedutil", "clock_domains[1].governor"),
        (("elements", 1, "clock_domain"), "npu", "elements[1].clock_domain"),
        (("elements", 1, "stalled_share"), 1.5, "elements[1].stalled_share"),
        (("power_modes", 1, "clocks_mhz"), {"warp": 9.0}, "power_modes[1].clocks_mhz"),
        (("power_modes", 1, "clocks_mhz"), {"gpu": -1.0}, "power_modes[1].clocks_mhz.gpu"),
        (("power_modes", 1, "name"), "MAXN_SUPER", "power_modes"),
        (("power_modes", 0, "overcurrent_w"), 0.0, "power_modes[0].overcurrent_w"),
        (("memory", "domain"), "npu", "memory.domain"),
        (("memory", "contention"), 1.5, "memory.contention"),
        (("networks", 0, "element"), "npu", "networks[0].element"),
        (("networks", 0, "memory_mhz"), [3199.0, 204.0], "networks[0].memory_mhz"),
        (("networks", 0, "k_ms_ghz"), [1.0], "networks[0].k_ms_ghz"),
        (("networks", 0, "threads"), 0, "networks[0].threads"),
        (("elements", 0, "active_w"), float("nan"), "elements[0].active_w"),
        (("power", "base_w"), True, "power.base_w"),
        (("power", "domains", 0, "power_w"), [1.0], "power.domains[0].power_w"),
        (("thermal", "r_degc_per_w"), 0.0, "thermal.r_degc_per_w"),
        (("thermal",), [], "thermal"),
        (("zones", 0, "trip_degc"), 400.0, "zones[0].trip_degc"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(tmp_path, content, path, value, named):
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file = tmp_path / "board.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as caught:
        load_spec(file)
    assert (caught.value.file, caught.value.field) == (str(file), named)


def test_what_a_simple_board_leaves_out_has_defaults(tmp_path, content):
    for key in ("power_modes", "memory", "networks"):
        del content[key]
    for domain in content["clock_domains"]:
        domain.pop("governor", None)
        domain.pop("actuation_p95_ms", None)
    file = tmp_path / "board.yaml"
    file.write_text(yaml.safe_dump(content))
    spec = load_spec(file)
    assert {domain.governor for domain in spec.domains} == {"performance"}
    assert all(domain.actuation_p95_ms == domain.actuation_ms for domain in spec.domains)
    assert (spec.power_mode("").name, spec.memory, spec.networks) == ("", None, ())


def test_a_missing_field_is_named(tmp_path, content):
    del content["thermal"]["tau_slow_s"]
    file = tmp_path / "board.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=r"thermal\.tau_slow_s: is missing"):
        load_spec(file)


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "!!python/object:os.system {}", "3"])
def test_what_is_no_mapping_or_no_yaml_is_refused(tmp_path, text):
    file = tmp_path / "board.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"board\.yaml"):
        load_spec(file)


def test_an_unknown_name_lists_the_shipped_ones():
    with pytest.raises(ConfigError, match="jetson_orin_nano_super"):
        find_spec("../secrets")
