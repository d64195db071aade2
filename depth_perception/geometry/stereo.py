"""Stereo pairs with a common orientation: the position of a pixel of one view in the other.

A pixel with unit viewing ray ``d`` and range ``r`` shows the point ``r d``. From a second camera at
``B t`` (baseline ``B`` metres along the unit vector ``t``, same axes) that point lies in the
direction ``r d - B t``, which is that of ``d - p t`` with the *parallax* ``p = B / r`` in radians.
A parallax of 0 is a point at infinity. Networks trained on stereo pairs return a
*disparity*, a share of the image width: of a panorama ``p = disparity * horizontal field of view``
(Payen de La Garanderie et al., ECCV 2018), of a pinhole image a shift of ``disparity * W`` pixels.

Images are (B, C, H, W) floats; disparity, parallax and range are (B, 1, H, W).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from .camera import pixel_centres
from .equirectangular import Equirectangular

RIGHT = (1.0, 0.0, 0.0)
"""The second camera stands to the right of the first (+x of the optical frame)."""
UP = (0.0, -1.0, 0.0)
"""The second camera stands above the first (-y of the optical frame)."""

_POLE = 1e-6  # of the unit range; closer to the vertical axis, longitude is undefined


@dataclass(frozen=True, eq=False)
class Warped:
    """This view synthesised from the image of the other view.

    Attributes:
        image: (B, C, H, W) sampled from the other view, in the dtype of that image.
        valid: (B, 1, H, W) bool, false where the direction is outside the other view.
        disparity: (B, 1, H, W) disparity of the same points in the other view. It differs from that
            of this view where a point is nearer to one of the cameras.
    """

    image: Tensor
    valid: Tensor
    disparity: Tensor


class StereoGeometry(Protocol):
    """One view of a pair, and the warp from the other view."""

    @property
    def wraps(self) -> bool:
        """Whether the left and the right border are neighbours."""

    @property
    def swapped(self) -> StereoGeometry:
        """The pair with the views exchanged."""

    def resize(self, height: int, width: int) -> StereoGeometry:
        """The pair on another pixel grid."""

    def warp(self, other: Tensor, disparity: Tensor) -> Warped:
        """Synthesise this view from the image ``other``, by the ``disparity`` of this view."""

    def weights(self, like: Tensor) -> Tensor | None:
        """(H, 1) solid angle of the pixels; None if all have equal weight."""

    def sensitivity(self, like: Tensor) -> Tensor | None:
        """(H, W) in [0, 1], motion of a pixel per parallax; None if it is the same everywhere."""


@dataclass(frozen=True)
class SphericalStereo:
    """A pair of equirectangular views, full or partial.

    Attributes:
        camera: the grid of both views.
        direction: unit vector from this camera to the other in the optical frame, as
            :data:`RIGHT` and :data:`UP`.
    """

    camera: Equirectangular
    direction: tuple[float, float, float] = RIGHT

    def __post_init__(self) -> None:
        is_unit = math.isclose(math.hypot(*self.direction), 1, abs_tol=1e-6)
        if len(self.direction) != 3 or not is_unit:
            rule = "direction must be a unit vector (x, y, z) such as RIGHT"
            raise ValueError(f"{rule}, got {self.direction}")

    @property
    def wraps(self) -> bool:
        return self.camera.is_full_turn

    @property
    def swapped(self) -> SphericalStereo:
        x, y, z = self.direction
        return replace(self, direction=(-x, -y, -z))

    def resize(self, height: int, width: int) -> SphericalStereo:
        return replace(self, camera=self.camera.resize(height, width))

    def rolled(self, columns: int) -> SphericalStereo:
        """The pair after both images are rolled ``columns`` to the right (``torch.roll``).

        Raises:
            ValueError: the panorama does not cover a full turn.
        """
        if not self.wraps:
            raise ValueError("only panorama pairs of a full turn can be rolled")
        angle = 2 * math.pi * columns / self.camera.width
        (x, y, z), c, s = self.direction, math.cos(angle), math.sin(angle)
        return replace(self, direction=(c * x + s * z, y, c * z - s * x))

    def range(self, disparity: Tensor, baseline_m: float) -> Tensor:
        """Range in metres of a disparity, infinite where it is 0.

        The formula is its own inverse: of a range it gives the disparity.
        """
        return baseline_m / (disparity * self.camera.horizontal_fov)

    def warp(self, other: Tensor, disparity: Tensor) -> Warped:
        """See :meth:`StereoGeometry.warp`; differentiable by image and disparity.

        Sampling is bilinear, across the seam on a full turn, and repeats the rows at the poles.
        """
        u, v, valid, ratio = self.positions(disparity * self.camera.horizontal_fov)
        image = read_pixels(other, u, v, wraps=self.wraps)
        return Warped(image, valid[:, None], disparity / ratio[:, None])

    def positions(self, parallax: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pixel positions in the other view (``u``, ``v``), validity and ratio of the ranges.

        All (B, H, W). The ratio is the range from the other camera over that from this one.

        Raises:
            ValueError: the map is not (B, 1, H, W) of the camera's grid.
        """
        height, width = self.camera.height, self.camera.width
        if parallax.ndim != 4 or tuple(parallax.shape[1:]) != (1, height, width):
            raise ValueError(
                f"a disparity map must be (B, 1, {height}, {width}), got "
                f"{tuple(parallax.shape)}; use resize(height, width) for another grid"
            )
        parallax = parallax if parallax.dtype == torch.float64 else parallax.float()
        rays = self.camera.rays(device=parallax.device, dtype=parallax.dtype)
        towards = rays.new_tensor(self.direction)
        points = rays - parallax[:, 0, ..., None] * towards
        x, _, z = points.unbind(-1)
        clear = x.square() + z.square() > _POLE**2  # false also for NaN
        points = torch.where(clear[..., None], points, rays)
        u, v = self.camera.project(points)
        valid = self.camera.contains(u, v) & clear
        return u, v, valid, torch.linalg.vector_norm(points, dim=-1)

    def weights(self, like: Tensor) -> Tensor:
        return self.camera.solid_angles(device=like.device, dtype=like.dtype)

    def sensitivity(self, like: Tensor) -> Tensor:
        """Sine of the angle between ray and baseline: 0 at the epipoles."""
        rays = self.camera.rays(device=like.device, dtype=like.dtype)
        along = rays @ rays.new_tensor(self.direction)
        return (1 - along.square()).clamp_min(0).sqrt()


