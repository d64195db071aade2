"""What is noted about fetched files: one JSON file in the folder of the weights."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..io.atomic import write_text
from .sources import FetchError

try:
    import fcntl
except ImportError:  # no locks on this platform
    fcntl = None  # type: ignore[assignment]

FILE = "fetched.json"


def read_record(path: Path, name: str) -> dict[str, Any]:
    """What is noted about a file of the weights ``path``: ``sha256``, ``size_bytes``, ``url`` and
    ``revision``; empty if nothing is. FetchError if the notes are damaged.

    Args:
        path: the weights in their folder, a file or a folder.
        name: the authors' name of the file.
    """
    return _read(path.parent / FILE).get(path.name, {}).get(name, {})


def write_record(path: Path, records: Mapping[str, Mapping[str, Any]]) -> None:
    """Note what is known about the files of the weights ``path``, by the authors' names.

    FetchError if the notes that are there are damaged.
    """
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        content = _read(path.parent / FILE)
        content[path.name] = {**content.get(path.name, {}), **records}
        write_text(path.parent / FILE, json.dumps(content, indent=1, sort_keys=True) + "\n")
    finally:
        os.close(descriptor)


def _read(file: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """What is noted, by the name of the weights and the authors' name of a file."""
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FetchError(f"{file} is damaged ({error}): remove it") from error
    if not isinstance(content, dict):
        raise FetchError(f"{file} is not a table of fetched files: remove it")
    for weights, found in content.items():
        records = found.values() if isinstance(found, dict) else [found]
        if wrong := [record for record in records if not isinstance(record, dict)]:
            raise FetchError(
                f"{file} states {wrong[0]!r} of {weights}, which is no record of a file: remove it"
            )
    return content
