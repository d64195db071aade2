"""The images, videos and bags that an input path stands for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ...io.suffixes import READABLE_SUFFIXES, VIDEO_SUFFIXES, is_bag

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
    """The input cannot be read."""


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
    if not path.exists():
        raise InputError(f"no such file or folder: {path}")
    kind = _kind(path)
    if kind is not None:
        return Inputs((Input(path, kind),))
    if path.is_dir():
        found = _in_folder(path, recursive, ours)
    elif path.suffix.lower() in LIST_SUFFIXES:
        found = _in_list(path, recursive, ours)
    else:
        raise InputError(f"{path} is {_unknown(path)}, nor a folder or a .txt list")
    if not found.items and not found.missing:
        inside = f" ({len(found.skipped)} other files)" if found.skipped else ""
        hint = "" if recursive or path.is_file() else "; --recursive looks into its sub-folders"
        raise InputError(f"no image, video or bag in {path}{inside}{hint}")
    return found


def _kind(path: Path) -> InputKind | None:
    if is_bag(path):
        return InputKind.BAG
    suffix = path.suffix.lower()
    if path.is_file() and suffix in READABLE_SUFFIXES:
        return InputKind.IMAGE
    return InputKind.VIDEO if path.is_file() and suffix in VIDEO_SUFFIXES else None


def _unknown(path: Path) -> str:
    return f"no image, video or bag (suffix {path.suffix!r})"


def _in_folder(root: Path, recursive: bool, ours: frozenset[Path]) -> Inputs:
    items, skipped = [], []
    for path in _walk(root, recursive):
        if path.resolve() in ours:
            continue
        kind = _kind(path)
        if kind is not None:
            items.append(Input(path, kind, path.parent.relative_to(root)))
        elif path.is_file():
            skipped.append((path, _unknown(path)))
    return Inputs(tuple(items), tuple(skipped))


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


def _in_list(path: Path, recursive: bool, ours: frozenset[Path]) -> Inputs:
    items, skipped, missing = [], [], []
    for named in _lines(path):
        entry = path.parent / named
        if not entry.exists() and Path(named).exists():
            entry = Path(named)
        kind = _kind(entry)
        if kind is not None:
            items.append(Input(entry, kind))
        elif entry.is_dir():
            inside = _in_folder(entry, recursive, ours)
            items += inside.items
            skipped += inside.skipped
        elif entry.exists():
            missing.append((entry, _unknown(entry)))
        else:
            missing.append((entry, "no such file"))
    first: dict[Path, Input] = {}
    for item in items:
        first.setdefault(item.path.resolve(), item)
    return Inputs(tuple(first.values()), tuple(skipped), tuple(missing))


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text list in UTF-8: {error}") from error
    lines = (line.strip() for line in text.splitlines())
    return [os.path.expanduser(line) for line in lines if line and not line.startswith("#")]
