"""Set-up of the checkout: virtual environment, packages, messages; each step only when its input changed.

Two ways to get ROS 2: the installation that is sourced, or wheels inside `.venv`. Standard library only.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import prerequisites
import progress
import ros_wheels

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"
SYSTEM_PYTHON = "/usr/bin/python3"
FOREIGN_ROS = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH", "PYTHONPATH", "ROS_DISTRO")
NOT_INHERITED = ("PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "VIRTUAL_ENV")
WHEELS_GUARD = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"
MODULES = {
    "opencv-python-headless": "cv2",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "nvidia-ml-py": "pynvml",
}
COLCON = ("colcon-common-extensions", "cmake<4")


@dataclass(frozen=True)
class Plan:
    """How this checkout gets its environment. wheels: ROS 2 from wheels, not from an installation."""

    wheels: bool
    tests: bool
    bench: bool = False

    @property
    def python(self) -> Path:
        """The virtual environment's interpreter."""
        return VENV / "bin" / "python"


def _imports_rclpy(python: str) -> bool:
    if not shutil.which(python):
        return False
    return subprocess.run([python, "-c", "import rclpy"], capture_output=True, check=False).returncode == 0


def find_ros_python() -> str | None:
    """Interpreter of the ROS 2 installation that is sourced; None when ROS 2 must come from wheels."""
    distribution = os.environ.get("ROS_DISTRO")
    if not distribution or not os.environ.get("AMENT_PREFIX_PATH"):
        return None
    for python in (sys.executable, SYSTEM_PYTHON):
        if _imports_rclpy(python):
            return python
    print(
        f"ROS 2 {distribution} is sourced, but neither {sys.executable} nor {SYSTEM_PYTHON} "
        "can import rclpy: using the ROS 2 wheels instead."
    )
    return None


def reexec(python: str) -> None:
    """Start over under another interpreter, in place of this process."""
    env = {key: value for key, value in os.environ.items() if key != WHEELS_GUARD}
    os.execve(python, [python, str(ROOT / "scripts" / "bootstrap.py"), *sys.argv[1:]], env)


def clean_environment(plan: Plan) -> dict[str, str]:
    """Environment for pip and colcon: nothing of the user's settings that would redirect them."""
    env = {key: value for key, value in os.environ.items() if key not in (*NOT_INHERITED, WHEELS_GUARD)}
    if plan.wheels:
        if "AMENT_PREFIX_PATH" in env:
            env.pop("LD_LIBRARY_PATH", None)
        env = {key: value for key, value in env.items() if key not in FOREIGN_ROS}
        env["CMAKE_PREFIX_PATH"] = str(VENV)
    env["AMENT_PREFIX_PATH"] = os.pathsep.join([str(VENV), *filter(None, [env.get("AMENT_PREFIX_PATH")])])
    env["PATH"] = os.pathsep.join([str(VENV / "bin"), env.get("PATH", os.defpath)])
    settings = {
        "PYTHONNOUSERSITE": "1",
        "PIP_USER": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }
    return {**env, **settings, "VIRTUAL_ENV": str(VENV), "COLCON_HOME": str(VENV / "colcon")}


