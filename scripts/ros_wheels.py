"""Makes a virtual environment that holds the ROS 2 wheels usable as an underlay for colcon."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path

_BUILDER = r"/opt/python/cp3\d+-cp3\d+"
_INCLUDE = re.compile(_BUILDER + r"/include/python3\.\d+")
_SITE = re.compile(_BUILDER + r"/lib/python3\.\d+/site-packages")
_PREFIX = re.compile(_BUILDER + r"(?![\w.-])")
_GENERATOR = "share/rosidl_generator_py/cmake/rosidl_generator_py_generate_interfaces.cmake"
_NUMPY = re.compile(r"(?<!BUILD_INTERFACE:)\$\{Python3_NumPy_INCLUDE_DIRS\}")

_LOCAL_SETUP = """\
# Makes this virtual environment an ament prefix; install/setup.* sources it.
case ":$AMENT_PREFIX_PATH:" in
  *":{venv}:"*) ;;
  *) export AMENT_PREFIX_PATH="{venv}${{AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}}" ;;
esac
case ":$PATH:" in
  *":{venv}/bin:"*) ;;
  *) export PATH="{venv}/bin:$PATH" ;;
esac
export VIRTUAL_ENV="{venv}"
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
"""


def _rewritten(text: str, include: str, site_packages: str, prefix: str) -> str:
    text = _INCLUDE.sub(lambda _: include, text)
    text = _SITE.sub(lambda _: site_packages, text)
    return _PREFIX.sub(lambda _: prefix, text)


def rewrite_exports(venv: Path, site_packages: Path) -> int:
    """Replace the wheel builder's paths in the CMake exports; returns how many files changed."""
    include = sysconfig.get_path("include")
    share = venv / "share"
    files = [*share.rglob("*.cmake"), *(share / "ament_index/resource_index/parent_prefix_path").glob("*")]
    changed = 0
    for file in files:
        text = file.read_text(encoding="utf-8")
        new = _rewritten(text, include, str(site_packages), str(venv))
        if new != text:
            file.write_text(new, encoding="utf-8")
            changed += 1
    return changed


def keep_numpy_out_of_exports(venv: Path) -> None:
    """Use numpy's headers for building only: CMake refuses to export a path inside the source directory,

    which is where this environment lies.
    """
    file = venv / _GENERATOR
    text = file.read_text(encoding="utf-8")
    file.write_text(_NUMPY.sub("$<BUILD_INTERFACE:${Python3_NumPy_INCLUDE_DIRS}>", text), encoding="utf-8")


def write_local_setup(venv: Path) -> None:
    """Write the `local_setup.*` files by which colcon chains this environment as an underlay."""
    for shell in ("sh", "bash", "zsh"):
        (venv / f"local_setup.{shell}").write_text(_LOCAL_SETUP.format(venv=venv), encoding="utf-8")
