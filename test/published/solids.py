"""Distance of points from the surface of solids."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_perception.data.worlds.primitives import Primitives, unit_points


def surface_error(primitives: Primitives, owner: Tensor, points: Tensor) -> Tensor:
    """Distance (M,) in metres, to first order, of points (M, 3) from the surface of their solid."""
    local = unit_points(primitives, owner, points)
    shape, half = primitives.shape[owner], primitives.half[owner]
    x, y, z = local.unbind(1)
    radial = torch.hypot(x, y)
    box = ((local.abs() - 1) * half).max(dim=1).values
    wide = torch.minimum(half[:, 0], half[:, 1])
    cylinder = torch.maximum((radial - 1) * wide, (z.abs() - 1) * half[:, 2])
    ball = (local.norm(dim=1) - 1) * half.min(dim=1).values
    cone = torch.maximum((radial - (1 - z) / 2) * wide, (-1 - z) * half[:, 2])
    slope = (x.abs() + (z + 1) / 2 - 1) * half[:, 0]
    gable = torch.stack((slope, (y.abs() - 1) * half[:, 1], (-1 - z) * half[:, 2])).max(0).values
    lean = (x.abs() - 0.8 + 0.2 * z) * half[:, 0], (y.abs() - 0.9 + 0.1 * z) * half[:, 1]
    taper = torch.stack((*lean, (z.abs() - 1) * half[:, 2])).max(0).values
    ramp = (z - x) * torch.minimum(half[:, 0], half[:, 2])
    wedge = torch.maximum(box, ramp)
    errors = torch.stack((box, cylinder, ball, cone, gable, taper, wedge))
    return errors.gather(0, shape[None])[0].abs()
