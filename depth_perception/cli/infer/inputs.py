"""The images, videos and bags that an input path stands for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ...io.suffixes import (
    READABLE_SUFFIXES,
    VIDEO_SUFFIXES,
    bags_inside,
    by_number,
    is_bag,
    kind_by_content,
)
from ...limits import IMAGE_BYTES, LimitError, printable, regular_file

LIST_SUFFIXES = frozenset((".txt", ".lst"))


class InputKind(str, Enum):
    """How an input is read."""

    IMAGE = "image"
    VIDEO = "video"
    BAG = "bag"


@dataclass(frozen=True)
class Input:
    """One image, video or bag.

    Attributes:
        path: file, or folder of a bag.
        kind: how to read it.
        folder: folder of its results relative to the output folder (a recursive search keeps the
            structure of sub-folders).
    """

    path: Path
    kind: InputKind
    folder: Path = Path()


@dataclass(frozen=True)
class Inputs:
    """All inputs of a run.

    Attributes:
        items: in the order of processing, without repetitions.
        skipped: (path, reason) of other files in a folder.
        missing: (path, reason) of entries of a list that cannot be read; the run reports them as
            failures.
    """

    items: tuple[Input, ...]
    skipped: tuple[tuple[Path, str], ...] = ()
    missing: tuple[tuple[Path, str], ...] = ()


class InputError(ValueError):
    """The input cannot be read; the text is printable, whatever the names of files are."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text, 1000))


def find_inputs(
    path: Path, *, recursive: bool = False, ours: frozenset[Path] = frozenset()
) -> Inputs:
    """Everything to process: an image, video, bag, folder, or text list with a path per line.

    Folders are searched in the order of names, without hidden files. Paths in a list may be
    relative to the list's folder or to the current one; empty lines and lines with # are skipped.

    Args:
        path: the input.
        recursive: enter the sub-folders of folders.
        ours: resolved paths of earlier results, which are left out of folders.

    Raises:
        InputError: ``path`` is missing or of an unknown kind, or contains no input.
    """
    try:
        if not path.exists():
            raise InputError(f"no such file or folder: {path}; check the name")
        kind = _kind(path)
    except (OSError, RuntimeError) as error:
        raise InputError(_unreadable(path, error)) from error
    if kind is not None:
        return Inputs((Input(_named(path), kind),))
    if path.is_dir():
        found = _in_folder(path, recursive, ours)
    elif path.suffix.lower() in LIST_SUFFIXES:
        found = _in_list(path, recursive, ours)
    else:
        raise InputError(f"{path} is {_unknown(path)}, nor a folder or a .txt list: name one")
    if not found.items and not found.missing:
        inside = f" ({len(found.skipped)} other files)" if found.skipped else ""
        hint = "" if recursive or path.is_file() else "; --recursive looks into its sub-folders"
        if bags := ", ".join(map(str, bags_inside(path))):
            hint += f"; it holds bags: {bags}"
        raise InputError(f"no image, video or bag in {path}{inside}{hint}: name another input")
    return found


def _kind(path: Path) -> InputKind | None:
    """How a path is read, by its content and else by its suffix; None if it is no input."""
    if path.is_dir() and is_bag(path):
        return InputKind.BAG
    if not path.is_file():
        return None
    if found := kind_by_content(path):
        return InputKind(found)
    suffix = path.suffix.lower()
    if is_bag(path):
        return InputKind.BAG
    if suffix in READABLE_SUFFIXES:
        return InputKind.IMAGE
    return InputKind.VIDEO if suffix in VIDEO_SUFFIXES else None


def _named(path: Path) -> Path:
    """A path whose last part is a name, after which results can be named."""
    return path.resolve() if path.name in ("", "..") else path


def _unknown(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    if not path.is_file() and not path.is_dir():
        return "not a regular file"
    return f"no image, video or bag (suffix {path.suffix!r})"


def _unreadable(path: Path, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "a loop of links"
    return f"{path} cannot be read: {reason}"


def _in_folder(root: Path, recursive: bool, ours: frozenset[Path]) -> Inputs:
    items, skipped, missing = [], [], []
    for path in _walk(root, recursive, missing):
        try:
            if path.resolve() in ours:
                continue
            kind = _kind(path)
            if kind is not None:
                items.append(Input(path, kind, path.parent.relative_to(root)))
            elif not path.is_dir():
                skipped.append((path, _unknown(path)))
        except (OSError, RuntimeError) as error:  # one bad entry is not the end of the others
            missing.append((path, _unreadable(path, error)))
    return Inputs(tuple(items), tuple(skipped), tuple(missing))


def _walk(root: Path, recursive: bool, missing: list[tuple[Path, str]]) -> Iterator[Path]:
    """Files and bag folders, sorted; a bag folder is not entered."""
    try:
        entries = sorted(root.iterdir(), key=by_number)
    except OSError as error:
        missing.append((root, _unreadable(root, error)))
        return
    for path in entries:
        if path.name.startswith("."):
            continue
        try:
            is_folder = path.is_dir() and not is_bag(path)
        except OSError:
            is_folder = False
        if not is_folder:
            yield path
        elif recursive and not path.is_symlink():  # a link may lead back up
            yield from _walk(path, recursive, missing)


def _in_list(path: Path, recursive: bool, ours: frozenset[Path]) -> Inputs:
    items, skipped, missing = [], [], []
    for named in _lines(path):
        entry = path.parent / named
        try:
            if not entry.exists() and Path(named).exists():
                entry = Path(named)
            kind = _kind(entry)
            if kind is not None:
                items.append(Input(_named(entry), kind))
            elif entry.is_dir():
                inside = _in_folder(entry, recursive, ours)
                items += inside.items
                skipped += inside.skipped
                missing += inside.missing
            else:
                missing.append((entry, _unknown(entry) if entry.exists() else "no such file"))
        except (OSError, RuntimeError, ValueError) as error:
            missing.append((entry, _unreadable(entry, error)))
    first: dict[Path, Input] = {}
    for item in items:
        first.setdefault(item.path.resolve(), item)
    return Inputs(tuple(first.values()), tuple(skipped), tuple(missing))


def _lines(path: Path) -> list[str]:
    try:
        regular_file(path, IMAGE_BYTES)
        text = path.read_text(encoding="utf-8-sig")
    except (LimitError, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not a text list in UTF-8 (byte {error.start}): save it as UTF-8"
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return [os.path.expanduser(line) for line in lines if line and not line.startswith("#")]
