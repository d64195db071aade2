"""Data sets of panoramas for training and evaluation of PanDA (CVPR 2025), in their own layouts.

With range (:func:`open_panoramas`):

| name | class | files | unit |
|---|---|---|---|
| ``structured3d`` | :class:`Structured3D` | PNG, 16 bits | mm |
| ``deep360`` | :class:`Deep360` | NPZ, Cassini projection | m |
| ``matterport3d`` | :class:`Matterport3D` | PNG, 16 bits | 1/4000 m |
| ``stanford2d3d`` | :class:`Stanford2D3D` | PNG, 16 bits | 1/512 m |

Images only (:func:`open_images`), for pseudo labels: ``zind``, ``360x``, ``diverse360`` and
the images of ``worlds``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...geometry import Equirectangular, SamplingGrid
from ..files import write_lines, write_rgb
from ..frames import Frame
from .images import Diverse360, PanoramaImages, Views360x, WorldImages, Zind
from .readers import Deep360, Matterport3D, Panoramas, Stanford2D3D, Structured3D

PANORAMAS: dict[str, type[Panoramas]] = {
    "structured3d": Structured3D,
    "deep360": Deep360,
    "matterport3d": Matterport3D,
    "stanford2d3d": Stanford2D3D,
}
PANORAMA_IMAGES: dict[str, type[PanoramaImages]] = {
    "zind": Zind,
    "360x": Views360x,
    "diverse360": Diverse360,
}


def open_panoramas(
    name: str,
    root: str | Path,
    split: str = "train",
    *,
    listing: str | Path | None = None,
    max_range_m: float | None = None,
) -> Panoramas:
    """The reader of a data set with range; for further errors see :class:`Panoramas`.

    Raises:
        KeyError: no such data set.
    """
    return _known(PANORAMAS, name)(root, split, listing=listing, max_range_m=max_range_m)


def open_images(
    name: str, root: str | Path, *, listing: str | Path | None = None
) -> PanoramaImages:
    """The reader of panoramas without range; for further errors see :class:`PanoramaImages`.

    In addition to :data:`PANORAMA_IMAGES` it supports ``worlds``, without their range.

    Raises:
        KeyError: no such data set.
    """
    return _known({**PANORAMA_IMAGES, "worlds": WorldImages}, name)(root, listing=listing)


def _known(readers: dict, name: str) -> type:
    if name not in readers:
        raise KeyError(f"no data set {name!r}; known: {', '.join(readers)}")
    return readers[name]


def write_panoramas(
    name: str, root: str | Path, frames: Iterable[Frame], split: str = "train"
) -> Path:
    """Write frames as a data set of :data:`PANORAMAS` and a list of them, ``SPLIT.txt``.

    Deep360 is written in Cassini projection, by nearest samples.

    Args:
        frames: objects with ``rgb`` (3, H, 2 H) uint8 and ``range_m`` (H, 2 H), 0 where unknown.

    Returns:
        the list.
    """
    root, reader = Path(root), PANORAMAS[name]
    lines = []
    for number, frame in enumerate(frames):
        image, depth = reader.place(split, number)
        rgb, range_m = frame.rgb, frame.range_m.float()
        if name == "deep360":
            grid = _to_cassini(range_m.shape[0])
            rgb, range_m = grid.sample(rgb, "nearest"), grid.sample(range_m, "nearest")
        write_rgb(root / image, rgb)
        reader.write_range(root / depth, range_m.cpu().numpy())
        lines.append(f"{image} {depth}")
    write_lines(root / f"{split}.txt", lines)
    return root / f"{split}.txt"


def write_panorama_images(name: str, root: str | Path, images: Iterable[Tensor]) -> None:
    """Write images (3, H, W) uint8 as a data set of :data:`PANORAMA_IMAGES`."""
    for number, rgb in enumerate(images):
        write_rgb(Path(root) / PANORAMA_IMAGES[name].place(number), rgb)


def _to_cassini(width: int) -> SamplingGrid:
    """The grid that reads a Cassini panorama (2 width, width) from an equirectangular one."""
    along = torch.linspace(-math.pi, math.pi, 2 * width, dtype=torch.float64)
    across = torch.linspace(-math.pi / 2, math.pi / 2, width, dtype=torch.float64)
    along, across = torch.meshgrid(along, across, indexing="ij")
    rays = (across.sin(), across.cos() * along.sin(), across.cos() * along.cos())
    return SamplingGrid.of(Equirectangular(width, 2 * width), torch.stack(rays, -1))


def resize_cubic(rgb: Tensor, height: int) -> Tensor:
    """(3, H, W) uint8 to (3, height, 2 height) uint8 as in PanDA: cubic, without antialiasing."""
    if tuple(rgb.shape[1:]) == (height, 2 * height):
        return rgb
    pixels = np.ascontiguousarray(rgb.permute(1, 2, 0).numpy())
    pixels = cv2.resize(pixels, (2 * height, height), interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def nearest_map(values: Tensor, height: int) -> Tensor:
    """(H, W) float32 to (height, 2 height), nearest sample of OpenCV, as in PanDA."""
    if tuple(values.shape) == (height, 2 * height):
        return values
    size = (2 * height, height)
    return torch.from_numpy(cv2.resize(values.numpy(), size, interpolation=cv2.INTER_NEAREST))
