"""Point frames: the optical frame of this package and those of others.

Optical: x right, y down, z forward. Body: x forward, y left, z up (both REP-103). PanDA's point
clouds: x left, y up, z forward. OpenGL: x right, y up, z backward. All are right-handed; points
are (..., 3).
"""

from __future__ import annotations

import torch
from torch import Tensor


def optical_to_body(points: Tensor) -> Tensor:
    """Points of the optical frame in the body frame."""
    x, y, z = points.unbind(-1)
    return torch.stack((z, -x, -y), -1)


def body_to_optical(points: Tensor) -> Tensor:
    """Points of the body frame in the optical frame."""
    x, y, z = points.unbind(-1)
    return torch.stack((-y, -z, x), -1)


def optical_to_panda(points: Tensor) -> Tensor:
    """Points of the optical frame in the frame of PanDA's published clouds; its own inverse."""
    x, y, z = points.unbind(-1)
    return torch.stack((-x, -y, z), -1)


def optical_to_opengl(points: Tensor) -> Tensor:
    """Points of the optical frame in that of OpenGL and of PPD's published clouds; its inverse."""
    x, y, z = points.unbind(-1)
    return torch.stack((x, -y, -z), -1)
