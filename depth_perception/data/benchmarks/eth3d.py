"""ETH3D high resolution, 454 pictures: ``image depth``; depth is bare float32 in a file ``.JPG``.

Pictures and depth are 6048 x 4032. The pictures are not rectified, so that no camera is given.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...io.depth_files import DepthReadError
from .files import BenchmarkReader, FrameFiles, listed


def eth3d(root: str | Path, listing: str | Path | None = None) -> BenchmarkReader:
    """ETH3D; depth that is not finite is unknown.

    Raises:
        FileNotFoundError, ValueError: the list is missing, unclear or empty.
    """
    return BenchmarkReader(Path(root), listed(root, listing), _depth)


def _depth(files: FrameFiles, size: tuple[int, int]) -> np.ndarray:
    path = files.depth
    if not path.is_file():
        raise DepthReadError(f"cannot read {path}: no such file")
    expected, found = 4 * size[0] * size[1], path.stat().st_size
    if found != expected:
        raise DepthReadError(
            f"{path} has {found} bytes; bare float32 for its picture of {size} (height, width) "
            f"takes {expected}"
        )
    depth = np.fromfile(path, "<f4").reshape(size)
    return np.where(np.isfinite(depth), depth, 0)
