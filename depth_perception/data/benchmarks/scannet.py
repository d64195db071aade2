"""ScanNet, the 800 pictures that are used as a benchmark: ``image depth``, PNG in millimetres."""

from __future__ import annotations

from pathlib import Path

from .files import BenchmarkReader, listed, png_depth


def scannet(root: str | Path, listing: str | Path | None = None) -> BenchmarkReader:
    """ScanNet with pictures at the size of the depth.

    Raises:
        FileNotFoundError, ValueError: the list is missing, unclear or empty.
    """
    return BenchmarkReader(Path(root), listed(root, listing), png_depth(1000))
