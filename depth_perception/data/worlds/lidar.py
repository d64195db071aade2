"""A spinning lidar in a world: exact ranges, then noise and outliers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .primitives import first_hits
from .world import World


@dataclass(frozen=True)
class Lidar:
    """Beams that rotate about the z axis of the sensor (x forward, y left, z up).

    Attributes:
        beams: number of elevations, evenly spaced in ``elevation_min`` to ``elevation_max``,
            radians above the horizon.
        columns: measurements of each beam in one turn.
        range_min_m, range_max_m: ranges outside give no return.
        noise_m: standard deviation of a range.
        outliers: share of wrong returns with a random range between the limits, as from dust,
            rain, glass and crosstalk.
    """

    beams: int = 16
    columns: int = 360
    elevation_min: float = -math.radians(15.0)
    elevation_max: float = math.radians(15.0)
    range_min_m: float = 0.3
    range_max_m: float = 60.0
    noise_m: float = 0.02
    outliers: float = 0.0

    def __post_init__(self) -> None:
        if self.beams < 1 or self.columns < 1:
            raise ValueError(f"a lidar needs beams and columns, got {self.beams}, {self.columns}")
        if not -math.pi / 2 <= self.elevation_min <= self.elevation_max <= math.pi / 2:
            rule = "elevations must satisfy -pi/2 <= elevation_min <= elevation_max <= pi/2"
            raise ValueError(f"{rule}, got {self.elevation_min:.3f}, {self.elevation_max:.3f} rad")
        low, high, noise, share = self.range_min_m, self.range_max_m, self.noise_m, self.outliers
        if not 0 <= low < high:
            raise ValueError(f"ranges must satisfy 0 <= min < max, got {low}, {high}")
        if noise < 0 or not 0 <= share <= 1:
            rule = "noise_m must not be negative and outliers lie in 0..1"
            raise ValueError(f"{rule}, got {noise} and {share}")

    def directions(self) -> Tensor:
        """Unit directions of one turn, (beams * columns, 3) float32, beam by beam."""
        limits = self.elevation_min, self.elevation_max
        elevation = torch.linspace(*limits, self.beams, dtype=torch.float64)[:, None]
        azimuth = torch.arange(self.columns, dtype=torch.float64) * (2 * math.pi / self.columns)
        flat = elevation.cos().expand(-1, self.columns)
        up = elevation.sin().expand(-1, self.columns)
        rays = torch.stack((flat * azimuth.cos(), flat * azimuth.sin(), up), -1)
        return rays.reshape(-1, 3).float()


@torch.no_grad()
def scan(world: World, lidar: Lidar, pose: Tensor, *, seed: int = 0) -> Tensor:
    """Simulate one turn without motion: points (N, 3) float32 in the frame of the sensor.

    Args:
        world: the scanned world.
        lidar: model of the sensor.
        pose: (4, 4) sensor to world; its origin must lie outside of all solids.
        seed: random seed of noise and outliers.
    """
    turn, origin = pose[:3, :3].float(), pose[:3, 3].float()
    directions = lidar.directions()
    ranges, _ = first_hits(world.primitives, origin, (turn @ directions.T).contiguous())
    generator = torch.Generator().manual_seed(seed)
    ranges = ranges + lidar.noise_m * torch.randn(ranges.shape, generator=generator)
    wrong = torch.rand(ranges.shape, generator=generator) < lidar.outliers
    span = lidar.range_max_m - lidar.range_min_m
    wild = lidar.range_min_m + span * torch.rand(ranges.shape, generator=generator)
    ranges = torch.where(wrong, wild, ranges)
    seen = (ranges >= lidar.range_min_m) & (ranges <= lidar.range_max_m)
    return (directions * ranges[:, None])[seen]
