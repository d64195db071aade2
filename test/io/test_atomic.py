"""Files that appear only when complete."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from depth_perception.io.atomic import replacing, write_bytes


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "a" / "b.txt"
    with replacing(path) as partial:
        partial.write_text("whole")
        assert partial.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "b.txt"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as partial:
            partial.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_dead_processes_go_with_the_first_write_to_a_folder(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    leftover = tmp_path / f".a.{dead.pid}.partial.png"
    folder = tmp_path / f".b.{dead.pid}.partial"
    living = tmp_path / f".c.{os.getpid()}.partial.png"
    leftover.touch()
    (folder / "inside").mkdir(parents=True)
    living.touch()
    write_bytes(tmp_path / "d.txt", b"whole")
    assert sorted(tmp_path.iterdir()) == [living, tmp_path / "d.txt"]
