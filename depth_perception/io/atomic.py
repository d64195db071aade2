"""Files that appear only when they are complete."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

_PARTIAL = ".partial"
_REPLACED = "replaced"  # subfolder of an unfinished folder
_PID_NAMESPACE = Path("/proc/self/ns/pid")  # of Linux
_NAME = re.compile(rf"\..*\.(\d+)(?:-([0-9a-f]+))?\{_PARTIAL}")

_cleaned: set[Path] = set()
_log = logging.getLogger(__name__)


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


@contextmanager
def new_folder(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A folder to make, which becomes ``path`` when the block ends without an error.

    It has the name of ``path``, in a hidden folder beside it, and does not exist yet.

    Args:
        path: folder that appears when it is complete.
        overwrite: replace what is at ``path``. No file system call that all systems have replaces
            a folder, so nothing is there for a moment; a process that is killed in it leaves what
            was there, which the next one that writes beside it puts back.

    Raises:
        FileExistsError: something is at ``path``, or has come there while the block ran.
    """
    path = Path(path)
    work = partial_path(path)
    made, former = work / "new" / path.name, work / _REPLACED / path.name
    try:
        yield made
        if overwrite and os.path.lexists(path):
            former.parent.mkdir()
            os.rename(path, former)
        if os.path.lexists(path):  # an empty folder, too, which rename would replace
            raise _exists(path)
        try:
            os.rename(made, path)
        except OSError as error:
            if os.path.lexists(path):
                raise _exists(path) from error
            raise
    finally:
        _remove_folder(work)


def _exists(path: Path) -> FileExistsError:
    return FileExistsError(f"{path} exists already; name another folder")


def partial_path(path: Path) -> Path:
    """The hidden name under which this process makes a file or folder.

    What dead processes left in the folder goes when a process first writes there.
    """
    clean_once(path.parent)
    return path.with_name(f".{path.stem}.{os.getpid()}-{_machine()}{_PARTIAL}{path.suffix}")


def clean_once(folder: Path) -> None:
    """Call :func:`remove_dead`, unless this process has done so for this folder."""
    if folder not in _cleaned:
        _cleaned.add(folder)
        remove_dead(folder)


def remove_dead(folder: str | Path) -> None:
    """Remove unfinished files and folders of processes of this machine that no longer live.

    A folder that such a process was about to replace is put back if its place is empty. What
    cannot be removed, such as files of other users in ``/tmp``, stays; the log says so.
    """
    for path in Path(folder).glob(f".*{_PARTIAL}*"):
        match = _NAME.match(path.name)
        if match is None or match[2] not in (None, _machine()) or _lives(int(match[1])):
            continue
        if path.is_dir() and not path.is_symlink():
            _remove_folder(path)
            continue
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _log.info("%s, left by a killed process, stays: %s", path, error.strerror)


def _remove_folder(work: Path) -> None:
    """Remove a folder of :func:`new_folder`; what is replaced goes back if its place is empty."""
    for former in (work / _REPLACED).glob("*"):
        if os.path.lexists(place := work.parent / former.name):
            continue
        try:
            os.rename(former, place)
            _log.warning("%s is there again; it was about to be replaced", place)
        except FileNotFoundError:  # another process was faster
            continue
        except OSError as error:
            _log.warning("%s, which should be %s, stays: %s", former, place, error.strerror)
            return
    try:
        shutil.rmtree(work)
    except FileNotFoundError:  # never made, or another process was faster
        return
    except OSError as error:
        _log.info("%s, an unfinished folder, stays: %s", work, error.strerror)


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
    """Tells machines apart that share a folder, and containers, each with numbers of its own.

    A container that is started again is another one; what the former one left stays.
    """
    name = platform.node()
    with suppress(OSError):  # not Linux, or no /proc
        name += f" {os.stat(_PID_NAMESPACE).st_ino}"
    return hashlib.sha256(name.encode()).hexdigest()[:6]


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
