"""Partial panoramas for networks that know full spheres only."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import pad

from ..geometry import Equirectangular

_LEAST_SHARE, _LEAST_TURN = 0.7, 0.49


@dataclass(frozen=True)
class SpherePart:
    """A rectangle of the network input of a full sphere.

    Attributes:
        height, width: of the whole network input.
        top, left, rows, columns: of the part; it may cross the right border.
    """

    height: int
    width: int
    top: int
    left: int
    rows: int
    columns: int

    @property
    def is_enough(self) -> bool:
        """Whether metres are about as good as in the whole sphere.

        Measured on synthetic worlds: parts with half of a turn and 0.7 of the sines of the
        latitudes have at most 1.6 times the error of the same pixels in the whole sphere, a ring
        of 28 degrees three to four times.
        """
        north, south = (math.pi * (k / self.height - 0.5) for k in (self.top, self.top + self.rows))
        share = (math.sin(south) - math.sin(north)) / 2
        return share >= _LEAST_SHARE and self.columns >= self.width * _LEAST_TURN

    def fill(self, images: Tensor) -> Tensor:
        """The whole sphere (B, C, height, width) of parts (B, C, rows, columns).

        The borders of a part are repeated as far as the sphere goes.
        """
        missing = self.width - self.columns
        sides = (missing // 2, missing - missing // 2)
        below = self.height - self.top - self.rows
        images = pad(images, (*sides, self.top, below), mode="replicate")
        return images.roll(self.left - sides[0], -1)

    def cut(self, maps: Tensor) -> Tensor:
        """The part (B, C, rows, columns) of maps (B, C, height, width) of the sphere."""
        maps = maps[..., self.top : self.top + self.rows, :]
        return maps.roll(-self.left, -1)[..., : self.columns]


def is_full_sphere(camera: Equirectangular) -> bool:
    """Whether a camera sees all directions."""
    return camera.is_full_turn and math.isclose(camera.vertical_fov, math.pi, abs_tol=1e-6)


def part_of_sphere(camera: Equirectangular, height: int, width: int) -> SpherePart:
    """The pixels of a sphere of this size that a camera sees, to the nearest pixel."""
    top = round((camera.latitude_min / math.pi + 0.5) * height)
    bottom = round((camera.latitude_max / math.pi + 0.5) * height)
    top = min(top, height - 1)
    columns = min(width, max(1, round(camera.horizontal_fov / (2 * math.pi) * width)))
    left = round((camera.longitude_min / (2 * math.pi) + 0.5) * width) % width
    return SpherePart(height, width, top, left, max(1, bottom - top), columns)
