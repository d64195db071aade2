"""Help and wrong arguments of the executables: one line, soon, with an exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ros_harness import ROOT

from depth_perception.ros.parameters.given import ArgumentError, check_arguments

LIMIT_S = 1.0
NODES = ("panoramic_depth", "pinhole_depth", "panoptic_depth")


def run(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output; less than a second of processor time, in the better of two runs."""
    command = [sys.executable, "-m", "depth_perception.ros.executables", *arguments]
    for _ in range(2):
        with (tmp_path / "out.txt").open("wb") as out:
            process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = usage.ru_utime + usage.ru_stime
        if seconds < LIMIT_S:
            break
    assert seconds < LIMIT_S, f"{' '.join(arguments)} took {seconds:.2f} s of processor time"
    return process.returncode, (tmp_path / "out.txt").read_text()


@pytest.mark.parametrize("name", [*NODES, "bag_player", "bag_recorder"])
def test_help_tells_the_exit_statuses(tmp_path: Path, name: str) -> None:
    status, text = run(tmp_path, name, "--help")
    assert status == 0
    assert f"usage: {name}" in text
    assert "Exit statuses: 0 " in text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["image:=/camera"], "write --ros-args -r image:=/camera for a topic, or -p"),
        (["--model", "x"], "argument '--model' is unknown: arguments of ROS follow --ros-args"),
        (["--ros-args", "-p", "model"], "-p 'model' assigns nothing: write -p NAME:=VALUE"),
        (["--ros-args", "-p", ":=x"], "assigns nothing"),
        (["--ros-args", "--remap"], "--remap '' assigns nothing"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_told_before_libraries_are_loaded(
    tmp_path: Path, arguments: list[str], reason: str
) -> None:
    status, text = run(tmp_path, "panoramic_depth", *arguments)
    assert status == 2
    assert text.startswith("panoramic_depth: ")
    assert reason in text
    assert text.count("\n") == 1


def test_wrong_arguments_of_the_player(tmp_path: Path) -> None:
    status, text = run(tmp_path, "bag_player", "--no-such-option", "bag")
    assert status == 2
    assert "unrecognized arguments: --no-such-option" in text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--ros-args"],
        ["--ros-args", "-p", "model:=panda-small", "-r", "__ns:=/robot", "--log-level", "warn"],
        ["--ros-args", "--params-file", "a.yaml", "-r", "image:=/camera", "--"],
        ["--ros-args", "-p", "a:=1", "--", "--ros-args", "--remap", "__node:=b"],
    ],
    ids=" ".join,
)
def test_arguments_of_ros_pass(arguments: list[str]) -> None:
    check_arguments(arguments)


def test_a_long_argument_is_cut() -> None:
    with pytest.raises(ArgumentError) as caught:
        check_arguments(["x" * 100_000])
    assert len(str(caught.value)) < 500
