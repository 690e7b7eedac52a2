from __future__ import annotations

import pytest

from board_samples import write_jetson_tree
from dynofa_ros.board.select import open_board
from dynofa_ros.board.spec import boards_dir
from dynofa_ros.errors import ConfigError


def test_auto_is_never_simulated(tmp_path):
    assert not open_board("auto", tmp_path).simulated
    write_jetson_tree(tmp_path)
    assert not open_board("auto", tmp_path).simulated


def test_a_simulated_board_is_opened_by_name_or_file():
    assert open_board("simulated:jetson_xavier_nx").simulated
    assert open_board(f"simulated:{boards_dir() / 'jetson_xavier_nx.yaml'}").name == "jetson_xavier_nx"


@pytest.mark.parametrize("name", ["", "jetson_orin_nano_super", "simulated", "simulated:", "simulated:tx2"])
def test_unknown_names_list_the_choices(name):
    with pytest.raises(ConfigError, match="jetson_orin_nano_super"):
        open_board(name)
