"""Files that appear only when complete."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from depth_perception.io import atomic
from depth_perception.io.atomic import new_folder, partial_path, remove_dead, replacing, write_bytes


@pytest.fixture
def dead() -> int:
    """Number of a process that no longer lives."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


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


def test_leftovers_of_dead_processes_go_with_the_first_write_to_a_folder(tmp_path, dead):
    leftover = tmp_path / f".a.{dead}.partial.png"
    folder = tmp_path / f".b.{dead}.partial"
    living = tmp_path / f".c.{os.getpid()}.partial.png"
    leftover.touch()
    (folder / "inside").mkdir(parents=True)
    living.touch()
    write_bytes(tmp_path / "d.txt", b"whole")
    assert sorted(tmp_path.iterdir()) == [living, tmp_path / "d.txt"]


def test_leftovers_that_cannot_be_removed_stay_and_are_logged(tmp_path, dead, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    foreign, own = tmp_path / f".a.{dead}.partial.png", tmp_path / f".b.{dead}.partial.png"
    folder = tmp_path / f".c.{dead}.partial"
    for path in (foreign, own):
        path.touch()
    (folder / "inside").mkdir(parents=True)
    unlink, rmdir = Path.unlink, os.rmdir

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == foreign:
            raise PermissionError(1, "Operation not permitted", str(path))
        unlink(path, missing_ok)

    def refuse_folder(path: object, **kwargs: object) -> None:
        if Path(str(path)).name == folder.name:
            raise PermissionError(1, "Operation not permitted", str(path))
        rmdir(path, **kwargs)

    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(os, "rmdir", refuse_folder)
    write_bytes(tmp_path / "d.txt", b"whole")
    assert sorted(tmp_path.iterdir()) == [foreign, folder, tmp_path / "d.txt"]
    for path in (foreign, folder):
        assert any(
            str(path) in said.getMessage() and "Operation not permitted" in said.getMessage()
            for said in caplog.records
        )


@pytest.fixture
def machine_anew() -> Iterator[None]:
    atomic._machine.cache_clear()
    yield
    atomic._machine.cache_clear()


@pytest.mark.usefixtures("machine_anew")
def test_processes_of_a_container_are_not_taken_for_dead(tmp_path, dead, monkeypatch):
    def name() -> Path:
        atomic._machine.cache_clear()
        whole = partial_path(tmp_path / "a.png").name
        return tmp_path / whole.replace(f".{os.getpid()}-", f".{dead}-")

    here = name()
    (tmp_path / "namespace").touch()
    monkeypatch.setattr(atomic, "_PID_NAMESPACE", tmp_path / "namespace")
    container = name()
    monkeypatch.setattr(atomic, "_PID_NAMESPACE", tmp_path / "missing")
    assert len({here, container, name()}) == (3 if os.path.exists("/proc/self/ns/pid") else 2)
    monkeypatch.undo()
    atomic._machine.cache_clear()
    for path in (here, container):
        path.touch()
    remove_dead(tmp_path)
    assert container.exists()
    assert not here.exists()


def fill(folder: Path, text: str, **options: bool) -> None:
    with new_folder(folder, **options) as made:
        made.mkdir(parents=True)
        (made / "text").write_text(text)


@pytest.mark.parametrize("content", [(), ("text",)])
def test_a_folder_that_comes_while_another_is_made_stays(tmp_path, content):
    path = tmp_path / "a"

    def both() -> None:
        with new_folder(path) as made:
            for folder in (made, path):
                folder.mkdir(parents=True)
            for name in content:
                (path / name).write_text("of another process")

    with pytest.raises(FileExistsError, match="exists already"):
        both()
    assert [child.name for child in path.iterdir()] == [*content]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a", "a.b", "replaced", "new"])
def test_a_folder_comes_back_if_it_cannot_be_replaced(tmp_path, monkeypatch, name):
    path, rename = tmp_path / name, os.rename
    fill(path, "old")
    fill(path, "newer", overwrite=True)

    def refuse(source: Path, target: Path) -> None:
        if (source / "text").read_text() == "newest":
            raise OSError(28, "No space left on device")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        with pytest.raises(OSError, match="No space left"):
            fill(path, "newest", overwrite=True)
    assert (path / "text").read_text() == "newer"
    assert list(tmp_path.iterdir()) == [path]


def test_the_only_copy_is_never_removed(tmp_path, monkeypatch, caplog):
    path, rename = tmp_path / "a", os.rename
    fill(path, "old")

    def refuse(source: Path, target: Path) -> None:
        if target == path:
            raise OSError(5, "Input/output error")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        with pytest.raises(OSError, match="Input/output"):
            fill(path, "new", overwrite=True)
    (work,) = tmp_path.iterdir()
    assert f"{work / 'replaced' / 'a'}, which should be {path}, stays" in caplog.text
    assert (work / "replaced" / "a" / "text").read_text() == "old"