def _digest(parts: Iterable[str | Path]) -> str:
    """sha256 over texts and file contents."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _stamp(name: str) -> Path:
    return VENV / f".dynofa-{name}.json"


def is_done(name: str, key: str) -> bool:
    """Whether step `name` was completed with the same input."""
    try:
        return bool(json.loads(_stamp(name).read_text(encoding="utf-8"))["key"] == key)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def set_done(name: str, key: str) -> None:
    """Remember that step `name` was completed with this input."""
    _stamp(name).write_text(json.dumps({"key": key}), encoding="utf-8")


def venv_key(plan: Plan) -> str:
    """Changes when the virtual environment cannot be used any more: other Python, place or kind of ROS 2."""
    source = "wheels" if plan.wheels else os.environ["ROS_DISTRO"]
    return _digest([sys.version, os.path.realpath(sys.executable), str(VENV), source])


def make_venv(plan: Plan, env: dict[str, str]) -> str:
    """Create `.venv`, replacing one that belongs to another place or interpreter; returns its key."""
    key = venv_key(plan)
    if is_done("venv", key) and plan.python.exists():
        return key
    if VENV.exists():
        print("Replacing .venv: it was made for another place, Python or ROS 2, or is incomplete.")
        shutil.rmtree(VENV)
    for leftover in ("build", "install"):
        shutil.rmtree(ROOT / leftover / "dynofa_ros", ignore_errors=True)
    site = [] if plan.wheels else ["--system-site-packages"]
    source = "wheels" if plan.wheels else f"installation ({os.environ['ROS_DISTRO']})"
    title = f"[1/3] .venv with Python {prerequisites.python_version()}, ROS 2 from {source}"
    progress.run(title, [sys.executable, "-m", "venv", *site, VENV], env, ROOT, ROOT / "log" / "venv.log")
    set_done("venv", key)
    return key


def _pip(title: str, plan: Plan, env: dict[str, str], *arguments: str | Path) -> None:
    command = [plan.python, "-m", "pip", "install", "--progress-bar", "off", *arguments]
    name = re.sub(r"\W+", "-", title).strip("-")
    progress.run(title, command, env, ROOT, ROOT / "log" / f"{name}.log")


def _lines(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


def _has_module(plan: Plan, env: dict[str, str], module: str) -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([plan.python, "-c", code], env=env, check=False).returncode == 0


def missing_requirements(plan: Plan, env: dict[str, str], file: Path) -> list[str]:
    """Lines of `file` whose module the installation lacks, its pins as upper bounds: numpy stays ROS 2's."""
    missing = []
    for line in _lines(file):
        name = re.split(r"[=;\s]", line, maxsplit=1)[0].lower()
        if name.startswith("types-") or not _has_module(plan, env, MODULES.get(name, name).replace("-", "_")):
            missing.append(line.replace("==", "<=", 1))
    return missing


