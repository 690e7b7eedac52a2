"""Package metadata, set-up scripts, and what an installation contains."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import pytest

import dynofa_ros
import environment
import prerequisites
import ros_wheels
from dynofa_ros import paths
from dynofa_ros.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
EXECUTABLES = ["perception_node", "manager_node", "board_node", "camera_node", "dynofa"]
OPTIONAL_ROS = {"vision_msgs", "cv_bridge"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small checkout on which the set-up script works instead of this one."""
    for folder in ("msg", "dynofa_ros", "scripts", ".venv"):
        (tmp_path / folder).mkdir()
    for file in ("CMakeLists.txt", "package.xml", "msg/A.msg", "dynofa_ros/a.py"):
        (tmp_path / file).write_text("x", encoding="utf-8")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
    return tmp_path


def package_xml() -> ElementTree.Element:
    return ElementTree.parse(ROOT / "package.xml").getroot()


def lines(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_all_files_state_the_same_version() -> None:
    changes = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
    newest = re.search(r"^(\d+\.\d+\.\d+) ", changes, re.MULTILINE)
    assert newest is not None
    assert dynofa_ros.__version__ == package_xml().findtext("version") == newest[1]


def test_package_xml_names_every_ros_package_that_nodes_import() -> None:
    declared = {element.text for element in package_xml() if element.tag.endswith("depend")}
    used = set()
    for file in (ROOT / "dynofa_ros" / "nodes").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            used |= {name.split(".")[0] for name in names}
    ros = {name for name in used if name == "rclpy" or name.endswith(("_msgs", "_interfaces", "_srvs"))}
    assert ros - OPTIONAL_ROS <= declared


def test_message_packages_used_by_messages_are_declared_for_the_build() -> None:
    fields = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "msg").glob("*.msg"))
    used = set(re.findall(r"^([a-z_]+)/", fields, re.MULTILINE))
    assert used <= {element.text for element in package_xml().iter("depend")}
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert all(f"find_package({name} " in cmake for name in used)


@pytest.mark.parametrize("file", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda file: file.name)
def test_requirements_are_pinned(file: Path) -> None:
    assert all(re.match(r"[\w.\[\]-]+==[\w.]+(; .+)?$", line) for line in lines(file))


def test_the_demonstration_needs_no_training_package() -> None:
    installed = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    installed += (ROOT / "requirements" / "ros.txt").read_text(encoding="utf-8")
    assert not re.search(r"^(torch|ofa|scikit-learn)", installed, re.MULTILINE)


def test_every_python_can_read_the_version_check() -> None:
    text = (ROOT / "scripts" / "bootstrap.py").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 4))
    assert 'f"' not in text


