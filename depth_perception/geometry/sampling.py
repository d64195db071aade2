"""Reading an image along given viewing directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from .camera import Camera
from .exact import exact_dtype

Mode = Literal["nearest", "bilinear"]


@dataclass(frozen=True, eq=False)
class SamplingGrid:
    """Where every pixel of a new image reads in a source image.

    Attributes:
        height, width: size of the source.
        wraps: the left and right border of the source are neighbours.
        u, v: (h, w) pixel positions in the source, pixel centres at +0.5; float, on one device.
        valid: (h, w) bool, false where the source does not see the direction.
    """

    height: int
    width: int
    wraps: bool
    u: Tensor
    v: Tensor
    valid: Tensor

    @classmethod
    def of(cls, source: Camera, directions: Tensor) -> SamplingGrid:
        """The grid that reads ``source`` along ``directions`` (h, w, 3), any length."""
        u, v = source.project(directions)
        seen = (v >= 0) & (v <= source.height) & (u >= 0) & (u <= source.width)
        return cls(
            source.height,
            source.width,
            source.is_full_turn,
            torch.where(seen, u, torch.zeros_like(u)),
            torch.where(seen, v, torch.zeros_like(v)),
            seen,
        )

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> SamplingGrid:
        """The same grid on another device."""
        return SamplingGrid(
            self.height,
            self.width,
            self.wraps,
            self.u.to(device, dtype),
            self.v.to(device, dtype),
            self.valid.to(device),
        )

    def sample(self, image: Tensor, mode: Mode = "bilinear", fill: float = 0.0) -> Tensor:
        """The new image (..., h, w) from the source ``image`` (..., H, W), same dtype and device.

        Bilinear samples wrap around where the source does and repeat its border elsewhere (so
        also at the poles); integers are rounded. Nearest samples keep every value as it is.
        Pixels outside the source become ``fill``.

        Raises:
            ValueError: the image is not of the source's size, or the mode is unknown.
        """
        if tuple(image.shape[-2:]) != (self.height, self.width):
            raise ValueError(
                f"image is {tuple(image.shape[-2:])} but the grid was made for "
                f"({self.height}, {self.width})"
            )
        if mode == "nearest":
            samples = self._nearest(image)
        elif mode == "bilinear":
            samples = self._bilinear(image)
        else:
            raise ValueError(f"mode must be 'nearest' or 'bilinear', got {mode!r}")
        return torch.where(self.valid, samples, torch.full_like(samples, fill))

    def _nearest(self, image: Tensor) -> Tensor:
        column, row = self.u.floor().long(), self.v.floor().long()
        column = column % self.width if self.wraps else column.clamp(0, self.width - 1)
        return image[..., row.clamp(0, self.height - 1), column]

    def _bilinear(self, image: Tensor) -> Tensor:
        u, width = self.u, self.width
        planes = image.reshape(1, -1, self.height, width)
        if self.wraps:
            planes, u, width = pad(planes, (1, 1, 0, 0), mode="circular"), u + 1, width + 2
        grid = torch.stack((u * (2 / width) - 1, self.v * (2 / self.height) - 1), -1)
        samples = read_bilinear(planes, grid).reshape(*image.shape[:-2], *u.shape)
        return (samples if image.is_floating_point() else samples.round()).to(image.dtype)


def read_bilinear(image: Tensor, grid: Tensor, *, on_borders: bool = False) -> Tensor:
    """Sample (..., H, W) at ``grid`` (h, w, 2), repeating the border.

    The extremes +-1 of the coordinates (x, y) are the image borders, or with ``on_borders`` the
    centres of the outermost pixels. The result (..., h, w) is float64 for such images, else
    float32: half precision cannot tell the columns of a wide image apart.
    """
    working = image if image.dtype == torch.float64 else image.float()
    samples = grid_sample(
        working.reshape(1, -1, *image.shape[-2:]),
        grid[None].to(working),
        padding_mode="border",
        align_corners=on_borders,
    )
    return samples.reshape(*image.shape[:-2], *grid.shape[:2])


def rotate_panorama(
    image: Tensor, camera: Camera, rotation: Tensor, mode: Mode = "bilinear", fill: float = 0.0
) -> Tensor:
    """What the camera would see had it been turned.

    Args:
        image: (..., H, W) as seen by ``camera``; range maps stay exact, z-depth would not.
        camera: the camera before the turn; the result has the same one.
        rotation: (3, 3) from the turned to the unturned optical frame, see
            :func:`~depth_perception.geometry.rotations.view_rotation`. A yaw of k columns to the
            right moves the picture k columns to the left.
        mode: ``"bilinear"`` or ``"nearest"`` (for depth, masks and ids).
        fill: value of what a partial panorama did not see.

    Returns:
        (..., H, W), same dtype.
    """
    dtype = exact_dtype(image.device)
    directions = camera.rays(device=image.device, dtype=dtype) @ rotation.to(image.device, dtype).T
    return SamplingGrid.of(camera, directions).sample(image, mode, fill)
