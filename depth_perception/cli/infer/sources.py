"""From what the user names to a list of pictures, videos and bags."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ...io.bags import is_bag
from ...io.images import READABLE_SUFFIXES
from ...io.video import VIDEO_SUFFIXES

LIST_SUFFIXES = frozenset((".txt", ".lst"))


class SourceKind(str, Enum):
    """What a source is read as."""

    PICTURE = "picture"
    VIDEO = "video"
    BAG = "bag"


@dataclass(frozen=True)
class Source:
    """One picture, video or bag.

    Attributes:
        path: file, or folder of a bag.
        kind: how to read it.
        folder: where its results go, relative to the output folder (sub-folders of a recursive
            search keep their shape).
    """

    path: Path
    kind: SourceKind
    folder: Path = Path()


@dataclass(frozen=True)
class Found:
    """What an input holds.

    Attributes:
        sources: in the order of processing, without repetitions.
        skipped: (path, reason) of what a folder holds besides.
        missing: (path, reason) of what a list names in vain: failures of the run.
    """

    sources: tuple[Source, ...]
    skipped: tuple[tuple[Path, str], ...] = ()
    missing: tuple[tuple[Path, str], ...] = ()


class InputError(ValueError):
    """The input is nothing that can be read."""


def find_sources(
    path: Path, *, recursive: bool = False, ours: frozenset[Path] = frozenset()
) -> Found:
    """Everything to process in a picture, video, bag, folder, or text list with a path per line.

    Folders are searched in the order of names; hidden files are left out. Paths in a list may be
    relative to the list's folder or to the current one; empty lines and lines with # are skipped.

    Args:
        path: what the user names.
        recursive: enter the sub-folders of folders.
        ours: resolved paths of earlier results, which are no input where a folder holds them.

    Raises:
        InputError: ``path`` is missing or of an unknown kind, or nothing was found in it.
    """
    if not path.exists():
        raise InputError(f"no such file or folder: {path}")
    kind = _kind(path)
    if kind is not None:
        return Found((Source(path, kind),))
    if path.is_dir():
        found = _in_folder(path, recursive, ours)
    elif path.suffix.lower() in LIST_SUFFIXES:
        found = _in_list(path, recursive, ours)
    else:
        raise InputError(f"{path} is {_unknown(path)}, nor a folder or a .txt list")
    if not found.sources and not found.missing:
        inside = f" (besides {len(found.skipped)} other files)" if found.skipped else ""
        hint = "" if recursive or path.is_file() else "; --recursive looks into its sub-folders"
        raise InputError(f"no picture, video or bag in {path}{inside}{hint}")
    return found


def _kind(path: Path) -> SourceKind | None:
    if is_bag(path):
        return SourceKind.BAG
    suffix = path.suffix.lower()
    if path.is_file() and suffix in READABLE_SUFFIXES:
        return SourceKind.PICTURE
    return SourceKind.VIDEO if path.is_file() and suffix in VIDEO_SUFFIXES else None


def _unknown(path: Path) -> str:
    return f"no picture, video or bag (suffix {path.suffix!r})"


def _in_folder(root: Path, recursive: bool, ours: frozenset[Path]) -> Found:
    sources, skipped = [], []
    for path in _walk(root, recursive):
        if path.resolve() in ours:
            continue
        kind = _kind(path)
        if kind is not None:
            sources.append(Source(path, kind, path.parent.relative_to(root)))
        elif path.is_file():
            skipped.append((path, _unknown(path)))
    return Found(tuple(sources), tuple(skipped))


def _walk(root: Path, recursive: bool) -> Iterator[Path]:
    """Files and bag folders, sorted; a bag folder is not entered."""
    for path in sorted(root.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and not is_bag(path):
            if recursive and not path.is_symlink():  # a link may lead back up
                yield from _walk(path, recursive)
        else:
            yield path


def _in_list(path: Path, recursive: bool, ours: frozenset[Path]) -> Found:
    sources: list[Source] = []
    skipped: list[tuple[Path, str]] = []
    missing: list[tuple[Path, str]] = []
    for named in _lines(path):
        entry = path.parent / named
        if not entry.exists() and Path(named).exists():
            entry = Path(named)
        kind = _kind(entry)
        if kind is not None:
            sources.append(Source(entry, kind))
        elif entry.is_dir():
            inside = _in_folder(entry, recursive, ours)
            sources += inside.sources
            skipped += inside.skipped
        elif entry.exists():
            missing.append((entry, _unknown(entry)))
        else:
            missing.append((entry, "no such file"))
    return Found(tuple(_distinct(sources)), tuple(skipped), tuple(missing))


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text list in UTF-8: {error}") from error
    lines = (line.strip() for line in text.splitlines())
    return [os.path.expanduser(line) for line in lines if line and not line.startswith("#")]


def _distinct(sources: Iterable[Source]) -> Iterator[Source]:
    seen: set[Path] = set()
    for source in sources:
        resolved = source.path.resolve()
        if resolved not in seen:
            seen.add(resolved)
            yield source
