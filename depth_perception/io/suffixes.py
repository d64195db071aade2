"""Kinds of files by their names and first bytes. Importing this module loads no library."""

from __future__ import annotations

import re
from pathlib import Path

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".jpeg", ".jpg", ".png", ".pgm", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
)
HEIF_SUFFIXES = frozenset((".heic", ".heics", ".heif", ".heifs", ".hif"))
# further formats that are read where the libraries were built with the codec
READABLE_SUFFIXES = (
    IMAGE_SUFFIXES | HEIF_SUFFIXES | {".avif", ".dib", ".gif", ".insp", ".jfif", ".jp2", ".jpe"}
) | {".pbm", ".pxm", ".ras", ".sr", ".tga"}
VIDEO_SUFFIXES = frozenset(
    (
        *(".3gp", ".360", ".avi", ".insv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"),
        *(".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"),
    )
)
BAG_FILE_SUFFIXES = frozenset((".mcap", ".db3", ".bag"))

MCAP_MAGIC, SQLITE_MAGIC, ROS1_MAGIC = b"\x89MCAP0\r\n", b"SQLite format 3\0", b"#ROSBAG V"
_BAG_MAGICS = (MCAP_MAGIC, ROS1_MAGIC)  # there are other databases
# Not those of TIFF, which raw photos have too, nor of BMP, which are two letters.
_IMAGE_MAGICS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"\0\0\0\x0cjP  ")
_VIDEO_MAGICS = (b"\x1aE\xdf\xa3", b"\0\0\x01\xba", b"\x30\x26\xb2\x75")
_HEAD_BYTES = 32


def is_bag(path: str | Path) -> bool:
    """Whether a path is a folder with metadata.yaml, or an .mcap, .db3 or (ROS 1) .bag file."""
    path = Path(path)
    if path.is_dir():
        return (path / "metadata.yaml").is_file()
    return path.is_file() and path.suffix.lower() in BAG_FILE_SUFFIXES


def bags_inside(path: str | Path) -> list[Path]:
    """The bags that a folder holds, by name; empty for anything else."""
    path = Path(path)
    return [p for p in sorted(path.iterdir(), key=by_number) if is_bag(p)] if path.is_dir() else []


def kind_by_content(path: Path) -> str | None:
    """ "image", "video" or "bag" by the first bytes of a regular file; None for other content."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_BAG_MAGICS):
        return "bag"
    if head.startswith(_IMAGE_MAGICS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    if head[4:8] == b"ftyp":
        return "image" if head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"avif") else "video"
    if head.startswith(_VIDEO_MAGICS) or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return "video"
    return None


def by_number(path: Path) -> list[tuple[bool, int, str]]:
    """Sorting key of names whose numbers count as numbers: 2.png before 10.png."""
    parts = [part for part in re.split(r"([0-9]+)", path.name) if part]
    return [(False, int(part), part) if part.isdecimal() else (True, 0, part) for part in parts]
