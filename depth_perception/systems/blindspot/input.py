"""Resampling of panoramas to the input of the blind-spot VGG.

Its training images show 82.5 degrees in 512 columns but 29.7 degrees in 256 rows: the network
expects panoramas that are stretched vertically.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...geometry import Equirectangular
from .config import ANISOTROPY


@dataclass(frozen=True)
class NetworkView:
    """Mapping from an image to the network input.

    Attributes:
        rows, columns: size to which the whole image is resampled.
        top, bottom: range of the resampled rows that are passed to the network.
        pad_top, pad_right: zero padding up to the required multiples.
    """

    rows: int
    columns: int
    top: int
    bottom: int
    pad_top: int
    pad_right: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the input of the network."""
        return self.bottom - self.top + self.pad_top, self.columns + self.pad_right

    def fill(self, planes: Tensor) -> Tensor:
        """Input (B, C, *size) of the resampled image (B, C, rows, columns)."""
        return F.pad(planes[..., self.top : self.bottom, :], (0, self.pad_right, self.pad_top, 0))

    def restore(self, values: Tensor) -> Tensor:
        """Values (B, C, rows, columns) of the whole image from those of the input.

        Rows outside the input repeat the nearest row inside it.
        """
        seen = values[..., self.pad_top :, : self.columns]
        return F.pad(seen, (0, 0, self.top, self.rows - self.bottom), mode="replicate")

    def seen(self, height: int, device: torch.device) -> Tensor:
        """(height, 1) bool: which rows, of the image at this height, are in the input."""
        v = (torch.arange(height, device=device) + 0.5) * (self.rows / height)
        return ((v > self.top) & (v < self.bottom))[:, None]


def angular_view(
    camera: Equirectangular,
    *,
    turn_px: int,
    multiple: int,
    latitudes: tuple[float, float] | None,
    anisotropy: float = ANISOTROPY,
) -> NetworkView:
    """The view that samples a panorama as densely as ``turn_px`` columns sample a full turn.

    Full turns are resampled to a multiple of columns, not padded, so that their borders still meet.

    Args:
        camera: of the image.
        turn_px: columns of a full turn.
        multiple: the sides of the input are multiples of it.
        latitudes: (upper, lower) border of the network input, radians, downward from the horizon;
            None is the whole image.
        anisotropy: columns per radian divided by rows per radian.

    Raises:
        ValueError: the image has no rows between the latitudes.
    """
    if camera.is_full_turn:
        columns = max(1, round(turn_px / multiple)) * multiple
    else:
        columns = max(1, round(turn_px * camera.horizontal_fov / (2 * math.pi)))
    rows = max(1, round(columns * camera.vertical_fov / camera.horizontal_fov / anisotropy))
    top, bottom = 0, rows
    if latitudes is not None:
        per_row = camera.vertical_fov / rows
        top = max(0, math.floor((latitudes[0] - camera.latitude_min) / per_row + 1e-6))
        bottom = min(rows, math.ceil((latitudes[1] - camera.latitude_min) / per_row - 1e-6))
        if bottom <= top:
            raise ValueError(
                f"the image shows latitudes {math.degrees(camera.latitude_min):.1f} to "
                f"{math.degrees(camera.latitude_max):.1f} degrees, none of them between "
                f"{math.degrees(latitudes[0]):.1f} and {math.degrees(latitudes[1]):.1f}: set "
                "latitudes_deg, or None to use the whole image"
            )
    return NetworkView(rows, columns, top, bottom, (top - bottom) % multiple, (-columns) % multiple)


def authors_view(height: int, width: int, size: tuple[int, int], multiple: int) -> NetworkView:
    """The view of the authors' evaluation: the whole image, zeros on top.

    Args:
        height, width: of the image.
        size: their ``--input_height`` and ``--input_width``.
        multiple: the sides of the input are multiples of it.

    Raises:
        ValueError: the sides are not multiples, or the image is too high for them.
    """
    rows, columns = size
    if rows % multiple or columns % multiple:
        raise ValueError(f"authors_size must be multiples of {multiple}, got {rows} x {columns}")
    minor = int(columns / width * height / ANISOTROPY)
    if not 1 <= minor <= rows:
        needed = math.ceil(minor / multiple) * multiple
        raise ValueError(
            f"an image of {width} x {height} needs {minor} rows at {columns} columns, but "
            f"authors_size has {rows}: crop the image or take authors_size=({needed}, {columns})"
        )
    return NetworkView(minor, columns, 0, minor, rows - minor, 0)


def lanczos_planes(pixels: Tensor, view: NetworkView) -> Tensor:
    """(1, 3, rows, columns) in [0, 1] of pixels (H, W, 3) uint8, resampled as the authors do.

    Pillow works on the CPU and rounds to bytes.
    """
    from PIL import Image

    image = Image.fromarray(pixels.cpu().numpy())
    resized = image.resize((view.columns, view.rows), Image.LANCZOS)
    planes = torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None]
    return planes.to(pixels.device).float() / 255
