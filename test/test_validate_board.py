"""The validation of the simulated board: its fits, its page, and its verdict where the data are at hand."""

from __future__ import annotations

import pytest

from dynofa_ros.manager.models.latency_model import LatencyFit
from latency_sweep import FILE, FITTED_MHZ, SweepRow, fit, groups, read_sweep
from validate_board import default_data, judged, main, validate

CLOCKS = (306.0, 408.0, 510.0, 612.0, 714.0, 816.0, 918.0, 1020.0)
LAWS = {
    ("mobilenet", 3199): LatencyFit(3.158, 1.042, 0.0),
    ("mobilenet", 2133): LatencyFit(3.034, 1.619, 0.0),
    ("proxy", 2133): LatencyFit(4.169, 0.359, 6.6),
}
HEAD = "model,emc_mhz,gpu_mhz,period_ms,p50_ms,p99_ms,p99_9_ms,mean_vdd_in_mw,mean_vdd_cpu_gpu_cv_mw\n"


def rows(law, spoil=lambda mhz, t: t):
    return [SweepRow("n", 3199.0, f, 125.0, spoil(f, law.time_ms(f)), 0.0, 0.0, 0.0) for f in CLOCKS]


@pytest.fixture
def data(tmp_path):
    lines = []
    for (model, emc_mhz), law in LAWS.items():
        for mhz in CLOCKS:
            power = "6500,2000" if mhz == 1020.0 else ","
            lines.append(f"{model},{emc_mhz},{mhz:.0f},125,{law.time_ms(mhz):.4f},9,9,{power}\n")
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(HEAD + "".join(lines))
    return tmp_path


@pytest.mark.parametrize("law", LAWS.values())
def test_fits_recover_the_law(law):
    found = fit(rows(law))
    found_law = (found.k_ms_ghz, found.fixed_ms, found.floor_ms)
    assert found_law == pytest.approx((law.k_ms_ghz, law.fixed_ms, law.floor_ms))


def test_held_out_points_take_no_part_in_a_fit():
    law = LAWS["mobilenet", 3199]
    spoiled = fit(rows(law, spoil=lambda mhz, t: t if mhz in FITTED_MHZ else 100.0))
    assert spoiled == fit(rows(law))


def test_one_clock_only_is_no_group(data):
    with (data / FILE).open("a") as file:
        file.write("mobilenet,204,1020,40,22.4,25,29,6225,2208\n")
    found = groups(read_sweep(data))
    assert set(found) == {(model, float(emc_mhz)) for model, emc_mhz in LAWS}


def test_says_so_where_the_data_are_absent(tmp_path, capsys):
    assert main(["--data", str(tmp_path), "--docs", str(tmp_path / "docs")]) == 0
    assert "skipped" in capsys.readouterr().out
    assert not (tmp_path / "docs").exists()


def test_writes_page_plots_and_results(data, tmp_path):
    docs, out = tmp_path / "docs", tmp_path / "board.json"
    assert main(["--data", str(data), "--docs", str(docs), "--out", str(out)]) == 0
    page = (docs / "simulated_board.md").read_text()
    assert page.count("held out |") >= 12
    assert "simulated" in page
    for name in ("latency", "power", "podgov"):
        assert f"simulated_board_{name}.svg" in page
        assert (docs / f"simulated_board_{name}.svg").stat().st_size > 1000
    assert out.exists()


@pytest.mark.skipif(not (default_data() / FILE).is_file(), reason="the measured latency sweep is not here")
def test_the_model_agrees_with_the_measured_board():
    missed = [target.name for target in judged(validate(default_data())) if not target.met]
    assert [name for name in missed if name != "one event of the board"] == []
