"""The import rules of CONTRIBUTING.md: read from the sources, then tried with the rest absent."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dynofa_ros"
ROS = ("rclpy", "rcl_interfaces", "launch", "launch_ros", "ament_index_python", "cv_bridge")
MESSAGES = ("builtin_interfaces", "dynofa_ros.msg", "dynofa_ros.srv")
NO_ENGINE = ("dynofa_ros.engine", "openvino", "cv2")
TRAINING = ("torch", "torchvision", "ofa", "sklearn")
CORE = ("supernet", "engine", "manager", "board", "simulation", "datasets")
TRAINING_MODULES = (
    "train",
    "search",
    "recalibrate",
    "measure",
    "ofa_",
    "import_weights",
    "torch_",
    "static_forward",
)

BLOCKER = """
import importlib, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if any(name == root or name.startswith(root + ".") for root in {forbidden!r}):
            raise ImportError(name + " is absent in this test")
sys.meta_path.insert(0, Absent())
for name in {modules!r}:
    importlib.import_module(name)
"""


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((PACKAGE / folder).rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Every module that the file names in an import, at any depth of the code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def matches(name: str, root: str) -> bool:
    return name == root or name.startswith(f"{root}.")


def violations(files: Iterator[Path], forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in sorted(imported(file))
        if any(matches(name, root) for root in forbidden)
    ]


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def for_training(file: Path) -> bool:
    return file.stem.startswith(TRAINING_MODULES)


def import_with_absent(modules: list[str], forbidden: tuple[str, ...]) -> None:
    code = BLOCKER.format(forbidden=forbidden, modules=modules)
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_only_nodes_import_ros_or_messages() -> None:
    files = [file for file in sources(".") if file.relative_to(PACKAGE).parts[0] != "nodes"]
    assert not violations(iter(files), (*ROS, *MESSAGES))
    roots = {name.split(".")[0] for file in files for name in imported(file)}
    assert not [name for name in roots if name.endswith("_msgs")]


def test_the_core_imports_no_node() -> None:
    assert not violations(sources(*CORE), ("dynofa_ros.nodes",))


def test_manager_imports_neither_engine_nor_torch() -> None:
    assert not violations(sources("manager"), ("dynofa_ros.engine", *TRAINING))


def test_board_imports_no_engine() -> None:
    assert not violations(sources("board"), ("dynofa_ros.engine", *TRAINING))


def test_torch_is_imported_only_by_what_trains_measures_or_compares() -> None:
    files = (file for file in sources(*CORE) if not for_training(file))
    assert not violations(files, TRAINING)


def test_the_core_takes_time_as_an_argument() -> None:
    stamps = ("time.time", "time.time_ns", "datetime.datetime.now")
    calls = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sources("manager", "board")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in stamps
    ]
    assert not calls


@pytest.mark.parametrize(
    ("folders", "forbidden"),
    [
        pytest.param(("engine", "supernet", "datasets"), TRAINING, id="running a family needs no torch"),
        pytest.param(("manager",), (*NO_ENGINE, *TRAINING), id="deciding needs no engine"),
        pytest.param(("board",), (*NO_ENGINE, *TRAINING), id="the board needs no engine"),
        pytest.param(("simulation",), TRAINING, id="evaluating needs no torch"),
        pytest.param(("cli",), (*TRAINING, "openvino"), id="the command starts with neither"),
    ],
)
def test_imports_with_the_rest_absent(folders: tuple[str, ...], forbidden: tuple[str, ...]) -> None:
    modules = [module_name(file) for file in sources(*folders) if not for_training(file)]
    runnable = [name for name in modules if not name.endswith("__main__")]
    import_with_absent(runnable, (*ROS, *forbidden))
