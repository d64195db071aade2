"""The manifest of an output folder: which inputs are finished, and which file belongs to which.

The manifest is ``infer.jsonl`` in the output folder, with one JSON object per line; the last line
of an input counts. The names of its files are recorded before work on an input starts, and again
with ``done: true`` when all files are complete. An input counts as finished if it has not changed
since, the relevant options are the same, and its files still exist.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import BinaryIO

from ...io.atomic import remove_dead

MANIFEST_NAME = "infer.jsonl"


@dataclass(frozen=True)
class Entry:
    """One line of the manifest.

    Attributes:
        source: absolute path of the input, followed by topic and index for frames of a bag.
        state: size and modification time of the input.
        settings: digest of all options that affect the content of the files.
        outputs: files of the input, relative to the output folder.
        done: whether they are complete.
        limits: values at both ends of the colours, from which an interrupted sequence continues.
        note: remark on the results, such as a camera from EXIF or a failed alignment.
    """

    source: str
    state: str
    settings: str
    outputs: tuple[str, ...]
    done: bool
    limits: tuple[float, float] | None = None
    note: str = ""


class Manifest:
    """The manifest of one output folder.

    It may be used from several threads and processes: names are claimed under a lock of the file,
    after reading what others have claimed.

    Args:
        folder: output folder, which is created with the first line.
        settings: see :class:`Entry`.
        overwrite: treat no input as finished, and replace files that the manifest does not list.

    Attributes:
        damaged_lines: number of unreadable lines (a run was killed while writing).
    """

    def __init__(self, folder: Path, settings: str, *, overwrite: bool = False) -> None:
        self.folder = folder
        self.damaged_lines = 0
        self._settings = settings
        self._overwrite = overwrite
        self._protected: frozenset[Path] = frozenset()
        self._entries: dict[str, Entry] = {}
        self._owners: dict[str, str] = {}
        self._path = folder / MANIFEST_NAME
        self._lock = threading.Lock()
        self._place = 0
        if self._path.is_file():
            with self._path.open("rb") as file:
                self._catch_up(file)

    def clean(self) -> None:
        """Remove what killed runs left unfinished in the folders of the results."""
        names = {name for entry in self._entries.values() for name in entry.outputs}
        for folder in {self.folder, *((self.folder / name).parent for name in names)}:
            remove_dead(folder)

    @property
    def outputs(self) -> frozenset[Path]:
        """Resolved paths of all files that were ever claimed, and of the manifest itself."""
        names = {name for entry in self._entries.values() for name in entry.outputs}
        return frozenset((self.folder / name).resolve() for name in (*names, MANIFEST_NAME))

    def protect(self, paths: Iterable[Path]) -> None:
        """Never claim these files: the inputs."""
        self._protected = frozenset(path.resolve() for path in paths)

    def finished(self, source: str, state: str) -> Entry | None:
        """The entry of an input whose files are complete and up to date, else None."""
        entry = self._entries.get(source)
        if self._overwrite or entry is None or not entry.done:
            return None
        fresh = (entry.state, entry.settings) == (state, self._settings)
        there = all((self.folder / output).is_file() for output in entry.outputs)
        return entry if fresh and there else None

    def claim(self, source: str, state: str, stem: Path, endings: tuple[str, ...]) -> list[Path]:
        """Paths ``stem + ending`` for an input, or ``stem_2 + ending`` ... if others have them.

        An input gets the same names in every run.

        Raises:
            ValueError: the files would lie outside the output folder.
        """
        if not (self.folder / stem).resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"its results would lie outside of {self.folder}: {stem}")
        with self._exclusive() as file:
            for number in count(1):
                tail = "" if number == 1 else f"_{number}"
                names = tuple((stem.parent / f"{stem.name}{tail}{e}").as_posix() for e in endings)
                if all(self._free(name, source) for name in names):
                    break
            self._add(file, Entry(source, state, self._settings, names, done=False))
        return [self.folder / name for name in names]

    def finish(
        self, source: str, limits: tuple[float, float] | None = None, note: str = ""
    ) -> None:
        """Record that the files claimed by an input are complete."""
        with self._exclusive() as file:
            self._add(file, replace(self._entries[source], done=True, limits=limits, note=note))

    def _free(self, name: str, source: str) -> bool:
        path = self.folder / name
        if path.resolve() in self._protected:
            return False
        owner = self._owners.get(name.casefold())
        if owner is not None:
            return owner == source
        return self._overwrite or not path.exists()

    @contextmanager
    def _exclusive(self) -> Iterator[BinaryIO]:
        """The file, while no other thread or process uses it; what others added is read."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock, self._path.open("a+b") as file:
            with suppress(OSError):  # file systems without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            self._catch_up(file)
            yield file

    def _add(self, file: BinaryIO, entry: Entry) -> None:
        line = json.dumps(asdict(entry)) + "\n"
        self._remember(entry)
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(line.encode())
        file.flush()
        self._place = file.tell()

    def _remember(self, entry: Entry) -> None:
        self._entries[entry.source] = entry
        self._owners.update((name.casefold(), entry.source) for name in entry.outputs)

    def _catch_up(self, file: BinaryIO) -> None:
        """Read the lines since the last time."""
        file.seek(self._place)
        for line in file.read().decode(errors="replace").splitlines():
            try:
                fields = json.loads(line)
                fields["outputs"] = tuple(fields["outputs"])
                fields["limits"] = tuple(fields["limits"]) if fields["limits"] else None
                self._remember(Entry(**fields))
            except (ValueError, KeyError, TypeError):
                self.damaged_lines += 1
        self._place = file.tell()


def state_of(path: Path) -> str:
    """Size and modification time of a file, or of all files of a folder."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [file.stat() for file in files]
    return " ".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)
