"""``pip install .``: builds what CMakeLists.txt describes and packs it into one wheel.

``colcon build`` does not use this file. Messages, launch files, configuration and executables of
``ros2 run`` come from CMake's install tree, so that there is one list of them. Without a compiler
or without ROS, ``DEPTH_PERCEPTION_MESSAGES=0`` installs the library and the command line alone.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from setuptools import Distribution, find_namespace_packages, setup
from setuptools.command.build_py import build_py

NAME = "depth_perception"
HERE = Path(__file__).resolve().parent
WITH_MESSAGES = os.environ.get("DEPTH_PERCEPTION_MESSAGES", "1") != "0"


class BinaryDistribution(Distribution):
    """A wheel for one platform and Python: it holds compiled type support."""

    def has_ext_modules(self) -> bool:
        return WITH_MESSAGES


class BuildWithMessages(build_py):
    """Copies the modules, then lays the rest of CMake's install tree beside them."""

    def run(self) -> None:
        super().run()
        if not WITH_MESSAGES:
            return
        build = Path(self.get_finalized_command("build").build_temp).resolve() / "cmake"
        prefix = build / "prefix"
        _run_cmake(build / "build", prefix)
        modules = prefix / "lib" / "python"
        shutil.copytree(
            modules / NAME,
            Path(self.build_lib) / NAME,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__", "*.c"),
        )
        for path in sorted(prefix.rglob("*")):
            if path.is_file() and modules not in path.parents:
                folder = str(path.parent.relative_to(prefix))
                self.distribution.data_files.append((folder, [os.path.relpath(path)]))


def _run_cmake(build: Path, prefix: Path) -> None:
    environment = dict(os.environ)
    for variable in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH"):
        given = environment.get(variable, "").split(os.pathsep)
        environment[variable] = os.pathsep.join(dict.fromkeys([*filter(None, given), *_prefixes()]))
    configure = [
        *("cmake", "-S", str(HERE), "-B", str(build)),
        f"-DCMAKE_INSTALL_PREFIX={prefix}",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DBUILD_TESTING=OFF",
        "-DPYTHON_INSTALL_DIR=lib/python",
        f"-DPython3_EXECUTABLE={sys.executable}",
    ]
    try:
        subprocess.run(configure, env=environment, check=True)
        subprocess.run(
            ["cmake", "--build", str(build), "--target", "install"], env=environment, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            f"the ROS messages could not be built ({error}). They need a C++ compiler, cmake and "
            "the packages of requirements/ros-pypi.txt or a sourced ROS installation. "
            "DEPTH_PERCEPTION_MESSAGES=0 installs the library and the command line without them."
        ) from error


def _prefixes() -> list[str]:
    """Where ROS may be installed as wheels: the environment, and the one pip builds in."""
    found = [sys.prefix]
    ament = importlib.util.find_spec("ament_package")
    if ament is not None and ament.origin is not None:
        found.append(str(Path(ament.origin).parents[4]))  # PREFIX/lib/pythonX.Y/site-packages/...
    return found


def _requirements(name: str) -> list[str]:
    lines = (HERE / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [stated for line in lines if (stated := line.partition("#")[0].strip())]


def _build_requirements() -> list[str]:
    """What pip has to bring for building messages: nothing where the generators are at hand."""
    if not WITH_MESSAGES or importlib.util.find_spec("rosidl_generator_py") is not None:
        return []
    return ["numpy", *_requirements("ros-pypi")]


def _version() -> str:
    version = ElementTree.parse(HERE / "package.xml").findtext("version")
    if version is None:
        raise SystemExit("package.xml has no <version>")
    return version


setup(
    name=NAME,
    version=_version(),
    packages=find_namespace_packages(include=[NAME, f"{NAME}.*"]),
    package_data={"": ["*.json", "*.md", "*.safetensors", "*.xml", "*.yaml", "*.cpp"]},
    data_files=[],
    setup_requires=_build_requirements(),
    install_requires=_requirements("run"),
    extras_require={
        "ros": _requirements("ros-pypi"),
        "dev": _requirements("dev"),
        "backends": _requirements("backends"),
        "drive": _requirements("drive"),
    },
    entry_points={
        "console_scripts": [
            "depth-perception = depth_perception.cli.main:main",
            "bag_player = depth_perception.ros.executables:bag_player",
            "bag_recorder = depth_perception.ros.executables:bag_recorder",
            "panoptic_depth = depth_perception.ros.executables:panoptic_depth",
            "panoramic_depth = depth_perception.ros.executables:panoramic_depth",
            "pinhole_depth = depth_perception.ros.executables:pinhole_depth",
        ]
    },
    distclass=BinaryDistribution,
    cmdclass={"build_py": BuildWithMessages},
    zip_safe=False,
)
