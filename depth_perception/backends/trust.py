"""Which folders and files of graphs are opened: those that only their user could have written."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

try:
    import grp
    import pwd
except ImportError:  # Windows
    grp = pwd = None  # type: ignore[assignment]

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def untrusted(folder: Path) -> str:
    """Why others could have written to a folder, its files or its place; "" if they could not.

    Owners that are trusted are the user of this process and root, for the folder and those above
    it: who owns one of these can put another in its place. Those above it may be writable for a
    group that has no other members: root's, and the primary one of the user if it has the user's
    name, as Debian and Fedora make them. A folder that does not exist is judged by those above it.
    Folders with the sticky bit, such as ``/tmp``, may be writable: what others own in them cannot
    be replaced, and is found by its owner.
    """
    if not hasattr(os, "geteuid"):  # Windows: the folders of users are private
        return ""
    if reason := _fault(folder):
        return reason
    above = (*Path(os.path.abspath(folder)).parents, *Path(os.path.realpath(folder)).parents)
    for parent in dict.fromkeys(above):
        if reason := _fault(parent, is_above=True):
            return reason
    return ""


def untrusted_entry(entry: Path) -> str:
    """Like :func:`untrusted` for a folder inside a trusted one, and everything in it."""
    if not hasattr(os, "geteuid"):
        return ""
    for path in (entry, *sorted(entry.rglob("*"))):
        if path.is_symlink():
            return f"{path} is a link"
        if reason := _fault(path):
            return reason
    return ""


def _fault(path: Path, *, is_above: bool = False) -> str:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path} cannot be examined ({error.strerror})"
    if found.st_uid not in (os.geteuid(), 0):
        return f"{path} is owned by user {found.st_uid}, not by user {os.geteuid()}"
    others = _OTHERS_WRITE
    if is_above and _is_private_group(found.st_gid):
        others = stat.S_IWOTH
    if found.st_mode & others and not found.st_mode & stat.S_ISVTX:
        return f"{path} is writable by others (mode {stat.S_IMODE(found.st_mode):04o})"
    return ""


def _is_private_group(group: int) -> bool:
    """Whether a group is root's, or the user's primary one with the user's name and nobody else."""
    if group == 0 or group != os.getegid():
        return group == 0
    try:
        found, user = grp.getgrgid(group), pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container without names of users: the numbers are equal by custom
        return group == os.geteuid()
    return found.gr_name == user and {*found.gr_mem} <= {user}


def make_private(path: Path) -> None:
    """Take the permission to write to a file or folder of this user from group and others."""
    if hasattr(os, "geteuid") and path.exists() and not path.is_symlink():
        found = path.stat()
        if found.st_uid == os.geteuid() and found.st_mode & _OTHERS_WRITE:
            path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS_WRITE)


def hashes(folder: Path) -> Iterator[tuple[str, str]]:
    """(name relative to the folder, hash) of all files below a folder, in order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), _hash(path)


def _hash(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
    return digest.hexdigest()
