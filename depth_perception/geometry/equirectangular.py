"""The equirectangular camera: longitude along the columns, latitude along the rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .camera import Camera, check_crop, check_size, with_size


@dataclass(frozen=True)
class Equirectangular(Camera):
    """A full or partial panorama.

    Longitude is 0 on +z and grows to the right (+x); latitude is 0 on the horizon and grows
    downward (+y). The bounds are those of the image borders, not of the pixel centres. The
    default is the full sphere; :meth:`partial` builds a panorama of a given field of view.

    Attributes:
        height, width: grid size in pixels.
        longitude_min, longitude_max: left and right border, radians. The span is at most 2 pi;
            the right border may pass pi where a crop crosses the seam.
        latitude_min, latitude_max: top and bottom border, radians, within +-pi/2.
    """

    height: int
    width: int
    longitude_min: float = -math.pi
    longitude_max: float = math.pi
    latitude_min: float = -math.pi / 2
    latitude_max: float = math.pi / 2

    def __post_init__(self) -> None:
        check_size(self.height, self.width)
        if not 0 < self.horizontal_fov <= 2 * math.pi + 1e-9:
            raise ValueError(
                "longitude_max - longitude_min must lie in (0, 2 pi], got "
                f"{self.horizontal_fov:.6f} rad"
            )
        limit = math.pi / 2 + 1e-9
        if not -limit <= self.latitude_min < self.latitude_max <= limit:
            raise ValueError(
                "latitudes must satisfy -pi/2 <= latitude_min < latitude_max <= pi/2, got "
                f"{self.latitude_min:.6f} and {self.latitude_max:.6f} rad"
            )

    @classmethod
    def partial(
        cls, height: int, width: int, horizontal_fov: float, vertical_fov: float
    ) -> Equirectangular:
        """A panorama centred on +z that covers ``horizontal_fov`` by ``vertical_fov`` radians."""
        right, bottom = horizontal_fov / 2, vertical_fov / 2
        return cls(height, width, -right, right, -bottom, bottom)

    @property
    def horizontal_fov(self) -> float:
        """Angle between the left and the right border, radians."""
        return self.longitude_max - self.longitude_min

    @property
    def vertical_fov(self) -> float:
        """Angle between the top and the bottom border, radians."""
        return self.latitude_max - self.latitude_min

    @property
    def is_full_turn(self) -> bool:
        """Whether the left and the right border are neighbours."""
        return math.isclose(self.horizontal_fov, 2 * math.pi, abs_tol=1e-6)

    def directions(self, u: Tensor, v: Tensor) -> Tensor:
        longitude = self.longitude_min + u / self.width * self.horizontal_fov
        latitude = self.latitude_min + v / self.height * self.vertical_fov
        level = torch.cos(latitude)
        x, z = level * torch.sin(longitude), level * torch.cos(longitude)
        return torch.stack((x, torch.sin(latitude), z), dim=-1)

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Camera.project`. On a full turn, ``u`` lies in [0, width)."""
        x, y, z = points.unbind(-1)
        middle = (self.longitude_min + self.longitude_max) / 2
        offset = torch.remainder(torch.atan2(x, z) - middle + math.pi, 2 * math.pi) - math.pi
        u = (offset / self.horizontal_fov + 0.5) * self.width
        if self.is_full_turn:
            u = torch.remainder(u, self.width)
            u = torch.where(u >= self.width, torch.zeros_like(u), u)  # rounding at the seam
        latitude = torch.atan2(y, torch.hypot(x, z))
        v = (latitude - self.latitude_min) / self.vertical_fov * self.height
        seen = (points != 0).any(-1)
        nan = torch.full_like(u, math.nan)
        return torch.where(seen, u, nan), torch.where(seen, v, nan)

    def resize(self, height: int, width: int) -> Equirectangular:
        return with_size(self, height, width)

    def crop(self, top: int, left: int, height: int, width: int) -> Equirectangular:
        """See :meth:`Camera.crop`. On a full turn the rectangle may cross the right border."""
        check_crop(self, top, left, height, width)
        per_column, per_row = self.horizontal_fov / self.width, self.vertical_fov / self.height
        borders = {
            "longitude_min": self.longitude_min + left * per_column,
            "longitude_max": self.longitude_min + (left + width) * per_column,
            "latitude_min": self.latitude_min + top * per_row,
            "latitude_max": self.latitude_min + (top + height) * per_row,
        }
        return with_size(self, height, width, **borders)

    def solid_angles(
        self, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Exact solid angle of the pixels of each row, (H, 1) steradians.

        A pixel between latitudes a and b covers (sin b - sin a) times its longitude span.
        """
        limits = self.latitude_min, self.latitude_max
        borders = torch.linspace(*limits, self.height + 1, dtype=torch.float64)
        rows = torch.diff(torch.sin(borders)) * (self.horizontal_fov / self.width)
        return rows[:, None].to(device=device, dtype=dtype)
