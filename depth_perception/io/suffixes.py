"""Kinds of files by their names. Importing this module loads no library."""

from __future__ import annotations

from pathlib import Path

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".jpeg", ".jpg", ".png", ".pgm", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
)
# further formats that OpenCV reads where it was built with the codec
READABLE_SUFFIXES = IMAGE_SUFFIXES | frozenset(
    (".avif", ".dib", ".gif", ".jp2", ".jpe", ".pbm", ".pxm", ".ras", ".sr")
)
VIDEO_SUFFIXES = frozenset((".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"))
BAG_FILE_SUFFIXES = frozenset((".mcap", ".db3"))


def is_bag(path: str | Path) -> bool:
    """Whether a path is a folder with metadata.yaml, or an .mcap or .db3 file."""
    path = Path(path)
    if path.is_dir():
        return (path / "metadata.yaml").is_file()
    return path.is_file() and path.suffix.lower() in BAG_FILE_SUFFIXES
