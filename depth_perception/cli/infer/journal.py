"""What a run has finished, so that the next one does not repeat it, and which name is whose.

The journal is ``infer.jsonl`` in the output folder: one JSON object per line, the last line of a
source counts. A name is written down before work on its source starts and again, with
``done: true``, when all its files are complete. A source is done if it has not changed since, the
options that matter are the same, and its files are still there.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

JOURNAL_NAME = "infer.jsonl"


@dataclass(frozen=True)
class Entry:
    """One line of the journal.

    Attributes:
        source: absolute path, for frames of a bag with topic and stamp after it.
        state: size and time of change of the source file.
        settings: everything that decides what the files hold.
        outputs: files of the source, relative to the output folder.
        done: whether they are complete.
        limits: values at both ends of the colours, for a sequence that goes on from here.
        note: what is to be known of the results: a camera from EXIF, an alignment that failed.
    """

    source: str
    state: str
    settings: str
    outputs: tuple[str, ...]
    done: bool
    limits: tuple[float, float] | None = None
    note: str = ""


class Journal:
    """The journal of one output folder.

    It may be used from several threads.

    Args:
        folder: output folder; made when the first line is written.
        settings: see :class:`Entry`.
        overwrite: take nothing as done, and give out names of files that no journal knows.

    Attributes:
        damaged_lines: how many lines were not readable (a run was killed while writing).
    """

    def __init__(
        self,
        folder: Path,
        settings: str,
        *,
        overwrite: bool = False,
    ) -> None:
        self.folder = folder
        self.damaged_lines = 0
        self._settings = settings
        self._overwrite = overwrite
        self._kept: frozenset[Path] = frozenset()
        self._entries: dict[str, Entry] = {}
        self._owners: dict[str, str] = {}
        self._path = folder / JOURNAL_NAME
        self._lock = threading.Lock()
        if self._path.is_file():
            self._read()

    @property
    def outputs(self) -> frozenset[Path]:
        """Resolved paths of all files that were ever claimed, and of the journal itself."""
        names = {name for entry in self._entries.values() for name in entry.outputs}
        return frozenset((self.folder / name).resolve() for name in (*names, JOURNAL_NAME))

    def protect(self, paths: Iterable[Path]) -> None:
        """Files that are never given out: the inputs."""
        self._kept = frozenset(path.resolve() for path in paths)

    def finished(self, source: str, state: str) -> Entry | None:
        """The entry of a source whose files are complete and up to date, else None."""
        entry = self._entries.get(source)
        if self._overwrite or entry is None or not entry.done:
            return None
        fresh = (entry.state, entry.settings) == (state, self._settings)
        there = all((self.folder / output).is_file() for output in entry.outputs)
        return entry if fresh and there else None

    def claim(self, source: str, state: str, stem: Path, endings: tuple[str, ...]) -> list[Path]:
        """Paths ``stem + ending`` for a source, or ``stem_2 + ending`` ... if others have them.

        The same source gets the same names in every run.
        """
        number = 1
        while True:
            tail = "" if number == 1 else f"_{number}"
            names = tuple((stem.parent / f"{stem.name}{tail}{e}").as_posix() for e in endings)
            if all(self._free(name, source) for name in names):
                break
            number += 1
        self._add(Entry(source, state, self._settings, names, done=False))
        return [self.folder / name for name in names]

    def finish(
        self, source: str, limits: tuple[float, float] | None = None, note: str = ""
    ) -> None:
        """Write down that the files claimed by a source are complete."""
        entry = asdict(self._entries[source]) | {"done": True, "limits": limits, "note": note}
        self._add(Entry(**entry))

    def _free(self, name: str, source: str) -> bool:
        path = self.folder / name
        if path.resolve() in self._kept:
            return False
        owner = self._owners.get(name.casefold())
        if owner is not None:
            return owner == source
        return self._overwrite or not path.exists()

    def _add(self, entry: Entry) -> None:
        line = json.dumps(asdict(entry)) + "\n"
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            self._remember(entry)
            if file.tell() and not self._ends_in_newline():
                file.write("\n")
            file.write(line)

    def _ends_in_newline(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _remember(self, entry: Entry) -> None:
        self._entries[entry.source] = entry
        self._owners.update((name.casefold(), entry.source) for name in entry.outputs)

    def _read(self) -> None:
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                fields = json.loads(line)
                fields["outputs"] = tuple(fields["outputs"])
                fields["limits"] = tuple(fields["limits"]) if fields["limits"] else None
                self._remember(Entry(**fields))
            except (ValueError, KeyError, TypeError):
                self.damaged_lines += 1


def state_of(path: Path) -> str:
    """Size and time of change of a file, or of all files of a folder."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [file.stat() for file in files]
    return " ".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)
