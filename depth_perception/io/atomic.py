"""Files that appear only when they are complete."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

_PARTIAL = ".partial"
_NAME = re.compile(rf"\..*\.(\d+)(?:-([0-9a-f]+))?\{_PARTIAL}")

_cleaned: set[Path] = set()


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path to write to, which becomes ``path`` when the block ends without an error.

    ``path`` is always a complete file: an interrupted run leaves nothing that a later one would
    mistake for finished work. The folder is created if it is missing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """The hidden name under which this process makes a file or folder.

    What dead processes left in the folder goes when a process first writes there.
    """
    if (folder := path.parent) not in _cleaned:
        _cleaned.add(folder)
        remove_dead(folder)
    return path.with_name(f".{path.stem}.{os.getpid()}-{_machine()}{_PARTIAL}{path.suffix}")


def remove_dead(folder: str | Path) -> None:
    """Remove unfinished files and folders of processes of this machine that no longer live."""
    for path in Path(folder).glob(f".*{_PARTIAL}*"):
        match = _NAME.match(path.name)
        if match is None or match[2] not in (None, _machine()) or _lives(int(match[1])):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user; no number of a process
        return True
    return True


@lru_cache(maxsize=1)
def _machine() -> str:
    """Tells machines apart that share a folder."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a whole file at once, see :func:`replacing`."""
    with replacing(path) as partial:
        partial.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file at once in UTF-8, see :func:`replacing`."""
    write_bytes(path, text.encode())


def remove_partial(folder: str | Path) -> None:
    """Remove unfinished files of killed processes from a folder.

    No other process may be writing there with :func:`replacing`.
    """
    for path in Path(folder).glob(f".*{_PARTIAL}*"):
        path.unlink(missing_ok=True)
