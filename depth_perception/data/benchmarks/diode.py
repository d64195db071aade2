"""DIODE, 771 validation images: NAME.png, NAME_depth.npy and NAME_depth_mask.npy side by side.

The data set has no list; a list of lines ``image depth mask`` selects frames.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...io.depth_files import DepthReadError
from .files import BenchmarkReader, FrameFiles, listed

MAX_SLOPE_M = 0.3
"""Published limit of |Sobel down| + |Sobel across| of the depth; the scanner smears at edges."""

_DEPTH_RANGE_M = (0.6, 350.0)


def diode(
    root: str | Path, listing: str | Path | None = None, *, max_slope_m: float | None = MAX_SLOPE_M
) -> BenchmarkReader:
    """DIODE without smeared edges, see :func:`diode_valid`; ``max_slope_m=None`` keeps them.

    Raises:
        FileNotFoundError, ValueError: the list is missing or short, or there are no frames.
    """
    root = Path(root)
    if listing is not None:
        files = listed(root, listing, least_words=3)
    elif not root.is_dir():
        raise FileNotFoundError(f"no folder {root}")
    else:
        files = []
        for depth in sorted(root.rglob("*_depth.npy")):
            image = depth.with_name(f"{depth.name.removesuffix('_depth.npy')}.png")
            mask = depth.with_name(f"{image.stem}_depth_mask.npy").relative_to(root).as_posix()
            files.append(FrameFiles(image, depth, (mask,)))

    def depth_of(frame: FrameFiles, _size: tuple[int, int]) -> np.ndarray:
        depth = torch.from_numpy(_array(frame.depth)).float()
        mask = torch.from_numpy(_array(root / frame.words[0]))
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


def _array(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DepthReadError(f"cannot read {path}: {error}") from error
