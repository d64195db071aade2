"""From the optical frame (REP-103) to the frames of published point clouds; points are (..., 3).

Optical: x right, y down, z forward. Clouds of PanDA: x left, y up, z forward. OpenGL and clouds of
Pixel-Perfect Depth: x right, y up, z backward. All are right-handed.
"""

from __future__ import annotations

import torch
from torch import Tensor


def optical_to_panda(points: Tensor) -> Tensor:
    """Points of the optical frame in the frame of PanDA; the function is its own inverse."""
    x, y, z = points.unbind(-1)
    return torch.stack((-x, -y, z), -1)


def optical_to_opengl(points: Tensor) -> Tensor:
    """Points of the optical frame in the frame of OpenGL; the function is its own inverse."""
    x, y, z = points.unbind(-1)
    return torch.stack((x, -y, -z), -1)
