"""Files that appear only when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL = ".partial"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path to write to, which becomes ``path`` when the block ends without an error.

    ``path`` is always a complete file: an interrupted run leaves nothing that a later one would
    mistake for finished work. The folder is created if it is missing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}{_PARTIAL}{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
