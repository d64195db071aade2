"""Benchmarks of pinhole depth, in the layouts in which they are published.

Those of Pixel-Perfect Depth are here, those of ScaleDepth in :mod:`.zero_shot`. A list in a text
file names the files of every frame, relative to the root: ``image depth`` and more words, which are
ignored except for KITTI and DIODE.

| name | frames | depth |
|---|---|---|
| nyu | 654 test images, ``image depth filled`` | PNG, mm, raw, without filled holes |
| scannet | 800 images at the size of the depth | PNG, mm |
| kitti | 652 test images of Eigen et al. with depth, ``image depth [focal]`` | PNG, 1/256 m |
| eth3d | 454 images at high resolution, not rectified | float32 without header, files ``.JPG`` |
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...io.arrays import ArrayReadError, read_array
from ...io.depth_files import DepthReadError
from .files import (
    BenchmarkReader,
    FrameFiles,
    OpenBenchmark,
    focal_camera,
    folder,
    listed,
    open_listed,
    png_depth,
)

MAX_SLOPE_M = 0.3
"""Published limit of |Sobel down| + |Sobel across| of the depth; the scanner smears at edges."""

_DEPTH_RANGE_M = (0.6, 350.0)


def diode(
    root: str | Path, listing: str | Path | None = None, *, max_slope_m: float | None = MAX_SLOPE_M
) -> BenchmarkReader:
    """DIODE, 771 validation images: NAME.png, NAME_depth.npy and NAME_depth_mask.npy side by side.

    Without a list (lines ``image depth mask``) all frames are read. Smeared edges are unknown, see
    :func:`diode_valid`; ``max_slope_m=None`` keeps them.

    Raises:
        FileNotFoundError, ValueError: the list is missing or short, or there are no frames.
    """
    root = Path(root)
    if listing is not None:
        files = listed(root, listing, least_words=3)
    else:
        files = []
        for depth in sorted(folder(root).rglob("*_depth.npy")):
            image = depth.with_name(f"{depth.name.removesuffix('_depth.npy')}.png")
            mask = depth.with_name(f"{image.stem}_depth_mask.npy").relative_to(root).as_posix()
            files.append(FrameFiles(image, depth, (mask,)))

    def depth_of(frame: FrameFiles, _size: tuple[int, int]) -> np.ndarray:
        depth = torch.from_numpy(_read_array(frame.depth)).float()
        mask = torch.from_numpy(_read_array(root / frame.words[0]))
        if depth.ndim != 3 or depth.shape[:2] != mask.shape:
            sizes = f"{tuple(depth.shape)} with a mask of {tuple(mask.shape)}"
            raise DepthReadError(f"{frame.depth} is {sizes}; expected (H, W, 1) and (H, W)")
        depth = depth[..., 0]
        return torch.where(diode_valid(depth, mask == 1, max_slope_m), depth, 0).numpy()

    return BenchmarkReader(root, files, depth_of)


def diode_valid(depth: Tensor, mask: Tensor, max_slope_m: float | None = MAX_SLOPE_M) -> Tensor:
    """(H, W) bool, valid pixels: in the mask, finite, 0.6 to 350 m, not at a smeared edge.

    Args:
        depth: (H, W) float32 metres as published, NaN where unknown.
        mask: (H, W) bool, the mask as published.
        max_slope_m: limit of the sum of both Sobel filters; None for no limit. A slope next to
            an unknown pixel is unknown and, as published, does not exceed it.
    """
    low, high = _DEPTH_RANGE_M
    valid = mask & depth.isfinite() & (depth >= low) & (depth <= high)
    if max_slope_m is None:
        return valid
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    kernels = torch.stack((across.T, across))[:, None].to(depth)
    slopes = F.conv2d(F.pad(depth[None, None], (1, 1, 1, 1), mode="replicate"), kernels)
    return valid & ~(slopes[0].abs().sum(0) > max_slope_m)


def _read_array(path: Path) -> np.ndarray:
    try:
        return read_array(path)
    except ArrayReadError as error:
        raise DepthReadError(str(error)) from error


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

BENCHMARKS: Mapping[str, OpenBenchmark] = {
    "nyu": nyu, "kitti": kitti, "eth3d": eth3d, "scannet": scannet, "diode": diode,
}  # fmt: skip
"""Readers by name, called with the root and the list; None takes the one list in the root."""
