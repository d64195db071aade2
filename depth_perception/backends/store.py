"""Exported graphs on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .engines import BackendError
from .trust import hashes, make_private, untrusted, untrusted_entry

try:
    import fcntl
except ImportError:  # Windows: leftovers stay
    fcntl = None  # type: ignore[assignment]

GRAPHS_VARIABLE = "DEPTH_PERCEPTION_GRAPHS"
_ABOUT = "about.json"
_PARTIAL = ".partial"
_FILES, _DIGEST = "files", "digest"

_log = logging.getLogger(__name__)


def graphs_folder() -> Path:
    """Folder of exported graphs.

    ``$DEPTH_PERCEPTION_GRAPHS``, else ``depth_perception/graphs`` in ``$XDG_CACHE_HOME``, else in
    ``~/.cache``. Its content can be deleted at any time.
    """
    given = os.environ.get(GRAPHS_VARIABLE)
    return Path(given).expanduser() if given else _own_folder()


def _own_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "depth_perception", "graphs")


def private_folder() -> Path:
    """The folder of graphs if only this user (or root) can write to it, else the user's own one.

    A graph is code that is executed or data that is trusted. The folder is made, with mode 0700.

    Raises:
        BackendError: neither folder is private, or none can be made.
    """
    wanted, own = graphs_folder(), _own_folder()
    reasons = []
    make_private(own)
    for folder in dict.fromkeys((wanted, own)):
        reason = untrusted(folder) or _unusable(folder)
        if not reason:
            if reasons:
                _log.warning("graphs are kept in %s: %s", folder, reasons[0])
            return folder
        reasons.append(reason)
    raise BackendError(
        f"no folder for graphs: {'; '.join(reasons)}. Set {GRAPHS_VARIABLE} to a folder that only "
        f"you can write to, or take this permission from others (chmod 700 {wanted})"
    )


def _unusable(folder: Path) -> str:
    """Make a folder with mode 0700 if it is missing; why that fails, or ""."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        return f"{folder} cannot be made ({error.strerror})"
    return ""


def about(folder: Path) -> dict[str, Any] | None:
    """The metadata of an intact graph; None where there is none that may be opened.

    The metadata holds hashes of all files and of itself. A graph that is damaged, that others could
    have written, or that was made without hashes is removed, with a warning.

    Raises:
        BackendError: it cannot be removed.
    """
    if not os.path.lexists(folder):
        return None
    reason = "it is a link" if folder.is_symlink() else untrusted_entry(folder)
    if not reason:
        try:
            content = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
            return _checked(content, folder)
        except (OSError, ValueError, RecursionError) as error:
            reason = f"it is damaged ({error})"
    _log.warning("the graph %s is not used and made again: %s", folder, reason)
    discard(folder)
    return None


def _checked(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The metadata without its hashes; ValueError if they do not fit the files."""
    if not isinstance(content, dict) or not isinstance(content.get(_FILES), dict):
        raise ValueError(f"{_ABOUT} has no hashes")
    files, digest = content.pop(_FILES), content.pop(_DIGEST, None)
    if digest != _digest(content, files):
        raise ValueError(f"the hash of {_ABOUT} differs")
    found = dict(hashes(folder))
    for name, value in files.items():  # TensorRT adds its engines later
        if found.get(name) != value:
            raise ValueError(f"the hash of {name} differs" if name in found else f"no {name}")
    return content


def _digest(text: dict[str, Any], files: dict[str, str]) -> str:
    said = json.dumps([text, files], sort_keys=True)
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def discard(folder: Path) -> None:
    """Remove a graph at once, also for other processes.

    Raises:
        BackendError: the folder cannot be removed.
    """
    try:
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink(missing_ok=True)
            return
        gone = tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=_PARTIAL, dir=folder.parent)
        with suppress(FileNotFoundError):  # another process was faster
            os.rename(folder, gone)
        shutil.rmtree(gone, ignore_errors=True)
    except OSError as error:
        raise BackendError(f"{folder} cannot be removed ({error.strerror}): remove it") from error


@contextmanager
def filling(folder: Path, text: dict[str, Any]) -> Iterator[Path]:
    """A folder to write to, which becomes ``folder`` when the block ends without an error.

    ``text``, to which the block may add, is written to the folder, with hashes of all files. If
    another process was faster, its graph is kept. Incomplete graphs of killed processes are deleted
    first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial, lock = _begin(folder)
    try:
        yield partial
        text = json.loads(json.dumps(text))  # as it will be read
        files = dict(hashes(partial))
        content = {**text, _FILES: files, _DIGEST: _digest(text, files)}
        (partial / _ABOUT).write_text(json.dumps(content, indent=1), encoding="utf-8")
        for path in partial.rglob("*"):
            make_private(path)
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
