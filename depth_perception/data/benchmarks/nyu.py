"""NYU Depth v2, the 654 test pictures: ``image depth filled`` in a list, PNG in millimetres."""

from __future__ import annotations

from pathlib import Path

from .files import BenchmarkReader, listed, png_depth


def nyu(root: str | Path, listing: str | Path | None = None) -> BenchmarkReader:
    """NYU Depth v2; the truth is the raw depth, not the one with filled holes.

    Raises:
        FileNotFoundError, ValueError: the list is missing, unclear or empty.
    """
    return BenchmarkReader(Path(root), listed(root, listing), png_depth(1000))
