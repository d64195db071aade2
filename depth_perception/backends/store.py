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

GRAPHS_VARIABLE = "DEPTH_PERCEPTION_GRAPHS"
_ABOUT = "about.json"


def graphs_folder() -> Path:
    """Folder of exported graphs.

    ``$DEPTH_PERCEPTION_GRAPHS``, else ``depth_perception/graphs`` in ``$XDG_CACHE_HOME``, else in
    ``~/.cache``. Whatever is in it can be deleted.
    """
    if given := os.environ.get(GRAPHS_VARIABLE):
        return Path(given).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    base = Path(cache) if cache else Path.home() / ".cache"
    return base / "depth_perception" / "graphs"


def about(folder: Path) -> dict[str, Any] | None:
    """What was written beside a graph; None where there is no complete one."""
    path = folder / _ABOUT
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise BackendError(f"{path} is damaged ({error}); delete {folder}") from error


@contextmanager
def filling(folder: Path, text: dict[str, Any]) -> Iterator[Path]:
    """A folder to write to, which becomes ``folder`` when the block ends without an error.

    ``text``, to which the block may add, is written beside what it made. If another process was
    faster, its work stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
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
