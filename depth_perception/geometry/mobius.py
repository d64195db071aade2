"""Möbius warps of panoramas, the spherical augmentation of PanDA (arXiv 2406.13378).

A Möbius transformation of the sphere combines rotations with a zoom: one side of the sphere grows,
the opposite one shrinks, and angles are preserved.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from random import Random
from typing import Literal

import torch
from torch import Tensor

from .equirectangular import Equirectangular
from .exact import exact_dtype
from .sampling import SamplingGrid

Pole = Literal["equator", "north"]


@dataclass(frozen=True)
class Mobius:
    """A Möbius transformation ``M = diag(e^(i theta), 1) Rotation(phi) diag(scale, 1)``.

    With the pole ``"equator"`` (as in training) the fixed point of roll and zoom is the image
    centre, with ``"north"`` the upper image border.

    Attributes:
        theta: clockwise roll of the camera about its axis through the image centre, radians.
        phi: yaw of the camera to the right, radians.
        scale: magnification of the image centre; the opposite side shrinks by as much.
    """

    theta: float = 0.0
    phi: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (self.scale > 0 and math.isfinite(self.scale)):
            raise ValueError(f"scale must be positive and finite, got {self.scale}")

    @classmethod
    def random(cls, rng: Random, vertical_res: float = 18.0, zoom_res: float = 0.5) -> Mobius:
        """Draw theta in +-pi / vertical_res, phi in [0, 2 pi] and scale in [1, 1 + zoom_res].

        They are drawn in this order (no theta if ``vertical_res`` is 0), so a generator with the
        same seed gives the parameters of the published training code.
        """
        limit = math.pi / vertical_res if vertical_res else 0.0
        theta = rng.uniform(-limit, limit) if vertical_res else 0.0
        phi = rng.uniform(0, 2 * math.pi)
        return cls(theta, phi, rng.uniform(1, 1 + zoom_res))

    @property
    def matrix(self) -> tuple[tuple[complex, complex], tuple[complex, complex]]:
        """The 2 x 2 complex matrix M, row by row."""
        turn = cmath.exp(1j * self.theta)
        cos, sin = math.cos(self.phi / 2), math.sin(self.phi / 2)
        return (turn * cos * self.scale, turn * sin), (complex(-sin * self.scale), complex(cos))

    def source_directions(self, directions: Tensor, pole: Pole = "equator") -> Tensor:
        """Unit directions of the original sphere for ``directions`` (..., 3) of the warped one.

        The sphere is mapped to the complex plane by a stereographic projection, where ``M^-1``
        acts. A number zeta = p / q is stored as the pair (p, q), so that infinity, the pole of
        the projection, needs no special case.
        """
        x, y, z = directions.unbind(-1)
        if pole not in ("equator", "north"):
            raise ValueError(f"pole must be 'equator' or 'north', got {pole!r}")
        axis, first, second = (-z, -x, y) if pole == "equator" else (y, -z, -x)
        p, q = torch.complex(first, second), torch.complex(1 - axis, torch.zeros_like(axis))
        at_pole = (1 - axis) < 1e-12
        p = torch.where(at_pole, torch.ones_like(p), p)
        (a, b), (c, d) = self.matrix
        p, q = d * p - b * q, a * q - c * p  # the inverse up to a factor that cancels in p / q
        p2, q2 = p.abs().square(), q.abs().square()
        product = 2 * p * q.conj() / (p2 + q2)
        axis, first, second = (p2 - q2) / (p2 + q2), product.real, product.imag
        if pole == "equator":
            return torch.stack((-first, second, -axis), -1)
        return torch.stack((-second, axis, -first), -1)


def mobius_grid(
    height: int,
    width: int,
    transformation: Mobius,
    pole: Pole = "equator",
    device: torch.device | str = "cpu",
) -> SamplingGrid:
    """The sampling grid of a warp between full panoramas of (height, width) pixels.

    PanDA samples images and depth by the nearest pixel. Range is not corrected for the zoom. Near
    the seam this grid reads the nearer column, where PanDA may read zero.
    """
    camera = Equirectangular(height, width)
    rays = camera.rays(device=device, dtype=exact_dtype(device))
    return SamplingGrid.of(camera, transformation.source_directions(rays, pole))
