"""Benchmarks of pinhole depth, in the layouts in which they are published.

Those of Pixel-Perfect Depth are here and in :mod:`.diode`, those of ScaleDepth in
:mod:`.zero_shot`. A list in a text file names the files of every frame, relative to the root:
``image depth`` and more words, which are ignored except for KITTI.

| name | frames | depth |
|---|---|---|
| nyu | 654 test images, ``image depth filled`` | PNG, mm, raw, without filled holes |
| scannet | 800 images at the size of the depth | PNG, mm |
| kitti | 652 test images of Eigen et al. with depth, ``image depth [focal]`` | PNG, 1/256 m |
| eth3d | 454 images at high resolution, not rectified | float32 without header, files ``.JPG`` |
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from ...io.depth_files import DepthReadError
from .diode import diode
from .files import (
    BenchmarkReader,
    FrameFiles,
    OpenBenchmark,
    focal_camera,
    open_listed,
    png_depth,
)
from .zero_shot import ZERO_SHOT

__all__ = [
    "BENCHMARKS", "ZERO_SHOT", "BenchmarkReader",
    "diode", "eth3d", "kitti", "nyu", "scannet",
]  # fmt: skip


def _eth3d_depth(files: FrameFiles, size: tuple[int, int]) -> np.ndarray:
    path = files.depth
    if not path.is_file():
        raise DepthReadError(f"cannot read {path}: no such file")
    expected, found = 4 * size[0] * size[1], path.stat().st_size
    if found != expected:
        rule = f"float32 for its image of {size} (height, width) takes {expected}"
        raise DepthReadError(f"{path} has {found} bytes; {rule}")
    depth = np.fromfile(path, "<f4").reshape(size)
    return np.where(np.isfinite(depth), depth, 0)


nyu = open_listed(png_depth(1000))
scannet = open_listed(png_depth(1000))
kitti = open_listed(png_depth(256), focal_camera)
eth3d = open_listed(_eth3d_depth)

BENCHMARKS: Mapping[str, OpenBenchmark] = MappingProxyType(
    {"nyu": nyu, "kitti": kitti, "eth3d": eth3d, "scannet": scannet, "diode": diode}
)
"""Readers by name, called with the root and the list; None takes the one list in the root."""
