"""Clouds and normals of DAP and DA2 (utils3d), whose points are z up, the image centre at -x."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SIDES = ((-1, 0), (0, -1), (1, 0), (0, 1))  # up, left, down, right


def optical_to_z_up(points: Tensor) -> Tensor:
    """Points (..., 3) of the optical frame in the frame of these clouds."""
    x, y, z = points.unbind(-1)
    return torch.stack((-z, x, -y), -1)


def normals_of(points: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean normals (H, W, 3) of the triangles with two neighbours, and where there is one.

    Args:
        points: (H, W, 3). mask: (H, W) bool, where they are valid.
    """
    height, width = mask.shape
    points = F.pad(points, (0, 0, 1, 1, 1, 1))
    mask = F.pad(mask, (1, 1, 1, 1))

    def moved(values: Tensor, side: tuple[int, int]) -> Tensor:
        return values[1 + side[0] : 1 + side[0] + height, 1 + side[1] : 1 + side[1] + width]

    centre, known = moved(points, (0, 0)), moved(mask, (0, 0))
    total, some = torch.zeros_like(centre), torch.zeros_like(known)
    for one, other in zip(_SIDES, _SIDES[1:] + _SIDES[:1], strict=True):
        normal = torch.linalg.cross(moved(points, one) - centre, moved(points, other) - centre)
        valid = known & moved(mask, one) & moved(mask, other)
        total += valid[..., None] * normal / (normal.norm(dim=-1, keepdim=True) + 1e-12)
        some |= valid
    total = total / (total.norm(dim=-1, keepdim=True) + 1e-12)
    return total * some[..., None], some