@pytest.mark.parametrize(("module", "package"), [("venv", "venv"), ("ensurepip", "venv")])
def test_a_missing_venv_module_names_the_package(
    module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(name: str) -> object:
        return None if name == module else object()

    monkeypatch.setattr("importlib.util.find_spec", found)
    with pytest.raises(prerequisites.MissingPrerequisite, match=rf"install python3\.\d+-{package}`\.$"):
        prerequisites.check(wheels=False)


def test_missing_headers_name_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(prerequisites.MissingPrerequisite, match=r"Python\.h.*install python3\.\d+-dev`"):
        prerequisites.check(wheels=False)


def test_a_missing_compiler_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(prerequisites.MissingPrerequisite, match=r"no-such-compiler.*install build-essential"):
        prerequisites.check(wheels=False)


@pytest.mark.parametrize(
    ("target", "value", "words"),
    [
        ("sys.version_info", (3, 14, 0), "Python 3.10 to 3.13"),
        ("platform.machine", lambda: "aarch64", "aarch64.*source its setup.bash"),
        ("platform.libc_ver", lambda: ("", ""), "glibc 2.28"),
        ("platform.libc_ver", lambda: ("glibc", "2.27"), "2.27"),
    ],
)
def test_machines_without_wheels_are_told_what_to_do(
    target: str, value: object, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if target == "sys.version_info":
        monkeypatch.setattr(prerequisites, "python_version", lambda: "3.14")
    monkeypatch.setattr(target, value)
    problem = prerequisites._wheels_problem()
    assert problem
    assert "\n" not in problem
    assert re.search(words, problem)


def test_the_builders_paths_are_rewritten(tmp_path: Path) -> None:
    export = tmp_path / "share" / "a" / "cmake" / "aExport.cmake"
    export.parent.mkdir(parents=True)
    old = "/opt/python/cp311-cp311"
    text = f'"{old}/include/python3.11;{old}/lib/python3.11/site-packages/numpy/_core/include" "{old}"'
    export.write_text(text, encoding="utf-8")
    assert ros_wheels.rewrite_exports(tmp_path, tmp_path / "site") == 1
    new = export.read_text(encoding="utf-8")
    assert old not in new
    assert f"{tmp_path}/site/numpy/_core/include" in new
    assert ros_wheels.rewrite_exports(tmp_path, tmp_path / "site") == 0


def test_a_step_is_done_only_for_the_same_input(checkout: Path) -> None:
    environment.set_done("runtime", "one")
    assert environment.is_done("runtime", "one")
    assert not environment.is_done("runtime", "two")
    (checkout / ".venv" / ".dynofa-runtime.json").write_text("{", encoding="utf-8")
    assert not environment.is_done("runtime", "one")


@pytest.mark.parametrize("file", ["msg/A.msg", "msg/B.msg", "dynofa_ros/b.py", "package.xml"])
def test_messages_and_new_files_cause_a_build(checkout: Path, file: str) -> None:
    before = environment.build_key("")
    (checkout / file).write_text("y", encoding="utf-8")
    assert environment.build_key("") != before


def test_an_edit_of_a_linked_file_causes_no_build(checkout: Path) -> None:
    before = environment.build_key("")
    (checkout / "dynofa_ros" / "a.py").write_text("y", encoding="utf-8")
    assert environment.build_key("") == before


def test_build_folders_of_another_place_are_dropped(checkout: Path) -> None:
    package = checkout / "build" / "dynofa_ros"
    package.mkdir(parents=True)
    environment._drop_foreign(package)
    assert not package.exists()
    package.mkdir()
    environment._drop_foreign(package)
    assert package.exists()


def test_a_sourced_installation_that_cannot_be_used_is_ignored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROS_DISTRO", "humble")
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/opt/ros/humble")
    monkeypatch.setattr(environment, "_imports_rclpy", lambda _: False)
    assert environment.find_ros_python() is None
    assert "humble" in capsys.readouterr().out
    env = environment.clean_environment(environment.Plan(wheels=True, tests=False))
    assert "/opt/ros" not in " ".join([env["AMENT_PREFIX_PATH"], env["CMAKE_PREFIX_PATH"]])


def test_beside_an_installation_only_missing_packages_are_wanted(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = checkout / "runtime.txt"
    file.write_text("numpy==2.0\nPyYAML==6.0\nsafetensors==0.8.0\n", encoding="utf-8")
    monkeypatch.setattr(environment, "_has_module", lambda plan, env, module: module in ("numpy", "yaml"))
    wanted = environment.missing_requirements(environment.Plan(wheels=False, tests=False), {}, file)
    assert wanted == ["safetensors<=0.8.0"]


def test_make_passes_the_options_on() -> None:
    command = ["make", "-n", "demo", "DEMO_SECONDS=20", "HEADLESS=1", "DEMO_ARGS=--extra"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(r"dynofa demo +--seconds 20 +--headless +--extra", printed)


def test_a_python_that_does_not_run_gives_one_sentence() -> None:
    command = ["make", "--no-print-directory", "setup", "PYTHON=no-such-python"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    sentence, *rest = result.stderr.splitlines()
    assert "no-such-python" in sentence
    assert "sudo apt install" in sentence
    assert all(line.startswith("make") for line in rest)


def test_the_shared_files_are_found() -> None:
    share = paths.share_dir()
    assert all((share / folder).is_dir() for folder in ("config", "launch", "msg"))


def test_an_unknown_family_names_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match=r"nonsense.*digits"):
        paths.family_path("nonsense")


def test_a_family_file_of_the_users_own_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.touch()
    assert paths.family_path(file) == file
    with pytest.raises(ConfigError, match=r"other\.yaml"):
        paths.family_path(tmp_path / "other.yaml")


@pytest.mark.parametrize("executable", EXECUTABLES)
def test_the_workspace_has_every_executable(executable: str) -> None:
    prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    folders = [folder for prefix in prefixes if (folder := prefix / "lib" / "dynofa_ros").is_dir()]
    if not folders:
        pytest.skip("no install space is sourced")
    assert os.access(folders[0] / executable, os.X_OK)


def test_an_executable_does_nothing_when_a_worker_process_imports_it(tmp_path: Path) -> None:
    """Rendering for training spawns processes, and each imports the main script once more."""
    script = (ROOT / "scripts" / "executable.py.in").read_text()
    for key, value in {"@executable@": "dynofa", "@module@": "a_module_that_must_not_be_imported"}.items():
        script = script.replace(key, value)
    (tmp_path / "dynofa").write_text(script)
    assert "main" not in runpy.run_path(str(tmp_path / "dynofa"), run_name="__mp_main__")


def test_a_wheel_has_the_core_its_data_and_the_command(tmp_path: Path) -> None:
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "install", "log", "out", "__pycache__")
    shutil.copytree(ROOT, source, ignore=ignored)
    options = ["-q", "--no-deps", "--no-build-isolation", "-w", tmp_path]
    command = [sys.executable, "-m", "pip", "wheel", *options, source]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    data = f"dynofa_ros-{dynofa_ros.__version__}.data/data/share/dynofa_ros"
    assert {"dynofa_ros/cli/__init__.py", "dynofa_ros/datasets/digits_scans.npz"} <= set(names)
    assert {f"{data}/config/families/digits.yaml", f"{data}/config/families/digits.safetensors"} <= set(names)
    assert f"{data}/config/families/digits.int8.safetensors" in names
    assert any(name.startswith("dynofa_ros/engine/_frame_kernel") for name in names)
    assert not [name for name in names if name.startswith("dynofa_ros/nodes/")]
