"""Exported graphs on disk."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .engines import BackendError

try:
    import fcntl
except ImportError:  # Windows: leftovers stay
    fcntl = None  # type: ignore[assignment]

GRAPHS_VARIABLE = "DEPTH_PERCEPTION_GRAPHS"
_ABOUT = "about.json"
_PARTIAL = ".partial"


def graphs_folder() -> Path:
    """Folder of exported graphs.

    ``$DEPTH_PERCEPTION_GRAPHS``, else ``depth_perception/graphs`` in ``$XDG_CACHE_HOME``, else in
    ``~/.cache``. Its content can be deleted at any time.
    """
    if given := os.environ.get(GRAPHS_VARIABLE):
        return Path(given).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "depth_perception", "graphs")


def about(folder: Path) -> dict[str, Any] | None:
    """The metadata of a graph; None where there is no complete graph."""
    path = folder / _ABOUT
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise BackendError(f"{path} is damaged ({error}); delete {folder}") from error


@contextmanager
def filling(folder: Path, text: dict[str, Any]) -> Iterator[Path]:
    """A folder to write to, which becomes ``folder`` when the block ends without an error.

    ``text``, to which the block may add, is written to the folder. If another process was faster,
    its graph is kept. Incomplete graphs of killed processes are deleted first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial, lock = _begin(folder)
    try:
        yield partial
        (partial / _ABOUT).write_text(json.dumps(text, indent=1), encoding="utf-8")
        try:
            os.replace(partial, folder)
        except OSError:
            if about(folder) is None:
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _begin(folder: Path) -> tuple[Path, int | None]:
    """A new folder to fill, and the lock that marks it as in use."""
    parent = _lock(folder.parent, wait=True)  # hides a folder that is not locked yet
    try:
        if parent is not None:
            for leftover in folder.parent.glob(f".*{_PARTIAL}"):
                if (lock := _lock(leftover)) is not None:  # no process is filling it
                    shutil.rmtree(leftover, ignore_errors=True)
                    os.close(lock)
        made = tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=_PARTIAL, dir=folder.parent)
        return Path(made), _lock(Path(made))
    finally:
        if parent is not None:
            os.close(parent)


def _lock(folder: Path, *, wait: bool = False) -> int | None:
    """Lock a folder and return its descriptor; closing it, or process exit, releases the lock.

    None if another process holds it, it is missing or not ours, or the file system has no locks.
    """
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
