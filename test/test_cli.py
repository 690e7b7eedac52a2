"""The `dynofa` command as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dynofa_ros.cli import COMMANDS, main, make_parser

HEAVY = ("torch", "rclpy", "openvino", "cv2", "rosbags")


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_and_every_option(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert len(text.split("options:")[0]) > 150
    subparsers = next(a for a in make_parser(command)._actions if a.choices)
    assert all(action.help for action in subparsers.choices[command]._actions)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_heavy_package(command):
    code = (
        "import sys\n"
        f"for name in {HEAVY!r}: sys.modules[name] = None\n"
        "from dynofa_ros.cli import main\n"
        f"main([{command!r}, '--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        main(["fly"])
    assert end.value.code == 2
    assert "fly" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["19", "0", "nan", "soon", "1e9"])
def test_a_senseless_length_of_the_demonstration_is_refused(seconds, capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--seconds", seconds])
    assert "from 20 to 3600" in capsys.readouterr().err


def test_a_folder_that_is_not_ours_is_never_emptied(tmp_path, capsys):
    keep = tmp_path / "thesis.tex"
    keep.write_text("years of work", encoding="utf-8")
    assert main(["demo", "--headless", "--out", str(tmp_path)]) == 2
    assert keep.read_text(encoding="utf-8") == "years of work"
    assert "is not empty" in capsys.readouterr().err


def test_a_missing_scenario_is_one_line(tmp_path, capsys):
    assert main(["demo", "--headless", "--scenario", "nothing", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
