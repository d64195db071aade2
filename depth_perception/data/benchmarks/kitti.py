"""KITTI, the test pictures of Eigen et al.: ``image depth [focal]`` in a list, PNG in 1/256 m.

Of the 697 lines, 45 have ``None`` for the depth, which leaves 652 frames.
"""

from __future__ import annotations

from pathlib import Path

from ...geometry import Pinhole
from .files import BenchmarkReader, FrameFiles, listed, png_depth


def kitti(root: str | Path, listing: str | Path | None = None) -> BenchmarkReader:
    """KITTI; where the list has a focal length, the principal point is taken to be in the middle.

    Raises:
        FileNotFoundError, ValueError: the list is missing, unclear or empty.
    """
    return BenchmarkReader(Path(root), listed(root, listing), png_depth(256), focal_camera)


def focal_camera(files: FrameFiles, size: tuple[int, int]) -> Pinhole | None:
    """The camera whose focal length is the third word of a line, its axis in the middle.

    Raises:
        ValueError: it is no number.
    """
    if not files.words:
        return None
    try:
        focal = float(files.words[0])
    except ValueError as error:
        raise ValueError(
            f"the list gives {files.words[0]!r} as the focal length of {files.image}"
        ) from error
    height, width = size
    return Pinhole(height, width, focal, focal, width / 2, height / 2)
