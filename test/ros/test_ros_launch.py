"""Launch files, views and the lists of executables tell the same story.

Where the real launch packages can be imported the launch files are also evaluated.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from ros_harness import ROOT

from depth_perception.options import options
from depth_perception.ros.parameters.write import NODES

LAUNCHING = ROOT / "depth_perception" / "ros" / "launching.py"
INPUTS = {
    "panoramic": ["image"],
    "pinhole": ["image", "camera_info"],
    "panoptic": ["image", "camera_info"],
}
SHOWN = {
    "panoramic": {"image", "depth/image", "depth/points", "scan"},
    "pinhole": {"image", "depth/image", "depth/points"},
    "panoptic": {"panoptic/overlay", "depth/image", "depth/points", "instances/markers"},
}
HAS_LAUNCH = find_spec("launch") is not None and find_spec("launch_ros") is not None
ARGUMENTS = {
    "image_transport", "model", "checkpoint", "device", "namespace", "params_file",
    "autostart", "use_sim_time", "log_level", "respawn", "bag", "rviz", "tune_dds",
}  # fmt: skip


def _strings(tree: ast.AST, function: str, position: int = 0) -> set[str]:
    """Literal arguments at a position of the calls of a function."""
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node) == function
    ]
    found = [call.args[position] for call in calls if len(call.args) > position]
    return {item.value for item in found if isinstance(item, ast.Constant)}


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _keywords(tree: ast.AST, keyword: str) -> set[str]:
    return {
        node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword)
        and node.arg == keyword
        and isinstance(node.value, ast.Constant)
    }


def test_launch_files_are_those_of_the_nodes() -> None:
    assert {path.name for path in (ROOT / "launch").glob("*.py")} == {
        f"{stem}.launch.py" for stem in NODES
    }


@pytest.mark.parametrize("stem", NODES)
def test_launch_file_names_what_exists(stem: str) -> None:
    path = ROOT / "launch" / f"{stem}.launch.py"
    tree = ast.parse(path.read_text())
    compile(tree, str(path), "exec")

    call = next(n for n in ast.walk(tree) if isinstance(n, ast.Call) and _name(n) == "depth_launch")
    given = {item.arg: ast.literal_eval(item.value) for item in call.keywords}
    assert given["executable"] == f"{stem}_depth"
    assert (ROOT / "scripts" / given["executable"]).stat().st_mode & 0o111
    assert given["stem"] == stem
    for folder, ending in (("config", "yaml"), ("rviz", "rviz")):
        assert (ROOT / folder / f"{stem}.{ending}").is_file()
    assert list(given["inputs"]) == INPUTS[stem]
    assert all(text.endswith(".") for text in given["inputs"].values())
    declared = {name for name, _, _ in options(NODES[stem])}
    overrides = ast.literal_eval(re.search(r"OVERRIDES = (\(.*?\))", LAUNCHING.read_text())[1])
    assert set(overrides) <= declared & ARGUMENTS
    assert "autostart" in declared


def test_what_launch_files_share_names_what_exists() -> None:
    source = LAUNCHING.read_text()
    tree = ast.parse(source)

    assert _strings(tree, "argument") == ARGUMENTS
    assert _strings(tree, "LaunchConfiguration") <= ARGUMENTS | {"image"}
    assert _strings(tree, "flag") <= ARGUMENTS
    ours = _keywords(tree, "executable") - {"rviz2"}
    assert ours == {"bag_player"}
    assert (ROOT / "scripts" / "bag_player").stat().st_mode & 0o111
    for folder, name in re.findall(r'share\("(\w+)", "([\w.]+)"\)', source):
        assert (ROOT / folder / name).is_file()
    imported = {name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                for name in [node.module] if node.level}  # fmt: skip
    assert imported <= {"compat.large_messages"}, "launch files must not load models"


def test_scripts_run_what_they_import() -> None:
    for script in sorted((ROOT / "scripts").iterdir()):
        found = re.search(r"from (\S+) import (\w+)", script.read_text())
        assert found is not None
        assert callable(getattr(importlib.import_module(found[1]), found[2]))


def test_dds_profile_is_well_formed_and_large_enough() -> None:
    tree = ElementTree.parse(ROOT / "config" / "fastdds_large_data.xml")
    space = {"d": "http://www.eprosima.com"}
    size = tree.find(".//d:transport_descriptor[d:type='SHM']/d:segment_size", space)
    assert int(size.text) >= 64 * 2**20
    used = {item.text for item in tree.findall(".//d:userTransports/d:transport_id", space)}
    made = {item.text for item in tree.findall(".//d:transport_descriptor/d:transport_id", space)}
    assert used == made


@pytest.mark.parametrize("stem", NODES)
def test_rviz_view_shows_topics_that_the_node_has(stem: str) -> None:
    view = yaml.safe_load((ROOT / "rviz" / f"{stem}.rviz").read_text())
    displays = view["Visualization Manager"]["Displays"]
    topics = {d["Topic"]["Value"] for d in displays if "Topic" in d}
    assert topics == SHOWN[stem]


def _launched(prefix: Path, stem: str, arguments: dict[str, str]) -> dict[str, str]:
    """What the executables of an installation were started with, by name, after a real launch."""
    from launch import LaunchDescription, LaunchService
    from launch.actions import IncludeLaunchDescription
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    source = PythonLaunchDescriptionSource(str(ROOT / "launch" / f"{stem}.launch.py"))
    include = IncludeLaunchDescription(source, launch_arguments=list(arguments.items()))
    service = LaunchService()
    service.include_launch_description(LaunchDescription([include]))
    assert service.run() == 0
    started = {path.stem: path.read_text() for path in prefix.glob("*.started")}
    for path in prefix.glob("*.started"):
        path.unlink()
    return started


def _install(prefix: Path) -> None:
    """What the launch file looks for, as an installation lays it out."""
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "depth_perception").touch()
    (prefix / "share" / "depth_perception").mkdir()
    for folder in ("config", "launch", "rviz"):
        (prefix / "share" / "depth_perception" / folder).symlink_to(ROOT / folder)
    (prefix / "lib" / "depth_perception").mkdir(parents=True)
    for script in (ROOT / "scripts").iterdir():  # stand-ins that tell how they were started
        stand_in = prefix / "lib" / "depth_perception" / script.name
        told = prefix / f"{script.name}.started"
        stand_in.write_text(f'#!/bin/sh\n{{ echo "$@"; env; }} > {told}\n')
        stand_in.chmod(0o755)


@pytest.mark.parametrize("stem", NODES)
def test_launch_description(stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not HAS_LAUNCH:  # not on PyPI: every function is at least defined and used
        tree = ast.parse(LAUNCHING.read_text())
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert functions - {"depth_launch"} <= used
        return
    _install(tmp_path / "prefix")
    path = f"{tmp_path / 'prefix'}{os.pathsep}{os.environ['AMENT_PREFIX_PATH']}"
    monkeypatch.setenv("AMENT_PREFIX_PATH", path)
    for name in (
        "MALLOC_MMAP_THRESHOLD_",
        "FASTDDS_DEFAULT_PROFILES_FILE",
        "FASTRTPS_DEFAULT_PROFILES_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    arguments = {
        "namespace": "robot", "image": "/cam/image", "model": "panda-small",
        "bag": str(tmp_path), "use_sim_time": "true", "device": "cpu",
    }  # fmt: skip

    environment = dict(os.environ)  # launch changes that of this process
    untuned = _launched(tmp_path / "prefix", stem, {"tune_dds": "false"})
    started = _launched(tmp_path / "prefix", stem, arguments)
    os.environ.clear()
    os.environ.update(environment)

    name = f"{stem}_depth"
    node, player = started[name], started["bag_player"]
    assert "__ns:=/robot" in node
    assert "image:=/cam/image" in node
    if "camera_info" in INPUTS[stem]:
        assert "camera_info:=/cam/camera_info" in node
        assert "camera_info:=camera_info" in untuned[name]
    assert f"{stem}.yaml" in node
    assert "--log-level info" in node
    assert f"{tmp_path} --clock --wait 60 --wait-for /cam/image" in player
    given = [Path(name) for name in re.findall(r"--params-file (\S+)", node)]
    values: dict[str, Any] = {}
    for path in given:
        values |= next(iter(yaml.safe_load(path.read_text()).values()))["ros__parameters"]
    assert values["model"] == "panda-small"
    assert values["device"] == "cpu"
    assert values["use_sim_time"] is True
    assert values["autostart"] is True
    assert re.search(r"DEFAULT_PROFILES_FILE=\S+/fastdds_large_data.xml", node)
    assert "MALLOC_MMAP_THRESHOLD_=4000000000" in node
    assert untuned.keys() == {name}
    assert "PROFILES_FILE" not in untuned[name]
