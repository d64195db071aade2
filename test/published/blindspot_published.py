"""Samplers and options of the published programs of the blind-spot system, defects included.

They reproduce published numbers; ``geometry.stereo`` has the correct geometry. Known defects:
columns are interpolated, rows are not (so no gradient reaches the row); a row outside the picture
is read in its neighbour in memory, which may be another picture of the batch; the equirectangular
one folds what lies behind the camera to the front, has no seam, and puts pixel centres at whole
numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from depth_perception.geometry.stereo import Warped
from depth_perception.training.blindspot.photometric import PhotometricOptions

PORT = PhotometricOptions(
    pyramid="nearest",
    ssim_border="cut",
    gradient_border="repeat",
    both_sides=False,
    masked=False,
    solid_angle=False,
)
"""The PyTorch port: the sum misses the right view; use with the compat samplers."""


TENSORFLOW = PhotometricOptions(
    ssim_border="cut",
    gradient_border="cut",
    smooth_rows=False,
    masked=False,
    solid_angle=False,
)
"""The TensorFlow original: smooth along the rows only; use with the compat samplers."""


Border = Literal["border", "edge"]
"""Outside: ``border`` fades into black over one pixel, ``edge`` repeats the outermost column."""


@dataclass(frozen=True)
class CompatRectilinear:
    """The pair of monodepth (Godard et al., CVPR 2017): the sampler of its bilinear warp.

    Attributes:
        other_is_right: whether the other camera stands to the right of this one.
        border: what lies outside.
    """

    other_is_right: bool = True
    border: Border = "border"
    wraps = False

    @property
    def swapped(self) -> CompatRectilinear:
        return replace(self, other_is_right=not self.other_is_right)

    def resize(self, height: int, width: int) -> CompatRectilinear:
        return self

    def positions(self, disparity: Tensor) -> tuple[Tensor, Tensor]:
        """Column and row (B, H, W) in the other view, pixel centres at whole numbers."""
        x, y = _whole_pixels(disparity)
        offset = disparity[:, 0] * (-1 if self.other_is_right else 1)
        return x + offset * disparity.shape[-1], y.expand_as(offset)

    def warp(self, other: Tensor, disparity: Tensor) -> Warped:
        """As :meth:`~.stereo.StereoGeometry.warp`; every pixel counts as valid."""
        return _warp(other, *self.positions(disparity), disparity, self.border)

    def weights(self, like: Tensor) -> None:
        return None

    def sensitivity(self, like: Tensor) -> None:
        return None


@dataclass(frozen=True)
class CompatEquirectangular(CompatRectilinear):
    """The pair of Payen de La Garanderie et al. (ECCV 2018).

    Attributes:
        fov: angle that the image width covers, radians; rows have the same density.
    """

    fov: float = math.radians(82.5)

    def positions(self, disparity: Tensor) -> tuple[Tensor, Tensor]:
        """Column and row (B, H, W) in the other view, pixel centres at whole numbers."""
        height, width = disparity.shape[-2:]
        density = width / self.fov
        x, y = _whole_pixels(disparity)
        # In this order the rounding, and so the row, is most often that of the original.
        tangent = torch.tan(x / density - width / 2 / density)
        ray_y = torch.sin(y / density - height / 2 / density)
        ray_x = torch.sqrt((1 - ray_y.square()) / (1 + tangent.square())) * tangent
        ray_z = torch.sqrt(1 - ray_x.square() - ray_y.square())
        offset = disparity[:, 0] * (-1 if self.other_is_right else 1)
        moved = ray_x + offset * width / density
        length = torch.sqrt(moved.square() + ray_y.square() + ray_z.square())
        column = density * torch.atan(moved / ray_z) + width / 2
        return column, density * torch.asin(ray_y / length) + height / 2


def _whole_pixels(disparity: Tensor) -> tuple[Tensor, Tensor]:
    height, width = disparity.shape[-2:]
    y = torch.arange(height, dtype=disparity.dtype, device=disparity.device)
    x = torch.arange(width, dtype=disparity.dtype, device=disparity.device)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return grid_x, grid_y


def _warp(other: Tensor, x: Tensor, y: Tensor, disparity: Tensor, border: Border) -> Warped:
    if border == "border":
        other, x, y = torch.nn.functional.pad(other, (1, 1, 1, 1)), x + 1, y + 1
    elif border != "edge":
        raise ValueError(f"border must be 'border' or 'edge', got {border!r}")
    batch, channels, height, width = other.shape
    x = x.clamp(0, width - 1)
    left = x.detach().floor()
    right = (left + 1).clamp(max=width - 1)
    pixels = other.permute(0, 2, 3, 1).reshape(-1, channels)
    first = torch.arange(batch, device=x.device)[:, None, None] * (height * width)
    row = first + y.detach().floor().long() * width

    def read(column: Tensor) -> Tensor:
        index = (row + column.long()).clamp(0, len(pixels) - 1)
        return pixels[index].permute(0, 3, 1, 2)

    image = (left + 1 - x)[:, None] * read(left) + (x - left)[:, None] * read(right)
    return Warped(image, torch.ones_like(disparity, dtype=torch.bool), disparity)


def area_resized(image: Tensor, height: int, width: int) -> Tensor:
    """(3, H, W) float to a smaller size by area averaging."""
    planes = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    smaller = cv2.resize(planes, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(smaller).permute(2, 0, 1).contiguous()


def scaled_disparity(
    disparity: Tensor, *, baseline_m: float, network_turn_px: float, image_turn_px: float
) -> Tensor:
    """What the authors' scripts save: (W / pi) / B * (W / w) * d; depth is (W / pi) over it."""
    width = image_turn_px
    return disparity * (width / math.pi / baseline_m * width / network_turn_px)