def _installed_numpy(plan: Plan, env: dict[str, str]) -> str:
    code = "import numpy; print('numpy==' + numpy.__version__)"
    return subprocess.run(
        [plan.python, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout


def _install_beside_ros(title: str, plan: Plan, env: dict[str, str], file: Path) -> None:
    wanted = missing_requirements(plan, env, file)
    if not _has_module(plan, env, "colcon_core"):
        wanted += COLCON
    if not wanted:
        return
    constraint = VENV / "numpy-of-ros.txt"
    constraint.write_text(_installed_numpy(plan, env), encoding="utf-8")
    _pip(title, plan, env, "-c", constraint, *wanted)


def install_runtime(plan: Plan, env: dict[str, str], key: str) -> str:
    """Install what running needs; returns the step's key."""
    files = [REQUIREMENTS / name for name in ("ros.txt", "runtime.txt", "constraints.txt")]
    key = _digest([key, *files])
    if is_done("runtime", key):
        return key
    title = "[2/3] packages"
    if plan.wheels:
        ros, runtime, constraints = files
        _pip(title, plan, env, "-r", ros, "-r", runtime, "-c", constraints)
        site_packages = VENV / "lib" / f"python{prerequisites.python_version()}" / "site-packages"
        ros_wheels.rewrite_exports(VENV, site_packages)
        ros_wheels.keep_numpy_out_of_exports(VENV)
    else:
        _install_beside_ros(title, plan, env, REQUIREMENTS / "runtime.txt")
    ros_wheels.write_local_setup(VENV)
    set_done("runtime", key)
    return key


def install_tests(plan: Plan, env: dict[str, str], key: str) -> None:
    """Install what the tests and checks need besides the runtime."""
    files = [
        REQUIREMENTS / name for name in ("test.txt", "test-nodeps.txt", "runtime.txt", "constraints.txt")
    ]
    key = _digest([key, *files])
    if is_done("tests", key):
        return
    test, nodeps, runtime, constraints = files
    if os.environ.get("TORCH_INDEX"):
        extra = (env.get("PIP_EXTRA_INDEX_URL", ""), os.environ["TORCH_INDEX"])
        env = {**env, "PIP_EXTRA_INDEX_URL": " ".join(extra).strip()}
    if plan.wheels:
        _pip("[+] test packages", plan, env, "-r", test, "-r", runtime, "-c", constraints)
    else:
        _install_beside_ros("[+] test packages", plan, env, test)
    _pip("[+] test packages without dependencies", plan, env, "--no-deps", "-r", nodeps)
    set_done("tests", key)


def install_bench(plan: Plan, env: dict[str, str], key: str) -> None:
    """Install what the benchmarks need besides the tests' packages."""
    files = [REQUIREMENTS / name for name in ("bench.txt", "runtime.txt", "constraints.txt")]
    key = _digest([key, *files])
    if is_done("bench", key):
        return
    bench, runtime, constraints = files
    if plan.wheels:
        _pip("[+] benchmark packages", plan, env, "-r", bench, "-r", runtime, "-c", constraints)
    else:
        _install_beside_ros("[+] benchmark packages", plan, env, bench)
    set_done("bench", key)


def build_key(key: str) -> str:
    """Changes with everything that the build reads; of linked files only the names matter."""
    contents = [*sorted(ROOT.glob("msg/*.msg")), *sorted(ROOT.glob("srv/*.srv"))]
    contents += [ROOT / "CMakeLists.txt", ROOT / "package.xml", *sorted(ROOT.glob("scripts/*.in"))]
    contents += sorted(path for path in (ROOT / "src").rglob("*") if path.is_file())
    linked = (path for folder in ("dynofa_ros", "launch", "config") for path in (ROOT / folder).rglob("*"))
    names = sorted(str(path.relative_to(ROOT)) for path in linked if "__pycache__" not in path.parts)
    return _digest([key, *map(str, contents), *contents, *names])


def build(plan: Plan, env: dict[str, str], key: str) -> None:
    """Build messages and install the package with links to the sources, with colcon as on any robot."""
    key = build_key(key)
    if is_done("build", key) and (ROOT / "install" / "setup.bash").exists():
        return
    for package in (ROOT / "build" / "dynofa_ros", ROOT / "install" / "dynofa_ros"):
        _drop_foreign(package)
    colcon: list[str | Path] = [plan.python, "-m", "colcon", "--log-base", ROOT / "log" / "colcon", "build"]
    places: list[str | Path] = [
        "--base-paths",
        ROOT,
        "--build-base",
        ROOT / "build",
        "--install-base",
        ROOT / "install",
    ]
    options = ["--symlink-install", "--packages-select", "dynofa_ros", "--event-handlers", "console_direct+"]
    cmake = ["--cmake-args", "-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={plan.python}", "-Wno-dev"]
    command = [*colcon, *places, *options, *cmake]
    progress.run("[3/3] messages", command, env, ROOT, ROOT / "log" / "build.log")
    set_done("build", key)


def _drop_foreign(folder: Path) -> None:
    """Remove a build or install folder of a copied checkout: it names the other place's files."""
    marker = folder.parent / ".dynofa-place"
    if folder.exists() and (not marker.exists() or marker.read_text(encoding="utf-8") != str(ROOT)):
        shutil.rmtree(folder)
    folder.parent.mkdir(exist_ok=True)
    marker.write_text(str(ROOT), encoding="utf-8")


@contextmanager
def _only_one() -> Iterator[None]:
    """Let a second `make` in the same checkout wait for the first one's set-up."""
    with (ROOT / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def set_up(plan: Plan) -> None:
    """Bring the checkout to a state in which everything runs."""
    prerequisites.check(wheels=plan.wheels)
    env = clean_environment(plan)
    key = make_venv(plan, env)
    key = install_runtime(plan, env, key)
    if plan.tests or plan.bench:
        install_tests(plan, env, key)
    if plan.bench:
        install_bench(plan, env, key)
    build(plan, env, key)


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="bootstrap.py", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--tests", action="store_true", help="also install what the tests need")
    parser.add_argument("--bench", action="store_true", help="also install what the benchmarks need")
    arguments = parser.parse_args()
    if Path(sys.prefix) == VENV:
        reexec(getattr(sys, "_base_executable", SYSTEM_PYTHON))
    ros_python = find_ros_python()
    if ros_python not in (None, sys.executable):
        reexec(str(ros_python))
    try:
        with _only_one():
            set_up(Plan(ros_python is None, arguments.tests, arguments.bench))
    except (prerequisites.MissingPrerequisite, progress.CommandFailed, OSError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the next run continues where this one stopped.", file=sys.stderr)
        return 130
    return 0
