"""Sampling an image along viewing directions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from .camera import Camera

Mode = Literal["nearest", "bilinear"]


@dataclass(frozen=True, eq=False)
class SamplingGrid:
    """The position in a source image from which each pixel of a new image is sampled.

    Attributes:
        height, width: size of the source.
        wraps: whether the left and right border of the source are neighbours.
        u, v: (h, w) pixel positions in the source, pixel centres at +0.5; float, on one device.
        valid: (h, w) bool, false where the direction is outside the source.
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
        return cls.at(source, *source.project(directions))

    @classmethod
    def at(
        cls, source: Camera, u: Tensor, v: Tensor, visible: Tensor | None = None
    ) -> SamplingGrid:
        """The grid that reads ``source`` at pixel positions (h, w), where also ``visible`` is."""
        seen = source.contains(u, v) if visible is None else source.contains(u, v) & visible
        u, v = (torch.where(seen, place, torch.zeros_like(place)) for place in (u, v))
        return cls(source.height, source.width, source.is_full_turn, u, v, seen)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> SamplingGrid:
        """The grid on another device; ``dtype`` is that of the positions."""
        u, v = self.u.to(device, dtype), self.v.to(device, dtype)
        return replace(self, u=u, v=v, valid=self.valid.to(device))

    def sample(self, image: Tensor, mode: Mode = "bilinear", fill: float = 0.0) -> Tensor:
        """The new image (..., h, w) from the source ``image`` (..., H, W), same dtype and device.

        Bilinear samples wrap around if the source wraps, and repeat its border elsewhere and at
        the poles; integers are rounded. Nearest samples keep the values. Pixels outside the source
        become ``fill``.

        Raises:
            ValueError: the image is not of the source's size, or the mode is unknown.
        """
        found, source = tuple(image.shape[-2:]), (self.height, self.width)
        if found != source:
            raise ValueError(f"image is {found} but the grid was made for {source}")
        if mode not in ("nearest", "bilinear"):
            raise ValueError(f"mode must be 'nearest' or 'bilinear', got {mode!r}")
        samples = self._nearest(image) if mode == "nearest" else self._bilinear(image)
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


def on_grid(values: Tensor, height: int, width: int) -> Tensor:
    """A map (H, W) of the same view on another grid, by the nearest pixel."""
    rows, columns = values.shape
    if (rows, columns) == (height, width):
        return values
    v = ((torch.arange(height, device=values.device) + 0.5) * rows / height).long()
    u = ((torch.arange(width, device=values.device) + 0.5) * columns / width).long()
    return values[v[:, None], u[None, :]]


def read_bilinear(image: Tensor, grid: Tensor, *, on_borders: bool = False) -> Tensor:
    """Sample (..., H, W) at ``grid`` (h, w, 2), repeating the border.

    The extremes +-1 of the coordinates (x, y) are the image borders, or with ``on_borders`` the
    centres of the outermost pixels. The result (..., h, w) is float64 for such images, else
    float32: half precision cannot resolve the columns of a wide image.
    """
    working = image if image.dtype == torch.float64 else image.float()
    samples = grid_sample(
        working.reshape(1, -1, *image.shape[-2:]),
        grid[None].to(working),
        padding_mode="border",
        align_corners=on_borders,
    )
    return samples.reshape(*image.shape[:-2], *grid.shape[:2])
