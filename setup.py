"""Installs the core of dynofa_ros and the `dynofa` command with pip, for machines without ROS.

In a ROS 2 workspace CMakeLists.txt does the installation.
"""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import Extension, find_packages, setup

ROOT = Path(__file__).parent
PACKAGE = "dynofa_ros"


def version() -> str:
    """Version from package.xml, the only place that states it for all builds."""
    found = re.search(r"<version>(.+?)</version>", (ROOT / "package.xml").read_text(encoding="utf-8"))
    assert found, "package.xml has no version"
    return found[1]


def share_files() -> list[tuple[str, list[str]]]:
    """Configuration, launch and message files, to share/dynofa_ros as in a ROS install space."""
    folders: dict[str, list[str]] = {f"share/{PACKAGE}": ["package.xml"]}
    for top in ("config", "launch", "msg", "srv"):
        for file in sorted((ROOT / top).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                relative = file.relative_to(ROOT)
                folders.setdefault(f"share/{PACKAGE}/{relative.parent.as_posix()}", []).append(str(relative))
    return list(folders.items())


def readme() -> str:
    """Long description."""
    file = ROOT / "README.md"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


# A plain C library that engine/frame_kernel.py loads; without a compiler OpenCV and numpy do its work.
FRAME_KERNEL = Extension(
    f"{PACKAGE}.engine._frame_kernel",
    ["src/frame_kernel.cpp"],
    extra_compile_args=["-std=c++17", "-O3", "-fvisibility=hidden"],
    optional=True,
)

# Back end "native": the instructions that its inner loops need are looked for at run time.
NETWORK_KERNELS = Extension(
    f"{PACKAGE}.engine._network_kernels",
    sorted(str(file.relative_to(ROOT)) for file in (ROOT / "src" / "network").glob("*.cpp")),
    depends=sorted(str(file.relative_to(ROOT)) for file in (ROOT / "src" / "network").glob("*.h")),
    extra_compile_args=["-std=c++17", "-O3", "-fvisibility=hidden", "-pthread"],
    extra_link_args=["-pthread"],
    optional=True,
)

# A plain C library that manager/arbiter/arbiter_kernel.py loads; without a compiler numpy does its work.
ARBITER_KERNEL = Extension(
    f"{PACKAGE}.manager.arbiter._arbiter_kernel",
    ["src/arbiter/kernel.cpp"],
    depends=sorted(str(file.relative_to(ROOT)) for file in (ROOT / "src" / "arbiter").glob("*.h")),
    extra_compile_args=["-std=c++17", "-O3", "-ffp-contract=off", "-fvisibility=hidden"],
    optional=True,
)

setup(
    name=PACKAGE,
    version=version(),
    description="Keeps camera perception inside its latency, accuracy, power and heat targets",
    long_description=readme(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"], exclude=[f"{PACKAGE}.nodes"]),
    package_data={"": ["*.npz", "*.json", "*.html", "*.css", "*.js", "*.yaml", "py.typed"]},
    ext_modules=[FRAME_KERNEL, ARBITER_KERNEL, NETWORK_KERNELS],
    data_files=share_files(),
    zip_safe=False,
    install_requires=[
        "numpy>=1.21",
        "opencv-python-headless>=4.6",
        "openvino>=2024.4",
        "PyYAML>=5.4",
        "rich>=10",
        "rosbags>=0.10",
        "safetensors>=0.4",
        "tqdm>=4.57",
    ],
    extras_require={
        "train": ["torch>=2.10", "torchvision", "ofa==0.1.0.post202307202001", "scikit-learn"],
        "onnx": ["onnxruntime>=1.17", "onnx>=1.15"],
        "quantize": ["nncf>=2.14"],
        "test": ["pytest", "pytest-timeout", "hypothesis", "mypy", "ruff", "types-PyYAML", "types-tqdm"],
    },
    entry_points={"console_scripts": ["dynofa = dynofa_ros.cli:main"]},
)
