"""Four of the five benchmarks of Pixel-Perfect Depth; :mod:`.diode` is the fifth.

A list in a text file names the files of every frame, relative to the root: ``image depth`` and
more words, which are ignored except for KITTI.

| name | frames | depth |
|---|---|---|
| nyu | 654 test images, ``image depth filled`` | PNG, mm, raw, without filled holes |
| scannet | 800 images at the size of the depth | PNG, mm |
| kitti | 652 test images of Eigen et al. with depth, ``image depth [focal]`` | PNG, 1/256 m |
| eth3d | 454 images at high resolution, not rectified | float32 without header, files ``.JPG`` |
"""

from __future__ import annotations

import numpy as np

from ...io.depth_files import DepthReadError
from .files import FrameFiles, focal_camera, open_listed, png_depth


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
