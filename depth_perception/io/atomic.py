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

    Whoever finds ``path`` finds a whole file: an interrupted run leaves nothing behind that a
    later one would take for finished work. The folder is made if it is missing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}{_PARTIAL}{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partial(folder: str | Path) -> None:
    """Remove what processes left in a folder that were killed while they wrote there.

    Nobody else may be writing there with :func:`replacing`.
    """
    for path in Path(folder).glob(f".*{_PARTIAL}*"):
        path.unlink(missing_ok=True)