@dataclass(frozen=True)
class RectilinearStereo:
    """A rectified pinhole pair: points move along their row only.

    Attributes:
        other_is_right: whether the other camera is to the right of this one.
    """

    other_is_right: bool = True
    wraps = False

    @property
    def swapped(self) -> RectilinearStereo:
        return RectilinearStereo(not self.other_is_right)

    def resize(self, height: int, width: int) -> RectilinearStereo:
        """The pair itself: disparities are shares of the image width."""
        return self

    def warp(self, other: Tensor, disparity: Tensor) -> Warped:
        """See :meth:`StereoGeometry.warp`. Outside the image the border is repeated and invalid."""
        height, width = other.shape[-2:]
        dtype = torch.float64 if disparity.dtype == torch.float64 else torch.float32
        u, v = pixel_centres(height, width, disparity.device, dtype)
        shift = disparity[:, 0].to(dtype) * width
        u = u - shift if self.other_is_right else u + shift
        valid = (u >= 0) & (u <= width)
        image = read_pixels(other, u, v.expand_as(u), wraps=False)
        return Warped(image, valid[:, None], disparity)

    def weights(self, like: Tensor) -> None:
        return None

    def sensitivity(self, like: Tensor) -> None:
        return None


def read_pixels(image: Tensor, u: Tensor, v: Tensor, *, wraps: bool) -> Tensor:
    """Sample (B, C, H, W) bilinearly at pixel positions ``u``, ``v`` (B, h, w), centres at +0.5.

    Rows repeat at the top and the bottom, and columns at the sides unless the image ``wraps``; then
    ``u`` must lie in [0, W].
    """
    height, width = image.shape[-2:]
    working = image.to(u.dtype)
    if wraps:
        working, u, width = pad(working, (1, 1, 0, 0), mode="circular"), u + 1, width + 2
    grid = torch.stack((u * (2 / width) - 1, v * (2 / height) - 1), -1)
    return grid_sample(working, grid, padding_mode="border", align_corners=False).to(image.dtype)
